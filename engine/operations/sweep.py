"""What is done once in a while: lost operations are sent again, and data is purged whose time has come."""

from __future__ import annotations

from collections.abc import Callable

from engine.aws.operation_store import Submitted
from engine.aws.queue import Queue
from engine.aws.registry import PassedOver, ProjectRecord
from engine.errors import ItemUnreadable, OperationInProgress
from engine.model.operation import Kind, Operation, State, Wish, requested
from engine.operations.destroy import may_go
from engine.operations.engine import Engine
from engine.operations.requests import SCHEDULE, given_up, is_left, is_lost


def send_lost(engine: Engine, queue: Queue, *, passed_over: PassedOver) -> list[Operation]:
    """Send every operation again that the service took in and nobody works on; gives those.

    passed_over   told of each project whose operation a newer version of the engine has written
    Sending what waits in the queue after all is harmless: the second message finds the operation taken, or
    finished.
    Raises   NotBootstrapped without a queue; AccessDenied, Unreachable, BackendError
    """
    now = engine.now()
    sent = []
    for project, standing in engine.operations.unfinished():
        if standing.operation_id is None or standing.held(now):
            continue
        try:
            operation = engine.operations.get(project, standing.operation_id)
        except ItemUnreadable as error:
            passed_over(error)
            continue
        if operation is not None and is_lost(operation, standing, now):
            queue.send(operation)
            sent.append(operation)
    return sent


def ask_for_due_purges(
    engine: Engine,
    queue: Queue,
    *,
    passed_over: PassedOver,
    skipped: Callable[[ProjectRecord, str], None] = lambda *_: None,
) -> list[Operation]:
    """Have the data deleted whose grace period is over, or whose deletion has begun; gives what was sent.

    passed_over   told of each project of which this version can't read the record, or what is under way
    skipped       told of each project on which another operation is under way, and why: it is left for the
                  next time
    An operation that was left a day ago gives way, but for one that brings the project up: its data is
    wanted. A purge whose message was lost is sent again, and so is one that failed.
    Raises   NotBootstrapped without a queue; AccessDenied, Unreachable, BackendError
    """
    now = engine.now()
    sent = []
    for record in engine.registry.list(passed_over=passed_over):
        if not may_go(engine, record, purge_now=False):
            continue
        wished = requested(
            vlab_id=record.vlab_id,
            project_id=record.project_id,
            wish=Wish(Kind.DESTROY, purge_data=True),
            requested_by=SCHEDULE,
            now=now,
        )
        try:
            operation = _submit(engine, wished).operation
        except OperationInProgress as error:
            skipped(record, error.message)
            continue
        except ItemUnreadable as error:
            passed_over(error)
            continue
        standing = engine.operations.standing(record.project)
        # What is lost since today `send_lost` has sent.
        left = is_left(operation, standing, now) and not is_lost(operation, standing, now)
        if operation.state is State.QUEUED or left:
            queue.send(operation)
            sent.append(operation)
    return sent


def _submit(engine: Engine, wished: Operation) -> Submitted:
    try:
        return engine.operations.submit(wished)
    except OperationInProgress:
        left = given_up(engine.operations, wished.project, wished.created_at)
        if left is None or left.wish.kind is Kind.PROVISION:
            raise
        return engine.operations.submit(wished, supersede=lambda _owner: False)
