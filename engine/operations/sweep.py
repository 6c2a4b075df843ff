"""What is done once in a while: lost operations are sent again, and data is purged whose time has come."""

from __future__ import annotations

from datetime import timedelta

from engine.aws.queue import Queue
from engine.errors import OperationInProgress
from engine.model.operation import Kind, Operation, State, Wish, requested
from engine.operations.engine import Engine

# A message that waits its turn is no lost one; whoever asked has given up after a day.
_LOST_AFTER = timedelta(minutes=30)
_GIVEN_UP_AFTER = timedelta(days=1)
SCHEDULE = "the schedule"
"""Who asks for a purge whose grace period is over."""


def send_lost(engine: Engine, queue: Queue) -> list[Operation]:
    """Send every operation again that the service took in and no worker has begun; gives those.

    A person's own operations are left alone: nobody but that person agreed to their plan. Sending what waits
    in the queue after all is harmless: the second message finds the operation taken, or finished.
    Raises   NotBootstrapped without a queue; AccessDenied, Unreachable, BackendError
    """
    now = engine.now()
    sent = []
    for project, standing in engine.operations.unfinished():
        if standing.operation_id is None or standing.held(now):
            continue
        operation = engine.operations.get(project, standing.operation_id)
        if operation is None or operation.state is not State.QUEUED:
            continue
        # Callers of the service are ARNs, people at a command line user@host.
        if not operation.requested_by.startswith("arn:"):
            continue
        if _LOST_AFTER <= now - operation.created_at <= _GIVEN_UP_AFTER:
            queue.send(operation)
            sent.append(operation)
    return sent


def ask_for_due_purges(engine: Engine, queue: Queue) -> list[Operation]:
    """Have the data deleted whose grace period is over; gives the operations that were sent.

    A project on which another operation is under way is left for the next time. One whose message was lost
    is sent again, and so is a purge that failed.
    Raises   NotBootstrapped without a queue; AccessDenied, Unreachable, BackendError
    """
    now = engine.now()
    sent = []
    for record in engine.registry.list():
        if record.purge_at is None or record.purge_at > now:
            continue
        wished = requested(
            vlab_id=record.vlab_id,
            project_id=record.project_id,
            wish=Wish(Kind.DESTROY, purge_data=True),
            requested_by=SCHEDULE,
            now=now,
        )
        try:
            operation = engine.operations.submit(wished).operation
        except OperationInProgress:
            continue
        if operation.state is State.QUEUED:
            queue.send(operation)
            sent.append(operation)
    return sent
