"""Give a cluster back and keep the data: cluster away, Lustre exported, the rest parked.

The order is what keeps the data: once the cluster is gone nothing writes to Lustre any more, so
the export that follows is complete; only a checked export lets the file system go (lustre.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.aws import addresses, clusters
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import BackendError, ClusterError, DataAtRisk, RequestError
from engine.model.aws_commands import aws
from engine.model.names import Names
from engine.model.operation import Kind, Wish
from engine.operations import access, lustre, records, recovery, repair
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine
from engine.operations.holding import holding_workspace
from engine.operations.planning import Ground, Planned, check_ground, keep_review, make_plan, plan_again
from engine.operations.provision import Approve
from engine.operations.states import made_nothing, read_state, require_sound
from engine.review.findings import refuse_data_loss
from engine.review.model import Review
from engine.terraform.failures import ClusterBusy
from engine.terraform.state import instances
from engine.workspace.resources import CLUSTER_STACK, LUSTRE
from engine.workspace.stack import Presence

# EC2's answers are consistent eventually (EC2 API reference, "Eventual consistency").
_SUBNET_PATIENCE_S, _SUBNET_POLL_S = 60.0, 3.0
# Kept with the operation: it has begun to park the project.
_PARKING_NOTE = "parking"
WAIVED_NOTE = "lustre_waived"
"""Kept with the operation: the file system that is given up without an export, unless somebody keeps the data
at that very moment."""

SkipExport = str | Callable[[], str | None] | None


class NothingToRelease(RequestError):
    """The project was only planned: there is nothing to release."""

    code = "NOTHING_TO_RELEASE"


class SubnetStands(BackendError):
    """The project's subnet is there after all that should have removed it: its addresses stay its own."""

    code = "SUBNET_STANDS"
    retryable = True


@dataclass(frozen=True)
class Released:
    planned: Planned
    export: lustre.Export
    changed: bool


def release(
    engine: Engine,
    vlab_id: str,
    project_id: str,
    *,
    approve: Approve,
    skip_export: SkipExport = None,
    within_s: float | None = None,
) -> Released:
    """Park the project: bucket and EFS home stay, all that costs by the hour goes.

    skip_export   a reason; Lustre then goes without an export. A function is asked for it just before that
    within_s      the work is put down after so many seconds; the same call goes on with it
    Raises   OutOfTime, UnknownProject, NothingToRelease, NotConfirmed (nothing changed); DataAtRisk when the
             export failed for some file, ClusterError when the cluster is not gone (the file system stays)
    """
    with holding_workspace(engine, engine.names(vlab_id, project_id)):
        return _release(engine.within(within_s), vlab_id, project_id, approve, skip_export)


def is_half_parked(record: ProjectRecord, notes: Mapping[str, str]) -> bool:
    """Whether parking the project was begun and is not done. A failure has written its phase over PARKING.

    notes   of the operation that may have begun it
    """
    return record.phase is Phase.PARKING or (record.phase is Phase.FAILED and _PARKING_NOTE in notes)


def plan_release(engine: Engine, vlab_id: str, project_id: str) -> Planned:
    """What a release would change. Changes nothing: what a killed run has left is taken in by the release.

    Raises   as `release`
    """
    with holding_workspace(engine, engine.names(vlab_id, project_id)):
        return _plan(engine, vlab_id, project_id, take_in=False)[1]


def _release(
    engine: Engine,
    vlab_id: str,
    project_id: str,
    approve: Approve,
    skip_export: SkipExport,
) -> Released:
    engine, planned, record = _plan(engine, vlab_id, project_id)
    if planned.has_changes:
        approve(planned.review)
    wish = Wish(Kind.RELEASE, skip_export=None if callable(skip_export) else skip_export)
    with (
        carrying_out(engine, vlab_id, project_id, wish) as engine,
        records.working(engine, planned.spec, Phase.PARKING, done=Phase.PARKED),
    ):
        engine.note(_PARKING_NOTE, "begun")
        keep_review(engine, planned)
        # Bound to the operation, so that Terraform's lock says which one holds it.
        planned = replace(planned, runner=engine.runner(planned.names, after=planned.runner))
        export = _park(engine, planned, skip_export) if planned.has_changes else lustre.Export()
        give_back(engine, record, planned.names)
    return Released(planned, export, planned.has_changes)


def _plan(
    engine: Engine, vlab_id: str, project_id: str, *, take_in: bool = True
) -> tuple[Engine, Planned, ProjectRecord]:
    """The engine on the cluster's release, the parking plan, and the project's record."""
    names = engine.names(vlab_id, project_id)
    engine = check_ground(engine, names, Ground(waits=take_in))
    record = records.record_of(engine, vlab_id, project_id)
    records.require_data(record)
    if record.phase is Phase.PLANNED and made_nothing(engine, names):
        raise NothingToRelease(
            f"{record.project} was only planned; there is nothing to release.",
            hint=f"`provisioner destroy {record.project}` forgets it.",
        )
    spec = records.spec_of(record)
    # Before anything is taken in: that writes a state, which would stand in the place of a lost one.
    require_sound(engine, names, record)
    if take_in:
        recovery.take_in(engine, spec)
    elif recovery.is_due(engine, names):
        engine.reporter.note(
            f"The last run of {record.project} did not come to its end: what it made and no state knows is "
            "not in this plan; the release takes it in first"
        )
    planned = make_plan(engine, spec, Presence.PARKED)
    # What is asked for is that a cluster stops costing: a setting of the installation must not hold that up.
    refuse_data_loss(planned.review, allowed=(LUSTRE,), fewer_days_allowed=True)
    return engine, planned, record


