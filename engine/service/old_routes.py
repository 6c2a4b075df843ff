"""The interface of the previous-generation provisioner, for the clients that were written for it.

Its names, defaults and statuses are as they were, over what the engine does now: a cluster is one of
this engine, a deletion keeps the project's data, and ids and parameters are checked.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import engine
from engine.aws import clusters
from engine.aws.clusters import ClusterStatus, ClusterSummary
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import (
    FieldProblem,
    InvalidRequest,
    OperationInProgress,
    PurgeCancelled,
    RuleBroken,
    UnknownProject,
)
from engine.model import tags
from engine.model.names import names_for
from engine.model.operation import Kind, Operation, State
from engine.model.settings import Settings
from engine.model.spec import EfsStorage, LustreStorage, ProjectSpec
from engine.model.tiers import find_tier
from engine.operations import access
from engine.operations.requests import (
    Desk,
    ask_for_project,
    ask_for_removal,
    hand_to_worker,
    remind_worker,
)
from engine.operations.status import ProjectStatus, project_status
from engine.service import answers
from engine.service.logging import left_out, note
from engine.service.routes import Answer, Parameter, Reply, Request, Route, boolean

PREFIX = "/hpc-provisioner"
_CLUSTER = f"{PREFIX}/pcluster"
REQUESTED, CREATING, CREATED = "CREATE_REQUEST_RECEIVED", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
CREATE_FAILED, UPDATING = "CREATE_FAILED", "UPDATE_IN_PROGRESS"
DELETING, DELETE_FAILED = "DELETE_IN_PROGRESS", "DELETE_FAILED"
_STANDING = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_REMOVALS = frozenset({Kind.RELEASE, Kind.DESTROY})

_NAMES = {"vlab_id": "The virtual lab.", "project_id": "The project."}
_MAYBE = tuple(Parameter(name, text, {"type": "string"}) for name, text in _NAMES.items())
_BOTH = tuple(Parameter(name, text, {"type": "string"}, required=True) for name, text in _NAMES.items())


def _flag(name: str, description: str, *, default: bool) -> Parameter:
    shape = {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"}
    return Parameter(name, description, {**shape, "default": str(default).lower()}, boolean, default)


# Every old client sends what it likes of these with every method; only POST heeds the first two.
_OPTIONS = (
    Parameter("tier", "Name of a tier.", {"type": "string", "default": "debug"}, default="debug"),
    _flag("include_lustre", "Whether there is a Lustre file system.", default=True),
    _flag(
        "benchmark",
        "Changes nothing. It gave a cluster all of the scratch bucket, and an agent that measured its nodes; "
        "now each project has its own folder alone, and job records tell what jobs used.",
        default=False,
    ),
    _flag(
        "dev",
        "Changes nothing. It chose another set of settings, of which no cluster ever came.",
        default=False,
    ),
)


def version(_desk: Desk, _request: Request) -> Reply:
    return Reply({"version": engine.__version__})


def up(desk: Desk, request: Request) -> Reply:
    """What stands or is being made already is left as it is, whatever else is asked for."""
    spec = _spec(desk, request)
    if not _stands(desk, spec):
        _ask(desk, spec, request.caller)
    names = desk.place.names(spec.vlab_id, spec.project_id)
    arns = access.offer_keys(desk.place, names, spec)
    body: answers.OldUp = {
        "cluster": {
            "clusterName": names.cluster,
            "clusterStatus": REQUESTED,
            "ssh_user": desk.place.settings.user_name,
            "user_private_ssh_key_arn": arns.user,
            "admin_private_ssh_key_arn": arns.admin,
            "private_ssh_key_arn": arns.user,
        }
    }
    return Reply(body)


def look(desk: Desk, request: Request) -> Reply:
    given = {name for name in _NAMES if request.query[name] is not None}
    if not given:
        return _everything(desk)
    if len(given) == 1:
        (missing,) = set(_NAMES) - given
        raise InvalidRequest("One id names no project.", [FieldProblem(missing, "is missing")])
    return _one(desk, *_ids(desk, request))


def down(desk: Desk, request: Request) -> Reply:
    vlab_id, project_id = _ids(desk, request)
    status = project_status(desk.place, vlab_id, project_id)
    latest = desk.store.latest(status.record.project)
    if old_status(status.record, status.cluster.status, status.cluster.created_at, latest) is None:
        raise _absent(status.record.project)
    removal = ask_for_removal(desk, vlab_id, project_id, requested_by=request.caller)
    note(operation_id=removal.operation.id)
    cluster = status.cluster
    body: answers.OldDown = {
        "cluster": _listed(
            desk,
            status.record.cluster,
            DELETING,
            cluster.version,
            cluster.cluster_stack_status,
            cluster.stack_arn,
        )
    }
    return Reply(body)


def old_status(
    record: ProjectRecord, cluster: str | None, made_at: datetime | None, latest: Operation | None
) -> str | None:
    """A status that the old clients know, for they give up at any other; None when there is no cluster,
    and none is being made or has failed to be.

    cluster   ParallelCluster's word: None where it knows of no cluster
    made_at   when that cluster was begun; UTC, aware
    latest    the project's last operation
    """
    if latest is not None and not latest.state.finished:
        return _under_way(latest, cluster, made_at)
    if latest is not None and latest.state is State.FAILED and not _left_nothing(latest, record):
        if latest.wish.kind in _REMOVALS:
            return DELETE_FAILED
        return CREATED if cluster in _STANDING else CREATE_FAILED
    if cluster is None:
        return CREATE_FAILED if record.phase in (Phase.FAILED, Phase.READY) else None
    return _plain(cluster)


def _left_nothing(removal: Operation, record: ProjectRecord) -> bool:
    """Whether a deletion was called off before it touched the project, or once that was parked."""
    called_off = removal.failure is not None and removal.failure.code == PurgeCancelled.code
    return called_off and record.phase in (Phase.READY, Phase.PARKED)


def _under_way(operation: Operation, cluster: str | None, made_at: datetime | None) -> str:
    if operation.wish.kind in _REMOVALS:
        return DELETING
    # What this operation makes is complete when the operation is: until then nobody could remove it either.
    stood_before = made_at is not None and made_at < operation.created_at
    if cluster in _STANDING and stood_before:
        return CREATED
    return UPDATING if cluster == UPDATING else CREATING


def _plain(cluster: str) -> str:
    if cluster in _STANDING:
        return CREATED
    known = (CREATING, UPDATING, DELETING, DELETE_FAILED)
    return cluster if cluster in known else CREATE_FAILED


def _stands(desk: Desk, spec: ProjectSpec) -> bool:
    """Whether the cluster is there or on its way already. One that a change was refused for, or has failed to
    reach, stands all the same; one that was to be given back does not."""
    place = desk.place
    active = desk.store.active(spec.project)
    if active is not None:
        note(operation_id=active.id)
        wanted = active.wish.kind is Kind.PROVISION
        # Who wants a cluster does not ask for another wish to be fulfilled, such as a person's deletion.
        (hand_to_worker if wanted else remind_worker)(desk, active)
        return wanted
    record = place.registry.get(spec.vlab_id, spec.project_id)
    if record is None:
        return False
    latest = desk.store.latest(spec.project)
    wanted = latest is not None and latest.wish.kind is Kind.PROVISION
    if record.phase is not Phase.READY and not wanted:
        return False
    stack = place.names(spec.vlab_id, spec.project_id).stack
    return clusters.describe_cluster(place.cloud, cluster_name=record.cluster, stack_name=stack).ready


def _ask(desk: Desk, spec: ProjectSpec, caller: str) -> None:
    _require_tags(desk.place.settings, spec)
    try:
        note(operation_id=ask_for_project(desk, spec, requested_by=caller).operation.id)
    except OperationInProgress:
        # Somebody was faster with other parameters: then theirs is the cluster that comes.
        if not _stands(desk, spec):
            raise


def _require_tags(settings: Settings, spec: ProjectSpec) -> None:
    """Refuse now what the review would refuse later: these requests can neither give tags nor waive the rule.

    Raises   RuleBroken
    """
    given = tags.project_tags(spec, settings)
    missing = [key for key in settings.required_tags if not given.get(key)]
    if missing:
        raise RuleBroken(
            f"{spec.project} would lack tags that the installation demands: {', '.join(missing)}.",
            hint="Requests of this kind bring no tags: an administrator gives these to every project by the "
            f"setting project_tags. Or PUT /v1/projects/{spec.project}, with `tags` in the spec.",
        )


def _everything(desk: Desk) -> Reply:
    place = desk.place
    summaries = clusters.cluster_summaries(place.cloud)
    busy = {project for project, _ in desk.store.unfinished()}
    listed: list[answers.OldListed] = []
    for record in place.registry.list(passed_over=left_out):
        summary = summaries.get(record.cluster, _NO_CLUSTER)
        latest = desk.store.latest(record.project) if record.project in busy or _unsettled(record) else None
        status = old_status(record, summary.status or None, summary.created_at, latest)
        if status is not None:
            listed.append(
                _listed(
                    desk, record.cluster, status, summary.version, summary.stack_status, summary.stack_arn
                )
            )
    return Reply({"clusters": listed})


_NO_CLUSTER = ClusterSummary(status="", version=None)


def _unsettled(record: ProjectRecord) -> bool:
    """Whether the record alone does not tell how the last operation ended."""
    return record.phase not in (Phase.READY, Phase.PARKED)


def _one(desk: Desk, vlab_id: str, project_id: str) -> Reply:
    place = desk.place
    status = project_status(place, vlab_id, project_id)
    record, cluster = status.record, status.cluster
    latest = desk.store.latest(record.project)
    if latest is not None:
        note(operation_id=latest.id)
        remind_worker(desk, latest)
    word = old_status(record, cluster.status, cluster.created_at, latest)
    if word is None:
        raise _absent(record.project)
    body: answers.OldCluster = {
        "creationTime": _time(cluster.created_at or (latest.created_at if latest else record.created_at)),
        "lastUpdatedTime": _time(cluster.updated_at or (latest.updated_at if latest else record.updated_at)),
        "clusterName": record.cluster,
        "clusterStatus": word,
        "cloudFormationStackStatus": cluster.cluster_stack_status,
        "cloudformationStackArn": cluster.stack_arn,
        "computeFleetStatus": status.fleet or clusters.fleet_status(place.cloud, record.cluster) or "UNKNOWN",
        "region": place.settings.region,
        "version": cluster.version or place.settings.pcluster_version,
        "scheduler": {"type": "slurm"},
        "tags": [{"key": key, "value": value} for key, value in sorted(cluster.tags.items())],
        "clusterConfiguration": {"url": None},
        "vlab_id": vlab_id,
        "project_id": project_id,
        "clusterFsxId": status.lustre.split()[0] if status.lustre else None,
    }
    head_node = _head_node(cluster)
    if head_node is not None:
        body["headNode"] = head_node
    if word in (CREATE_FAILED, DELETE_FAILED):
        body["failures"] = _failures(status, latest)
    return Reply(body)


def _head_node(cluster: ClusterStatus) -> answers.OldHeadNode | None:
    node = cluster.head_node
    if node is None or node.state != "running":
        return None
    return {
        "instanceId": node.instance_id,
        "instanceType": node.instance_type,
        "state": node.state,
        "launchTime": _time(node.launched_at) if node.launched_at else None,
        "privateIpAddress": node.private_ip,
    }


def _failures(status: ProjectStatus, latest: Operation | None) -> list[answers.OldFailure]:
    found: list[answers.OldFailure] = [
        {"failureCode": failure.resource, "failureReason": failure.reason}
        for failure in status.cluster.failures
    ]
    if latest is not None and latest.failure is not None:
        found.append({"failureCode": latest.failure.code, "failureReason": latest.failure.message})
    elif not found:
        found.append({"failureCode": str(status.record.phase), "failureReason": status.record.message})
    return found


def _listed(
    desk: Desk, name: str, status: str, release: str | None, stack_status: str | None, arn: str | None
) -> answers.OldListed:
    settings = desk.place.settings
    return {
        "clusterName": name,
        "clusterStatus": status,
        "cloudformationStackStatus": stack_status,
        "cloudformationStackArn": arn,
        "region": settings.region,
        "version": release or settings.pcluster_version,
        "scheduler": {"type": "slurm"},
    }


def _ids(desk: Desk, request: Request) -> tuple[str, str]:
    vlab_id, project_id = request.query["vlab_id"], request.query["project_id"]
    names_for(vlab_id, project_id, account_id=desk.place.settings.require_account())
    return vlab_id, project_id


def _spec(desk: Desk, request: Request) -> ProjectSpec:
    vlab_id, project_id = _ids(desk, request)
    tier = find_tier(desk.place.catalogue, request.query["tier"])
    storage = LustreStorage() if request.query["include_lustre"] else EfsStorage()
    return ProjectSpec(vlab_id=vlab_id, project_id=project_id, tier=tier.name, storage=storage)


def _absent(project: str) -> UnknownProject:
    return UnknownProject(f"{project} has no cluster.", hint="POST makes one.")


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ABSENT = {HTTPStatus.NOT_FOUND: "There is no such cluster."}
_BUSY = {HTTPStatus.CONFLICT: "The project is being made, or removed."}

ROUTES = (
    Route(
        "GET",
        f"{PREFIX}/version",
        "oldVersion",
        "Which version answers",
        version,
        Answer(HTTPStatus.OK, "The version.", answers.VersionAnswer),
    ),
    Route(
        "POST",
        _CLUSTER,
        "oldUp",
        "Have a cluster made",
        up,
        Answer(HTTPStatus.OK, "It is there, or on its way; the keys are there.", answers.OldUp),
        "What stands or is being made is left as it is; what is being removed is answered 409. `benchmark` "
        "and `dev` are taken and change nothing.",
        query=(*_BOTH, *_OPTIONS),
        problems=_BUSY,
    ),
    Route(
        "GET",
        _CLUSTER,
        "oldStatus",
        "How a cluster is, or without ids which there are",
        look,
        Answer(HTTPStatus.OK, "The cluster, or the list.", answers.OldLook),
        query=(*_MAYBE, *_OPTIONS),
        problems=_ABSENT,
    ),
    Route(
        "DELETE",
        _CLUSTER,
        "oldDown",
        "Have a cluster removed; the project's data is kept",
        down,
        Answer(HTTPStatus.OK, "It is being removed.", answers.OldDown),
        query=(*_BOTH, *_OPTIONS),
        problems=_ABSENT | _BUSY,
    ),
)
