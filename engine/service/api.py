"""The entry point of the API function: API Gateway's proxy events in, answers out.

It looks and it records wishes; whatever takes longer is a worker's. Neither Terraform nor what writes
workspaces is imported here.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from engine import settle
from engine.errors import EngineError, RequestError
from engine.operations.installation import base_folder, read_catalogue, read_settings
from engine.operations.place import Place, connect
from engine.operations.requests import Desk, open_desk
from engine.service import old_routes, v1_routes
from engine.service.logging import about, count, logger, note
from engine.service.problems import (
    PROBLEM,
    AddressTooLong,
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    UnknownAddress,
    UnsupportedBody,
    headers,
    old_problem,
    problem,
    shown,
    status_of,
)
from engine.service.routes import Reply, Request, Route, read_headers, read_query
from engine.service.tracing import span

ROUTES: tuple[Route, ...] = (*old_routes.ROUTES, *v1_routes.ROUTES)
JSON = "application/json"
MAX_BODY_BYTES = 65_536
MAX_PATH_CHARS = 1024
_ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_LOGGED_CHARS = 200
_CLIENTS = ("dynamodb", "sqs", "ec2", "secretsmanager", "cloudformation", "fsx")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """What Lambda calls."""
    return service().answer(event)


@cache
def service() -> Service:
    """Made by the first request that a function's process gets, and kept with its connections to AWS."""
    effective = read_settings(environ=os.environ)
    cloud, settings = connect(effective.settings)
    catalogue = read_catalogue(effective, base=base_folder())
    settle()
    return Service(open_desk(Place(settings=settings, cloud=cloud, now=cloud.now, catalogue=catalogue)))


class Resolver(APIGatewayRestResolver):
    """Powertools' resolver, usable by several threads: its own keeps the request in attributes of the
    class, since Lambda has one at a time. The local server has many."""

    def __init__(self) -> None:
        self._mine = threading.local()
        super().__init__()

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        self._mine.event = APIGatewayProxyEvent(dict(event))
        self._mine.context = {}
        return super().resolve(dict(event), context)

    @property
    def current_event(self) -> APIGatewayProxyEvent:  # type: ignore[override]
        event: APIGatewayProxyEvent = self._mine.event
        return event

    @property
    def context(self) -> dict[str, Any]:
        if not hasattr(self._mine, "context"):
            self._mine.context = {}
        context: dict[str, Any] = self._mine.context
        return context

    @context.setter
    def context(self, value: dict[str, Any]) -> None:
        self._mine.context = value


class Service:
    """Answers events. Safe to share by threads; nothing of a request outlives it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._resolver = Resolver()
        known: dict[str, list[str]] = {}
        for route in ROUTES:
            known.setdefault(route.path, []).append(route.method)
            self._register(route.path, route.method, self._answering(route))
        for path, methods in known.items():
            for method in _ANY_METHOD:
                if method not in methods:
                    self._register(path, method, _refusing(tuple(methods)))
        self._resolver.not_found(self._not_found)
        self._resolver.exception_handler(Exception)(self._failed)

    def warm(self) -> None:
        """Make the clients now that the first requests would wait for. Asks nobody."""
        for name in _CLIENTS:
            getattr(self._desk.place.cloud, name)

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """API Gateway's answer to its event; never raises."""
        started = time.monotonic()
        method, path = str(event.get("httpMethod")), str(event.get("path"))
        with about(
            request_id=_request_id(event), method=method, path=path[:_LOGGED_CHARS], caller=_caller(event)
        ):
            with span("api", enabled=self._desk.place.settings.tracing, path=path[:_LOGGED_CHARS]):
                reply = self._resolver.resolve(event, None)
            seconds = time.monotonic() - started
            logger.info("answered", status=reply["statusCode"], duration_ms=round(seconds * 1000, 1))
            count("api", f"{reply['statusCode'] // 100}xx", seconds=seconds)
        return reply

    def _register(self, path: str, method: str, function: Callable[..., Response[str]]) -> None:
        rule = path.replace("{", "<").replace("}", ">")
        self._resolver.route(rule=rule, method=method)(function)

    def _answering(self, route: Route) -> Callable[..., Response[str]]:
        def answer(**ids: str) -> Response[str]:
            event = self._resolver.current_event
            _check_size(event)
            request = Request(
                id=_request_id(event.raw_event),
                ids=ids,
                query=read_query(route, event.resolved_query_string_parameters),
                headers=read_headers(route, _header_values(event)),
                body=_body(event) if route.takes_spec else "",
                caller=_caller(event.raw_event),
            )
            _note_project({**request.query, **ids})
            reply = route.handle(self._desk, request)
            _note_operation(reply)
            return self._response(reply.status, JSON, reply.body, reply.headers)

        # Powertools warns of two functions of one name.
        answer.__name__ = route.name
        return answer

    def _not_found(self, _error: Exception) -> Response[str]:
        event = self._resolver.current_event
        error: EngineError = UnknownAddress(
            "There is nothing at this address.", hint="`GET /v1` lists what can be asked."
        )
        try:
            _check_size(event)
        except RequestError as found:
            error = found
        return self._refuse(error)

    def _failed(self, error: Exception) -> Response[str]:
        if not isinstance(error, EngineError):
            logger.exception("a bug")
            error = InternalError(
                "The provisioner met a bug.", hint="Its operators find it in the log, under the request's id."
            )
        return self._refuse(error)

    def _refuse(self, error: EngineError) -> Response[str]:
        told = shown(error)
        log = logger.error if told is not error or isinstance(error, InternalError) else logger.info
        log("refused", code=error.code, detail=error.message)
        event = self._resolver.current_event
        if not (event.path or "").startswith(old_routes.PREFIX):
            instance = _request_id(event.raw_event)
            return self._response(status_of(told), PROBLEM, problem(told, instance=instance), headers(told))
        status = status_of(told)
        if isinstance(told, UnknownAddress | MethodNotAllowed):
            status = HTTPStatus.BAD_REQUEST  # as their clients know it
        return self._response(status, JSON, old_problem(told), headers(told))

    def _response(
        self, status: HTTPStatus, content_type: str, body: Any, more: Mapping[str, str]
    ) -> Response[str]:
        request_id = _request_id(self._resolver.current_event.raw_event)
        return Response(
            status_code=int(status),
            content_type=content_type,
            body=json.dumps(body),
            headers={"Cache-Control": "no-store", "X-Request-Id": request_id, **more},
        )


