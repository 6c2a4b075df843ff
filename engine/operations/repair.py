"""Before the next plan: what an interruption tainted, and AWS calls healthy, is kept.

Terraform taints what was being created when it was stopped, and would delete and make it anew. A
file system or a cluster that has come up since is worth hours and money, and with a mount target or a subnet
goes what hangs on it; so AWS is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from engine.aws import clusters
from engine.aws.existing.search import Known, Life, Search, Wanted
from engine.aws.existing.table import find_existing
from engine.aws.filesystems import lustre_lifecycle
from engine.errors import ClusterError
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.states import read_state
from engine.operations.waiting import waiting
from engine.terraform.runner import Runner
from engine.terraform.state import Instance, instances

_POLL_S = 5.0
# They exist when the call has returned, so the taint says nothing about them, and replacing them would lose
# data. Should one be missing all the same, the plan that follows sees that.
_DATA = ("aws_s3_bucket", "aws_efs_file_system", "aws_cloudwatch_log_group")


class _InProgress(Protocol):
    @property
    def in_progress(self) -> bool: ...


_Seen = TypeVar("_Seen", bound=_InProgress)


@dataclass(frozen=True)
class Health:
    """What AWS says of a tainted resource: healthy, in progress, or neither."""

    healthy: bool
    in_progress: bool


def untaint_healthy(
    engine: Engine, names: Names, runner: Runner, state: dict[str, Any] | None = None
) -> list[str]:
    """Untaint what AWS reports as complete, after waiting for what is still being made.

    runner   in the project's workspace, initialised
    state    as it was read just now; None: it is read
    Gives    the addresses that were untainted; what failed stays tainted: replacing it is right
    Raises   ClusterError when something is still in progress after an hour
    """
    healed = []
    known = tuple(instances(read_state(engine, names) if state is None else state))
    for instance in (one for one in known if one.tainted):
        health = _settled(engine, names, instance.address, partial(_health, engine, names, instance, known))
        if health.healthy:
            engine.reporter.note(f"{instance.address} was interrupted and is healthy: kept")
            runner.untaint(instance.address)
            healed.append(instance.address)
        else:
            engine.reporter.note(f"{instance.address} was interrupted and is not whole: it will be replaced")
    return healed


def settled_cluster(engine: Engine, names: Names) -> clusters.ClusterStatus:
    """What AWS says of the project's cluster once nothing is in progress any more, without Terraform.

    Raises   ClusterError when something is still in progress after an hour; OutOfTime
    """
    return _settled(engine, names, f"the cluster {names.cluster}", partial(look_at_cluster, engine, names))


def look_at_cluster(engine: Engine, names: Names) -> clusters.ClusterStatus:
    """What AWS says of the project's cluster at this moment."""
    return clusters.describe_cluster(engine.cloud, cluster_name=names.cluster, stack_name=names.stack)


def _settled(engine: Engine, names: Names, what: str, look: Callable[[], _Seen]) -> _Seen:
    """What is seen once it is no longer in progress."""
    seen = look()
    if seen.in_progress:
        engine.reporter.step(f"Waiting for {what}, which is still in progress", "WAITING")
    with waiting(engine, what) as too_long:
        while seen.in_progress:
            if too_long():
                raise ClusterError(
                    f"{what} of {names.project} is still in progress after an hour.",
                    hint="Look at it in the AWS console; run the command again when it is done.",
                )
            engine.pause(_POLL_S if engine.settings.cloud == "aws" else 0.5)
            seen = look()
    return seen


def _health(engine: Engine, names: Names, instance: Instance, known: Iterable[Instance]) -> Health:
    if instance.type == "aws_cloudformation_stack":
        status = look_at_cluster(engine, names)
        return Health(healthy=status.ready, in_progress=status.in_progress)
    if instance.type == "aws_fsx_lustre_file_system":
        # By its id, not by its tags: one that is not found would be replaced, with the files on it.
        lifecycle = lustre_lifecycle(engine.cloud, instance.id)
        return Health(healthy=lifecycle == "AVAILABLE", in_progress=lifecycle in ("CREATING", "UPDATING"))
    life = _life(engine, names, instance, known)
    in_progress = life is Life.IN_PROGRESS
    return Health(
        healthy=life is Life.READY or (instance.type in _DATA and not in_progress), in_progress=in_progress
    )


def _life(engine: Engine, names: Names, instance: Instance, known: Iterable[Instance]) -> Life | None:
    """How far AWS is with it, looked up like what no state knows; None: it is not found, or nobody looks.

    Raises   OrphanConflict
    """
    search = Search(
        cloud=engine.cloud,
        account_id=engine.settings.require_account(),
        vlab_id=names.vlab_id,
        project_id=names.project_id,
        known=[Known(one.address, one.type, one.id) for one in known if one is not instance],
    )
    itself = Known(instance.address, instance.type, instance.id)
    wanted = Wanted(instance.address, instance.type, itself.module, instance.attributes)
    found = next((thing for _, thing in find_existing(search, [wanted])), None)
    return found.life if found is not None and found.id == instance.id else None
