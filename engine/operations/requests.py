"""Wishes are taken in: recorded once, and handed to the workers. Nothing here waits for Terraform."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.aws.operation_items import Standing
from engine.aws.operation_store import Idempotency, OperationStore, Submitted
from engine.aws.queue import Queue
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import OperationInProgress
from engine.model.operation import Kind, Operation, State, Wish, requested
from engine.model.spec import ProjectSpec, dump_spec
from engine.operations import records
from engine.operations.place import Place
from engine.operations.spec_checks import check_spec

SCHEDULE = "the schedule"
"""Who asks for a purge whose grace period is over."""
# A message that waits its turn is no lost one; whoever asked has given up after a day.
_LOST_AFTER = timedelta(minutes=30)
_GIVEN_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a request is answered with."""

    place: Place
    store: OperationStore
    queue: Queue


def open_desk(place: Place) -> Desk:
    return Desk(
        place=place,
        store=OperationStore(place.cloud, place.settings.registry_table),
        queue=Queue(place.cloud, place.settings.operations_queue),
    )


def ask_for_project(
    desk: Desk, spec: ProjectSpec, *, requested_by: str, idempotency: Idempotency | None = None
) -> Submitted:
    """Have the project made what its spec says. The same wish, while it is under way, is joined. From now on
    the project's data is kept, whatever becomes of the operation.

    Raises   InvalidSpec; OperationInProgress when another wish is under way; IdempotencyConflict; DataAtRisk
             when the project's data is being deleted; nothing was recorded then
    """
    place = desk.place
    check_spec(place, spec)
    record = place.registry.get(spec.vlab_id, spec.project_id)
    if record is not None:
        _require_data(desk, record)
    wish = Wish(Kind.PROVISION, dump_spec(spec))
    submitted = _submit(desk, spec.vlab_id, spec.project_id, wish, requested_by, idempotency)
    # A key may stand for an operation that has ended, and whose project is gone.
    if not submitted.operation.state.finished:
        # Who writes the record at this very moment makes it for the same wish, or keeps the data as well.
        with suppress(OperationInProgress):
            if record is None:
                records.first_record(place, spec)
            elif record.purge_at is not None:
                place.registry.replace(record, now=place.now(), purge_at=None)
    hand_to_worker(desk, submitted.operation)
    return submitted


def ask_for_removal(
    desk: Desk,
    vlab_id: str,
    project_id: str,
    *,
    requested_by: str,
    purge_data: bool = False,
    purge_now: bool = False,
    skip_export: str | None = None,
    idempotency: Idempotency | None = None,
) -> Submitted:
    """Have the project's cluster given back and its data kept; with purge_data have all of it removed, once
    its grace period is over, or with purge_now at once.

    A project that was only planned is forgotten.
    Raises   UnknownProject, OperationInProgress, IdempotencyConflict, DataAtRisk; nothing was recorded then
    """
    if idempotency is not None:
        wish = Wish(Kind.DESTROY, purge_data=purge_data, skip_export=skip_export, purge_now=purge_now)
        done = _removed_before(desk, f"{vlab_id}/{project_id}", wish)
        if done is not None:
            return done
    record = records.record_of(desk.place, vlab_id, project_id)
    if not purge_data:
        _require_data(desk, record)
    destroyed = purge_data or record.phase is Phase.PLANNED
    wish = Wish(
        Kind.DESTROY if destroyed else Kind.RELEASE,
        purge_data=purge_data,
        skip_export=skip_export,
        purge_now=purge_now,
    )
    submitted = _submit(desk, vlab_id, project_id, wish, requested_by, idempotency)
    hand_to_worker(desk, submitted.operation)
    return submitted


def _require_data(desk: Desk, record: ProjectRecord) -> None:
    """Refuse what a deletion that has begun leaves nothing for. While that deletion is under way, it is what
    the caller is told of.

    Raises   DataAtRisk
    """
    if record.phase is not Phase.DESTROYING:
        return
    barred = desk.store.active(record.project) is not None
    if not barred or given_up(desk.store, record.project, desk.place.now()):
        records.require_data(record)


