"""What surrounds an operation while it is carried out: lease, deadline, and the record of its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from engine.aws.operation_store import Lease, Submitted
from engine.errors import (
    DiskFull,
    EngineError,
    LeaseLost,
    OperationInProgress,
    OutOfTime,
    TerraformInterrupted,
)
from engine.model.operation import Event, Failure, Operation, Owner, State, Wish, failed, requested, succeeded
from engine.operations import records
from engine.operations.duty import MARGIN_S, Duty, Telling
from engine.operations.engine import Engine
from engine.operations.requests import awaits_worker
from engine.terraform.processes import proof_of_death

_RETRY_S, _RETRY_MAX_S = 5.0, 60.0

Published = Callable[[Operation, Event], None]


@contextmanager
def carrying_out(
    engine: Engine,
    vlab_id: str,
    project_id: str,
    wish: Wish,
    *,
    supersede: bool = True,
) -> Iterator[Engine]:
    """The engine at work on an operation of its own, for a command that does what it was asked itself.

    Within an operation that is being carried out, nothing more is done.
    supersede   give up another wish that nobody works on, nor is to go on with at any moment
    Raises      OperationInProgress while another works on the project; OutOfTime; and what the block raises
    """
    if engine.duty is not None:
        yield engine
        return
    wished = requested(
        vlab_id=vlab_id, project_id=project_id, wish=wish, requested_by=engine.owner.name, now=engine.now()
    )
    # A person may have thought about the plan while this machine slept: the time is asked for anew each time.
    operation = _submit(engine, wished, supersede=supersede).operation
    lease, operation = engine.operations.claim(
        operation.project, operation.id, engine.owner, now=engine.now(), ttl=engine.lease_ttl, dead=is_dead
    )
    # Put down by then; the same wish goes on with it later.
    duty = take_up(engine, lease, operation, deadline=engine.until, margin_s=0)
    with on_duty(engine, duty) as at_work:
        yield at_work


def _submit(engine: Engine, wished: Operation, *, supersede: bool) -> Submitted:
    store = engine.operations
    try:
        return store.submit(wished, now=engine.now)
    except OperationInProgress as error:
        if not supersede:
            raise
        standing = store.standing(wished.project)
        left = store.get(wished.project, standing.operation_id) if standing.operation_id else None
        if left is not None and awaits_worker(left, standing, engine.now()):
            error.hint = (
                f"{left.requested_by} asked for it, and the service is to go on with it. Wait until it is "
                f"done (`provisioner operations {wished.project}`); once nobody has worked on it for half an "
                "hour, it gives way to another command."
            )
            if left.wish.purge_data:
                error.hint += f" `provisioner keep {wished.project}` calls it off."
            raise
        return store.submit(wished, supersede=is_dead, now=engine.now)


@contextmanager
def on_duty(engine: Engine, duty: Duty, *, retries: int = 0) -> Iterator[Engine]:
    """The engine that works under this duty; how the block ends is how the operation ends.

    retries   how often an error that may pass leaves the operation for another run
    """
    with duty.kept():
        try:
            yield engine.on_duty(duty, Telling(duty, engine.reporter))
        except LeaseLost:
            raise
        except OutOfTime as stop:
            _hand_over(engine, duty, stop.message)
            raise
        except TerraformInterrupted as stop:
            duty.check_owned()
            _hand_over(engine, duty, stop.message)
            if duty.stopping:
                duty.check()
            raise
        except EngineError as error:
            duty.check_owned()
            if error.retryable and duty.operation.retries < retries:
                _again(engine, duty, error)
            else:
                _fail(engine, duty, Failure(**error.to_dict()))
            raise
        except OSError as error:
            full = DiskFull.of(error, f"{duty.operation.project} could not be gone on with")
            if full is None:
                _fail(engine, duty, Failure("INTERNAL_ERROR", f"{type(error).__name__}: {error.strerror}"))
                raise
            _fail(engine, duty, Failure(**full.to_dict()))
            raise full from error
        except Exception as error:
            _fail(engine, duty, Failure("INTERNAL_ERROR", f"{type(error).__name__}: a bug in the engine"))
            raise
        except BaseException as stop:
            _hand_over(engine, duty, f"interrupted by {type(stop).__name__}")
            raise
        duty.end(succeeded(duty.operation, engine.now()), finished=True, kind="succeeded", text="Done")


def take_up(
    engine: Engine,
    lease: Lease,
    operation: Operation,
    *,
    deadline: float | None = None,
    margin_s: float = MARGIN_S,
    published: Published | None = None,
) -> Duty:
    """The duty that a claimed operation puts on this engine."""
    return Duty(
        engine.operations,
        lease,
        operation,
        now=engine.now,
        interrupt=engine.interrupt,
        deadline=deadline,
        margin_s=margin_s,
        ttl=engine.lease_ttl,
        published=published,
    )


def _hand_over(engine: Engine, duty: Duty, text: str) -> None:
    continues = replace(duty.operation, state=State.CONTINUES, updated_at=engine.now())
    duty.end(continues, finished=False, kind="continues", text=text)


def _again(engine: Engine, duty: Duty, error: EngineError) -> None:
    """Leave the operation for another run, after a pause that grows: what is ill needs time."""
    pause_s = min(_RETRY_S * 2**duty.operation.retries, _RETRY_MAX_S)
    with suppress(OutOfTime):
        duty.pause(pause_s if engine.settings.cloud == "aws" else pause_s / 20)
    again = replace(
        duty.operation,
        state=State.CONTINUES,
        retries=duty.operation.retries + 1,
        updated_at=engine.now(),
    )
    duty.end(again, finished=False, kind="retry", text=f"{error.code}: {error.message}")


def _fail(engine: Engine, duty: Duty, failure: Failure) -> None:
    # While the lease is held: after that the record may be the next operation's.
    if not duty.lost:
        records.give_up(engine, duty.operation, failure)
    ended = failed(duty.operation, failure, engine.now())
    duty.end(ended, finished=True, kind="failed", text=f"{failure.code}: {failure.message}")


def is_dead(owner: Owner) -> bool:
    return proof_of_death(owner) is not None