def give_back(engine: Engine, record: ProjectRecord, names: Names) -> None:
    """Hand in the key pairs, their secrets and the address block; the cluster must be gone.

    Raises   SubnetStands when the project's subnet is still there
    """
    engine.check()
    engine.reporter.step("Handing in ssh keys and address block")
    access.hand_in_keys(engine, names)
    await_subnet_gone(engine, record.project)
    table = engine.settings.registry_table
    addresses.release_project(engine.cloud, table, project=record.project)


def await_subnet_gone(engine: Engine, project: str) -> None:
    """EC2 may show a subnet for some seconds more; one that stays was made by a run that died.

    Raises   SubnetStands
    """
    deadline = time.monotonic() + (_SUBNET_PATIENCE_S if engine.settings.cloud == "aws" else 1)
    while there := addresses.standing_subnets(engine.cloud, project=project):
        if time.monotonic() > deadline:
            named = ", ".join(f"{subnet.id} ({subnet.cidr})" for subnet in there)
            raise SubnetStands(
                f"{named} of {project} still stands, so its address block stays reserved.",
                hint="`provisioner orphans` shows what stands in no state; then run the same command again.",
                details={"subnets": [subnet.id for subnet in there]},
            )
        engine.pause(_SUBNET_POLL_S if engine.settings.cloud == "aws" else 0.2)


def _park(engine: Engine, planned: Planned, skip_export: SkipExport) -> lustre.Export:
    there = {instance.address: instance.id for instance in instances(read_state(engine, planned.names))}
    _remove_cluster(engine, planned, in_state=CLUSTER_STACK in there)
    export = lustre.Export()
    if LUSTRE in there:
        if skip_export:
            # Before a reason is asked for: who keeps the data says so first, and looks at this then.
            engine.note(WAIVED_NOTE, there[LUSTRE])
        reason = skip_export() if callable(skip_export) else skip_export
        export = lustre.give_up(engine, planned.names, there[LUSTRE], skip_export=reason)
    engine.check()
    engine.reporter.step("Planning what is left", "PARKING")
    rest = plan_again(planned.spec, planned.names, planned.folder, planned.runner)
    _require_reviewed(rest.review, planned.review)
    engine.check()
    engine.reporter.step("Parking")
    rest.runner.apply(rest.plan_file)
    return export


def _remove_cluster(engine: Engine, planned: Planned, *, in_state: bool) -> None:
    """Delete the cluster, and go by AWS's word alone that it is gone.

    AWS provider 5.100.0 takes every ValidationError of DeleteStack for "there is no such stack", also the
    ones that say that it is being changed or is protected: Terraform then forgets a cluster that lives.
    The next run takes it in again (recovery.py).
    Raises   ClusterBusy, ClusterError: it stands, and nothing more was changed
    """
    _refuse_protected(engine, planned.names, repair.settled_cluster(engine, planned.names))
    if in_state:
        engine.check()
        engine.reporter.step("Removing the cluster", "DELETING")
        planned.runner.plan(planned.plan_file, destroy=True, targets=(CLUSTER_STACK,))
        planned.runner.apply(planned.plan_file)
    _require_gone(engine, planned.names, repair.look_at_cluster(engine, planned.names))


def _refuse_protected(engine: Engine, names: Names, cluster: clusters.ClusterStatus) -> None:
    if cluster.protected:
        take_off = aws(
            "cloudformation update-termination-protection --no-enable-termination-protection "
            f"--stack-name {names.stack}",
            region=engine.settings.region,
        )
        raise ClusterError(
            f"The stack {names.stack} of {names.project} has termination protection: CloudFormation does not "
            "delete it. The cluster and its file system stay.",
            hint=f"`{take_off}`, then run the same command again.",
        )


def _require_gone(engine: Engine, names: Names, cluster: clusters.ClusterStatus) -> None:
    _refuse_protected(engine, names, cluster)
    outer, inner = (
        aws(f"cloudformation delete-stack --stack-name {stack}", region=engine.settings.region)
        for stack in (names.stack, names.cluster)
    )
    if cluster.stack_status is not None:
        raise ClusterBusy(
            f"The stack {names.stack} of {names.project} still stands ({cluster.stack_status}): "
            "CloudFormation did not delete it, or Terraform has forgotten it. The cluster and its file "
            "system stay.",
            hint="Run the same command again: it waits for what is in progress, and takes the stack in. "
            f"Should that not help, `{outer}` first.",
        )
    if cluster.cluster_stack_status is not None:
        raise ClusterError(
            f"The cluster {names.cluster} of {names.project} is {cluster.cluster_stack_status} and stands "
            f"without the stack {names.stack} around it, so nothing here deletes it. Its file system stays.",
            hint=f"`{inner}`, then run the same command again.",
        )


def _require_reviewed(now: Review, reviewed: Review) -> None:
    """The second plan may hold less than the first, never more."""
    agreed = {(change.address, change.action) for change in reviewed.changes}
    surprises = [change for change in now.changes if (change.address, change.action) not in agreed]
    if surprises:
        raise DataAtRisk(
            f"The plan of {now.project} moved while it was carried out; not reviewed: "
            + ", ".join(f"{change.action} {change.address}" for change in surprises),
            hint="Release again and review the new plan.",
        )