def _removed_before(desk: Desk, project: str, wish: Wish) -> Submitted | None:
    """The removal that has left no record of the project: a request with a key is repeated until it is
    answered, and its answer may have been lost."""
    latest = desk.store.latest(project)
    if latest is None or latest.state is not State.SUCCEEDED or latest.wish != wish:
        return None
    gone = desk.place.registry.get(latest.vlab_id, latest.project_id) is None
    return Submitted(latest, created=False) if gone else None


def hand_to_worker(desk: Desk, operation: Operation) -> None:
    """Send an operation to the workers that waits for one, or has been left. Whoever joins it sends it as
    well: should the first caller have died, or its message be lost, it does not wait for ever.

    A person's operation has no message, and is wanted by the service from now on. While the person works on
    it, none is sent: workers could only give it back, until it were a dead letter."""
    if operation.state.finished:
        return
    now = desk.place.now()
    if not _of_service(operation):
        desk.store.want(operation, now=now)
        waits = not desk.store.standing(operation.project).held(now)
    else:
        waits = operation.state is State.QUEUED
        waits = waits or is_left(operation, desk.store.standing(operation.project), now)
    if waits:
        desk.queue.send(operation)


def remind_worker(desk: Desk, operation: Operation) -> None:
    """As `hand_to_worker`, for somebody who only looks: what nobody wants any more is left alone."""
    if operation.state.finished:
        return
    standing, now = desk.store.standing(operation.project), desk.place.now()
    waits = operation.state is State.QUEUED or is_left(operation, standing, now)
    if waits and _is_wanted(operation, standing, now):
        desk.queue.send(operation)


def awaits_worker(operation: Operation, standing: Standing, now: datetime) -> bool:
    """Whether a client asked the service for it, and a worker is to go on with it any moment. Behind the
    schedule stands nobody: it asks again."""
    asked = _of_service(operation) and operation.requested_by != SCHEDULE
    return (asked or standing.wanted_at is not None) and not is_left(operation, standing, now)


def goes_on(operation: Operation, standing: Standing, now: datetime) -> bool:
    """Whether a worker has it, or a message of it: that one goes on with it."""
    return _is_wanted(operation, standing, now) and not is_left(operation, standing, now)


def is_lost(operation: Operation, standing: Standing, now: datetime) -> bool:
    """Whether an unfinished operation is to be sent again although nobody asks for it."""
    return _is_wanted(operation, standing, now) and is_left(operation, standing, now)


def is_left(operation: Operation, standing: Standing, now: datetime) -> bool:
    """Whether nobody has worked on it for so long that there is no message of it any more."""
    return not standing.held(now) and now - operation.updated_at >= _LOST_AFTER


def _is_wanted(operation: Operation, standing: Standing, now: datetime) -> bool:
    """Whether the service was asked for it, and not long ago. A person's own operations are left alone,
    unless the service was asked for the same: nobody but that person agreed to their plan."""
    since = operation.created_at if _of_service(operation) else standing.wanted_at
    return since is not None and now - since <= _GIVEN_UP_AFTER


def _of_service(operation: Operation) -> bool:
    # Callers of the service are ARNs, people at a command line user@host.
    return operation.requested_by.startswith("arn:") or operation.requested_by == SCHEDULE


def _submit(
    desk: Desk,
    vlab_id: str,
    project_id: str,
    wish: Wish,
    requested_by: str,
    idempotency: Idempotency | None,
) -> Submitted:
    operation = requested(
        vlab_id=vlab_id, project_id=project_id, wish=wish, requested_by=requested_by, now=desk.place.now()
    )
    try:
        return desk.store.submit(operation, idempotency=idempotency)
    except OperationInProgress:
        if given_up(desk.store, operation.project, operation.created_at) is None:
            raise
        return desk.store.submit(operation, idempotency=idempotency, supersede=lambda _owner: False)


def given_up(store: OperationStore, project: str, now: datetime) -> Operation | None:
    """The project's unfinished operation, if it was left a day ago: it must not bar the way for ever."""
    standing = store.standing(project)
    if standing.operation_id is None or standing.held(now):
        return None
    left = store.get(project, standing.operation_id)
    return left if left is not None and now - left.updated_at > _GIVEN_UP_AFTER else None
