"""Operations that were given up, handed to the workers once more."""

from __future__ import annotations

from engine.aws import dead_letters
from engine.aws.dead_letters import DeadLetter
from engine.aws.queue import Queue
from engine.operations.engine import Engine


def redrive(engine: Engine, *, project: str | None = None, move: bool = True) -> list[DeadLetter]:
    """Every dead letter, or those of one project, moved back to the queue of operations.

    project   "lab-1/proj-1"; it need not be in the registry any more
    move      False only looks
    Raises    NotBootstrapped where there is no service; AccessDenied, Unreachable, BackendError
    """
    queue = Queue(engine.cloud, engine.settings.operations_queue)
    return dead_letters.redrive(engine.cloud, queue, project=project, move=move)
