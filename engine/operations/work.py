"""One run of a worker on an operation.

load    claim the lease, read the operation                      short
work    plan, apply, wait; renewed and told all the time         until it is done, or the deadline
apply   write how it ended, under the lease's token              short; thrown away when the lease is lost
"""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import EngineError, LeaseLost
from engine.model.operation import Kind, Operation, Owner
from engine.model.spec import load_spec
from engine.operations.carry import Published, is_dead, on_duty, take_up
from engine.operations.destroy import destroy
from engine.operations.duty import MARGIN_S, Duty
from engine.operations.engine import Engine
from engine.operations.orphans import adopt_project
from engine.operations.provision import provision
from engine.operations.release import release
from engine.review.model import Review

# How often a worker begins again after a failure that may pass (EngineError.retryable).
RETRIES = 5


def work(
    engine: Engine,
    project: str,
    operation_id: str,
    *,
    owner: Owner,
    deadline: float | None = None,
    margin_s: float = MARGIN_S,
    published: Published | None = None,
    started: Callable[[Duty], None] | None = None,
) -> Operation:
    """One run of a worker on an operation; its result is in the operation that is given back.

    owner      who works: a process or a Lambda request
    deadline   time.monotonic() by which this must have returned; None: no limit
    margin_s   how long before the deadline Terraform is stopped
    published  told of each change of phase and of the end
    started    given the duty, so that a signal handler can stop it
    Gives      the operation: SUCCEEDED or FAILED, or CONTINUES when another run must go on with it
    Raises     OperationInProgress while another worker holds it; LeaseLost when there is nothing left to do,
               or another took over meanwhile, or AWS did not answer for as long as the lease lives;
               UnknownOperation; what AWS answers when the end of the run cannot be written
    """
    lease, operation = engine.operations.claim(
        project, operation_id, owner, now=engine.now(), ttl=engine.lease_ttl, dead=is_dead
    )
    duty = take_up(engine, lease, operation, deadline=deadline, margin_s=margin_s, published=published)
    if started is not None:
        started(duty)
    try:
        with on_duty(engine, duty, retries=RETRIES) as at_work:
            _carry_out(at_work, operation)
    except LeaseLost:
        raise
    except EngineError:
        if not duty.operation.state.put_down:
            raise
        # It is in the operation.
    return duty.operation


def _carry_out(engine: Engine, operation: Operation) -> None:
    wish = operation.wish
    match wish.kind:
        case Kind.PROVISION:
            spec = load_spec(wish.spec_json, source=f"operation {operation.id}")
            provision(engine, spec, approve=_wished)
        case Kind.RELEASE:
            release(
                engine,
                operation.vlab_id,
                operation.project_id,
                approve=_wished,
                skip_export=wish.skip_export,
            )
        case Kind.DESTROY:
            destroy(
                engine,
                operation.vlab_id,
                operation.project_id,
                purge_data=wish.purge_data,
                purge_now=wish.purge_now,
                approve=_wished,
                skip_export=wish.skip_export,
            )
        case Kind.ADOPT:
            adopt_project(engine, operation.vlab_id, operation.project_id)
        case Kind.CLEAN:
            pass  # its deletions were confirmed by a person; what is left of them is shown and confirmed anew


def _wished(_: Review) -> None:
    """Who asked has agreed to what it takes; what would lose data is refused all the same."""
