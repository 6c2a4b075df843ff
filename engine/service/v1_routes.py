"""The clean interface: projects, their operations, events and plans, under /v1."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Any, cast

import engine
from engine.aws import buckets
from engine.aws.operation_store import Idempotency, Submitted
from engine.aws.registry import ProjectRecord
from engine.errors import (
    BackendError,
    FieldProblem,
    InvalidRequest,
    InvalidSpec,
    NotConfirmed,
    RequestError,
    UnknownOperation,
)
from engine.model.names import names_for
from engine.model.operation import Operation
from engine.model.spec import ProjectSpec, load_spec
from engine.operations import records
from engine.operations.requests import Desk, ask_for_project, ask_for_removal, remind_worker
from engine.operations.status import list_page, project_status
from engine.service import answers, pages
from engine.service.logging import left_out
from engine.service.problems import NoPlanStored
from engine.service.routes import (
    MAX_HEADER_CHARS,
    Answer,
    Parameter,
    Reply,
    Request,
    Route,
    ascii_token,
    boolean,
    line,
)

_PROJECT = "/v1/projects/{vlab_id}/{project_id}"
_OPERATIONS = f"{_PROJECT}/operations"
_OPERATION = f"{_OPERATIONS}/{{operation_id}}"
_MAX_EVENTS = 99_999_999

_KEY = Parameter(
    "Idempotency-Key",
    "A text of your own for this request. Sent again with it within a day, the request gives the same "
    "operation, also when that has ended; another request with it is refused.",
    {"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": MAX_HEADER_CHARS},
    read=ascii_token,
)
_ACCEPTED = Answer(
    HTTPStatus.ACCEPTED,
    "Accepted: this operation does it, or did, where the key was used before.",
    answers.OperationAnswer,
    {"Location": "Address of the operation."},
)
_BUSY = {HTTPStatus.CONFLICT: "Another wish is under way (`operation`), or the data is being deleted."}
_REUSED = {HTTPStatus.UNPROCESSABLE_ENTITY: "The key was used for another request."}
_ABSENT = {HTTPStatus.NOT_FOUND: "There is no such project."}
_NO_OPERATION = {HTTPStatus.NOT_FOUND: "There is no such operation."}


def index(_desk: Desk, _request: Request) -> Reply:
    body: answers.IndexAnswer = {
        "version": engine.__version__,
        "requests": [
            {"method": route.method, "path": route.path, "summary": route.summary} for route in ROUTES
        ],
    }
    return Reply(body)


def version(_desk: Desk, _request: Request) -> Reply:
    return Reply({"version": engine.__version__})


def projects(desk: Desk, request: Request) -> Reply:
    after = pages.behind("projects", request.query["next"])
    listed, last = list_page(desk.place, limit=request.query["limit"], after=after, passed_over=left_out)
    body: answers.ProjectsAnswer = {
        "projects": [
            {
                "vlab_id": one.record.vlab_id,
                "project_id": one.record.project_id,
                "phase": str(one.record.phase),
                "message": one.record.message,
                "tier": one.tier,
                "cluster": one.record.cluster,
                "cluster_status": one.cluster_status,
                "version": one.cluster_version,
                "created_at": one.record.created_at.isoformat(),
                "updated_at": one.record.updated_at.isoformat(),
            }
            for one in listed
        ],
        "next": pages.token("projects", last) if last else None,
    }
    return Reply(body)


def project(desk: Desk, request: Request) -> Reply:
    status = project_status(desk.place, *_ids(desk, request))
    latest = desk.store.latest(status.record.project)
    return Reply({"project": {**status.to_dict(), "operation": latest.to_dict() if latest else None}})


def put_project(desk: Desk, request: Request) -> Reply:
    vlab_id, project_id = _ids(desk, request)
    spec = _spec(desk, vlab_id, project_id, request.body)
    submitted = ask_for_project(
        desk,
        spec,
        requested_by=request.caller,
        idempotency=_idempotency(request, "PUT", spec.model_dump(mode="json")),
    )
    return _accepted(submitted)


def delete_project(desk: Desk, request: Request) -> Reply:
    vlab_id, project_id = _ids(desk, request)
    purge_data, skip_export = request.query["purge_data"], request.query["skip_export"]
    purge_now = request.query["purge_now"]
    name = f"{vlab_id}/{project_id}"
    if purge_now and not purge_data:
        raise InvalidRequest(
            "purge_now goes with purge_data.", [FieldProblem("query.purge_now", "stands without purge_data")]
        )
    if (purge_data or skip_export is not None) and request.query["confirm"] != name:
        raise NotConfirmed(
            f"Nothing was changed: what loses data of {name} needs the project's name typed.",
            hint=f"Add confirm={name}, percent-encoded.",
        )
    submitted = ask_for_removal(
        desk,
        vlab_id,
        project_id,
        requested_by=request.caller,
        purge_data=purge_data,
        purge_now=purge_now,
        skip_export=skip_export,
        idempotency=_idempotency(request, "DELETE", [name, purge_data, skip_export, purge_now]),
    )
    return _accepted(submitted)


def operations(desk: Desk, request: Request) -> Reply:
    name = _known(desk, request).project
    after = pages.behind(name, request.query["next"])
    page = desk.store.list(name, limit=request.query["limit"], after=after)
    for error in page.unreadable:
        left_out(error)
    body: answers.OperationsAnswer = {
        "operations": [_shape(operation) for operation in page.operations],
        "next": pages.token(name, page.next) if page.next else None,
    }
    return Reply(body)


def operation(desk: Desk, request: Request) -> Reply:
    found = _operation(desk, request)
    # Whoever polls an operation that waits for a worker makes sure that it is in the queue.
    remind_worker(desk, found)
    return Reply({"operation": found.to_dict()})


def events(desk: Desk, request: Request) -> Reply:
    found = _operation(desk, request)
    limit = request.query["limit"]
    after = pages.behind(found.id, request.query["next"])
    if after is not None and not (after.isascii() and after.isdigit() and int(after) <= _MAX_EVENTS):
        after = pages.behind(found.id, "another list's")
    seen = desk.store.events(found.id, after=int(after or 0), limit=limit)
    body: answers.EventsAnswer = {
        "events": [cast(answers.EventShape, event.to_dict()) for event in seen],
        "next": pages.token(found.id, str(seen[-1].number)) if seen else None,
    }
    return Reply(body)


def plan(desk: Desk, request: Request) -> Reply:
    record = _known(desk, request)
    place = desk.place
    key = place.names(record.vlab_id, record.project_id).review_key
    stored = buckets.find_object(place.cloud, place.settings.state_bucket, key)
    if stored is None:
        raise NoPlanStored(
            f"No plan of {record.project} is stored.",
            hint="Plans are stored by the operations that make them; see its operations.",
        )
    try:
        kept = json.loads(stored)
        body: answers.PlanAnswer = {"operation_id": kept["operation_id"], "plan": kept["plan"]}
    except (ValueError, TypeError, KeyError) as error:
        raise BackendError(f"The stored plan of {record.project} cannot be read.") from error
    return Reply(body)


def _ids(desk: Desk, request: Request) -> tuple[str, str]:
    """The two ids of the path. Raises InvalidSpec for ones that name no project."""
    vlab_id, project_id = request.ids["vlab_id"], request.ids["project_id"]
    names_for(vlab_id, project_id, account_id=desk.place.settings.require_account())
    return vlab_id, project_id


def _known(desk: Desk, request: Request) -> ProjectRecord:
    return records.record_of(desk.place, *_ids(desk, request))


def _operation(desk: Desk, request: Request) -> Operation:
    vlab_id, project_id = _ids(desk, request)
    operation_id = request.ids["operation_id"]
    if not operation_id.isascii() or len(operation_id) > MAX_HEADER_CHARS:
        raise UnknownOperation(f"{vlab_id}/{project_id} has no operation of that name.")
    return desk.store.require(f"{vlab_id}/{project_id}", operation_id)


def _spec(desk: Desk, vlab_id: str, project_id: str, body: str) -> ProjectSpec:
    """The spec in a body: JSON, its ids those of the address (and there only, if one likes)."""
    try:
        document = json.loads(body)
    except RecursionError:
        raise RequestError("The body is nested too deeply to be a spec.") from None
    except ValueError as error:
        raise RequestError(
            f"The body is no JSON: {error}.", hint='The smallest body is {}, a cluster of tier "debug".'
        ) from None
    if not isinstance(document, dict):
        raise InvalidSpec(
            "The body is no spec.", [FieldProblem("document", "must be a JSON object", "an object", "{}")]
        )
    ids = {"vlab_id": vlab_id, "project_id": project_id}
    others = [
        FieldProblem(field, "differs from the address", f"{value}, or left out")
        for field, value in ids.items()
        if document.get(field, value) != value
    ]
    if others:
        raise InvalidSpec("The body is the spec of another project.", others)
    # As it was sent where it is whole, so that repeated names are found; else with the ids put in.
    missing = {field: value for field, value in ids.items() if field not in document}
    text = body if not missing else _with_members(body, missing)
    known = [tier.name for tier in desk.place.catalogue]
    return load_spec(text, source="request body", known_tiers=known)


def _with_members(body: str, members: dict[str, str]) -> str:
    """The text of a JSON object with these in front of its own members."""
    inside = body.strip()[1:]
    first = json.dumps(members)[1:-1]
    return "{" + first + ("" if inside.strip() == "}" else ", ") + inside


def _idempotency(request: Request, method: str, content: Any) -> Idempotency | None:
    key = request.headers["Idempotency-Key"]
    if key is None:
        return None
    ids = [request.ids["vlab_id"], request.ids["project_id"]]
    canonical = json.dumps([method, *ids, content], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return Idempotency(f"{_without_session(request.caller)}\n{key}", digest)


def _without_session(caller: str) -> str:
    """Whose key it is: that of a role, not of one of its sessions, since whoever repeats a request after a
    crash is another process. "arn:aws:sts::210987654321:assumed-role/NAME/SESSION", as API Gateway has it."""
    return caller.rpartition("/")[0] if ":assumed-role/" in caller else caller


def _accepted(submitted: Submitted) -> Reply:
    found = submitted.operation
    location = f"/v1/projects/{found.project}/operations/{found.id}"
    return Reply({"operation": found.to_dict()}, HTTPStatus.ACCEPTED, {"Location": location})


def _shape(found: Operation) -> answers.OperationShape:
    return cast(answers.OperationShape, found.to_dict())


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1",
        "getIndex",
        "What can be asked here",
        index,
        Answer(HTTPStatus.OK, "The version, and every request of /v1.", answers.IndexAnswer),
    ),
    Route(
        "GET",
        "/v1/version",
        "getVersion",
        "Which version answers",
        version,
        Answer(HTTPStatus.OK, "The version.", answers.VersionAnswer),
    ),
    Route(
        "GET",
        "/v1/projects",
        "listProjects",
        "List the projects",
        projects,
        Answer(HTTPStatus.OK, "A page of projects, by name.", answers.ProjectsAnswer),
        query=(pages.LIMIT, pages.NEXT),
    ),
    Route(
        "PUT",
        _PROJECT,
        "putProject",
        "Make a project what its spec says",
        put_project,
        _ACCEPTED,
        "The body is the spec; the two ids may be left out of it. Asking for the same again while it is "
        "under way joins the operation; afterwards it changes nothing.",
        headers=(_KEY,),
        problems=_BUSY
        | _REUSED
        | {
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than a spec can be.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not sent as JSON.",
        },
        takes_spec=True,
    ),
    Route(
        "GET",
        _PROJECT,
        "getProject",
        "How a project is",
        project,
        Answer(HTTPStatus.OK, "The project.", answers.ProjectAnswer),
        problems=_ABSENT,
    ),
    Route(
        "DELETE",
        _PROJECT,
        "deleteProject",
        "Give a project's cluster back",
        delete_project,
        _ACCEPTED,
        "The cluster goes; /data/project/private of Lustre is exported first, /data/scratch goes with it; "
        "bucket and home stay. With purge_data they go as well "
        "once a grace period is over (the project's purge_at), and so does all else that the project owns. "
        "A PUT before that keeps them.",
        query=(
            Parameter(
                "purge_data",
                "Whether the project's data goes too, for good.",
                {"type": "boolean", "default": False},
                read=boolean,
                default=False,
            ),
            Parameter(
                "purge_now",
                "With purge_data: without the grace period.",
                {"type": "boolean", "default": False},
                read=boolean,
                default=False,
            ),
            Parameter(
                "skip_export",
                "A reason for letting Lustre go without an export.",
                {"type": "string", "minLength": 1, "maxLength": 200},
                read=line(200),
            ),
            Parameter(
                "confirm",
                "The project's name, vlab_id/project_id; needed where data is lost.",
                {"type": "string", "minLength": 1, "maxLength": 129},
                read=line(129),
            ),
        ),
        headers=(_KEY,),
        problems=_ABSENT | _BUSY | _REUSED,
    ),
    Route(
        "GET",
        f"{_PROJECT}/plan",
        "getPlan",
        "The last review of a project's plan",
        plan,
        Answer(HTTPStatus.OK, "The review.", answers.PlanAnswer),
        problems={HTTPStatus.NOT_FOUND: "There is no such project, or no plan of it is stored."},
    ),
    Route(
        "GET",
        _OPERATIONS,
        "listOperations",
        "List a project's operations, newest first",
        operations,
        Answer(HTTPStatus.OK, "A page of operations.", answers.OperationsAnswer),
        query=(pages.LIMIT, pages.NEXT),
        problems=_ABSENT,
    ),
    Route(
        "GET",
        _OPERATION,
        "getOperation",
        "How far an operation is",
        operation,
        Answer(HTTPStatus.OK, "The operation.", answers.OperationAnswer),
        problems=_NO_OPERATION,
    ),
    Route(
        "GET",
        f"{_OPERATION}/events",
        "listEvents",
        "What happened in an operation, in order",
        events,
        Answer(HTTPStatus.OK, "Events; ask again with `next` for what comes.", answers.EventsAnswer),
        query=(pages.LIMIT, pages.NEXT),
        problems=_NO_OPERATION,
    ),
)