def _refusing(methods: tuple[str, ...]) -> Callable[..., Response[str]]:
    def refuse(**_ids: str) -> Response[str]:
        raise MethodNotAllowed(
            f"This address knows {' and '.join(methods)} only.", details={"allowed": methods}
        )

    return refuse


def _check_size(event: APIGatewayProxyEvent) -> None:
    if len(event.path or "") > MAX_PATH_CHARS:
        raise AddressTooLong(f"An address has at most {MAX_PATH_CHARS} characters.")
    # Four characters of base64 are three bytes.
    most = MAX_BODY_BYTES * 4 // 3 + 4 if event.is_base64_encoded else MAX_BODY_BYTES
    if len(event.body or "") > most:
        raise BodyTooLarge(f"A body has at most {MAX_BODY_BYTES} bytes.")


def _body(event: APIGatewayProxyEvent) -> str:
    """The body as text.

    Raises   UnsupportedBody for another content type than JSON, RequestError for what is no text
    """
    content_types = {
        value.partition(";")[0].strip().lower()
        for name, values in _header_values(event).items()
        if name.lower() == "content-type"
        for value in values
    }
    if content_types - {JSON}:
        raise UnsupportedBody("The body is not sent as JSON.", hint=f"Send it as {JSON}.")
    body = event.body or ""
    if not event.is_base64_encoded:
        return body
    try:
        return base64.b64decode(body, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise RequestError("The body is not UTF-8 text.") from None


def _header_values(event: APIGatewayProxyEvent) -> dict[str, list[str]]:
    several: dict[str, list[str]] = event.raw_event.get("multiValueHeaders") or {}
    if several:
        return several
    return {name: [value] for name, value in (event.raw_event.get("headers") or {}).items()}


def _request_id(event: Mapping[str, Any]) -> str:
    return str((event.get("requestContext") or {}).get("requestId") or "unknown")


def _caller(event: Mapping[str, Any]) -> str:
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return str(identity.get("userArn") or "unknown")


def _note_project(named: Mapping[str, Any]) -> None:
    vlab_id, project_id = named.get("vlab_id"), named.get("project_id")
    if vlab_id and project_id:
        note(project=f"{vlab_id}/{project_id}"[:_LOGGED_CHARS])
    operation_id = named.get("operation_id")
    note(operation_id=operation_id[:_LOGGED_CHARS] if operation_id else None)


def _note_operation(reply: Reply) -> None:
    operation = reply.body.get("operation") if isinstance(reply.body, dict) else None
    if operation:
        note(operation_id=operation["id"])
