"""The API's document, OpenAPI 3.1, made of the routes and shapes that the API itself is made of.

python -m engine.service.openapi > docs/openapi.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

import engine
from engine.model.names import ID_ALLOWED, ID_PATTERN
from engine.model.operation import OPERATION_ID
from engine.model.spec import ProjectSpec
from engine.service import answers, old_routes
from engine.service.api import JSON, ROUTES
from engine.service.problems import PROBLEM
from engine.service.routes import Answer, Parameter, Route

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Clusters for projects, over REST. Requests are signed with AWS Signature Version 4, service execute-api.

`/v1` is the interface to use: what takes longer than a moment is an operation, which is accepted at once \
and looked at until it has SUCCEEDED or FAILED. `/hpc-provisioner` is the interface of the \
previous-generation provisioner, kept for its clients."""
_IDS: dict[str, dict[str, Any]] = {
    "vlab_id": {"type": "string", "pattern": ID_PATTERN, "minLength": 1, "maxLength": 64},
    "project_id": {"type": "string", "pattern": ID_PATTERN, "minLength": 1, "maxLength": 64},
    "operation_id": {"type": "string", "pattern": f"^{OPERATION_ID}$"},
}
_ID_TEXTS = {
    "vlab_id": f"The virtual lab: {ID_ALLOWED}.",
    "project_id": f"The project in it: {ID_ALLOWED}.",
    "operation_id": "An operation of the project.",
}
_ALWAYS = {
    HTTPStatus.BAD_REQUEST: "Something in the request breaks a rule.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug, or an installation that is not set up.",
    HTTPStatus.SERVICE_UNAVAILABLE: "AWS does not answer just now. Ask again after Retry-After.",
}
_REFUSED = "API Gateway: the request is not signed as it must be, or not by somebody who may call."


def document() -> dict[str, Any]:
    """docs/openapi.json"""
    shapes = {route.name: route.answer.shape for route in ROUTES} | {
        "problem": answers.Problem,
        "oldProblem": answers.OldProblem,
        "refused": answers.Refused,
        "spec": ProjectSpec,
    }
    # What comes in as it may be written, what goes out as it is written.
    modes: dict[str, Any] = {name: "validation" if name == "spec" else "serialization" for name in shapes}
    adapters = [(name, modes[name], TypeAdapter(shape)) for name, shape in shapes.items()]
    made, common = TypeAdapter.json_schemas(adapters, ref_template=_REF)
    schemas = {name: made[name, modes[name]] for name in shapes}
    definitions = dict(sorted(common["$defs"].items()))
    definitions["Spec"] = _spec(definitions.pop("ProjectSpec"))
    for kind in ("LustreStorage", "EfsStorage"):
        definitions[kind]["required"] = ["kind"]  # it tells them apart
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ParallelCluster Provisioner",
            "version": engine.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The stage of the API, or `provisioner serve`."}],
        "security": [{"sigv4": []}],
        "tags": [
            {"name": "v1", "description": "The interface to use."},
            {"name": "old", "description": "For clients of the previous-generation provisioner."},
        ],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS Signature Version 4, service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def _spec(schema: dict[str, Any]) -> dict[str, Any]:
    """A spec as a body has it: the ids stand in the address, and may be repeated."""
    rest = {name: value for name, value in schema.items() if name != "required"}
    return rest | {"title": "Spec", "description": "What a project asks for; docs/spec.md says more."}


def _operation(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    old = route.path.startswith(old_routes.PREFIX)
    made: dict[str, Any] = {
        "operationId": route.name,
        "tags": ["old" if old else "v1"],
        "summary": route.summary,
    }
    if route.description:
        made["description"] = route.description
    parameters = list(_parameters(route))
    if parameters:
        made["parameters"] = parameters
    if route.takes_spec:
        made["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": {"$ref": _REF.format(model="Spec")}, "example": {"tier": "debug"}}},
        }
    made["responses"] = dict(_responses(route, schemas, old=old))
    return made


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _ID_TEXTS[name],
            "schema": _IDS[name],
        }
    for place, parameters in (("query", route.query), ("header", route.headers)):
        yield from (_parameter(one, place) for one in parameters)


def _parameter(one: Parameter, place: str) -> dict[str, Any]:
    schema = _IDS.get(one.name, one.schema)
    return {
        "name": one.name,
        "in": place,
        "required": one.required,
        "description": one.description,
        "schema": dict(schema),
    }


def _responses(
    route: Route, schemas: Mapping[str, Any], *, old: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield str(int(route.answer.status)), _good(route.answer, schemas[route.name])
    problems = _ALWAYS | dict(route.problems)
    if "{" in route.path:
        problems.setdefault(HTTPStatus.NOT_FOUND, "No ids can stand in such an address.")
        problems[HTTPStatus.REQUEST_URI_TOO_LONG] = "The address is longer than two ids can be."
    media, schema = (JSON, schemas["oldProblem"]) if old else (PROBLEM, schemas["problem"])
    answered = {
        status: {"description": text, "content": {media: {"schema": schema}}}
        for status, text in problems.items()
    }
    answered[HTTPStatus.FORBIDDEN] = {
        "description": _REFUSED,
        "content": {JSON: {"schema": schemas["refused"]}},
    }
    for status in sorted(answered):
        yield str(int(status)), answered[status]


def _good(answer: Answer, schema: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.description, "content": {JSON: {"schema": schema}}}
    if answer.headers:
        made["headers"] = {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in answer.headers.items()
        }
    return made


def text() -> str:
    """The document as it is kept."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
