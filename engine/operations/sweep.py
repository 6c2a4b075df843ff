"""What was asked for and never taken up: its message was lost between the registry and the queue."""

from __future__ import annotations

from datetime import timedelta

from engine.aws.queue import Queue
from engine.model.operation import Operation, State
from engine.operations.engine import Engine

# A message that waits its turn is no lost one; whoever asked has given up after a day.
_LOST_AFTER = timedelta(minutes=30)
_GIVEN_UP_AFTER = timedelta(days=1)


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
