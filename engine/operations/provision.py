"""Bring a project up, or change it: plan, approval, key, apply, and AWS's word that it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.aws import clusters
from engine.aws.filesystems import LustreFileSystem
from engine.aws.registry import Phase
from engine.errors import ClusterError, EngineError, PlanNotApproved
from engine.model.aws_commands import aws
from engine.model.operation import Kind, Wish
from engine.model.spec import ProjectSpec, dump_spec
from engine.operations import access, lustre, records, repair, token_keys
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine
from engine.operations.holding import holding_workspace
from engine.operations.planning import (
    Ground,
    Planned,
    Purpose,
    check_ground,
    keep_review,
    make_plan,
    plan_again,
)
from engine.operations.spec_checks import check_spec
from engine.review.findings import refuse_broken_rules, refuse_cluster_update, refuse_data_loss
from engine.review.model import Action, Review
from engine.workspace.resources import CLUSTER_STACK, LUSTRE
from engine.workspace.stack import Presence

_STUCK = "UPDATE_ROLLBACK_FAILED"
_TAKEN_BACK = "UPDATE_ROLLBACK_COMPLETE"

Approve = Callable[[Review], None]
"""Shown the review before anything is changed; raises NotConfirmed to stop."""


@dataclass(frozen=True)
class Provisioned:
    planned: Planned
    cluster: clusters.ClusterStatus
    changed: bool


def plan(engine: Engine, spec: ProjectSpec, purpose: Purpose = Purpose.APPLY) -> Planned:
    """Plan the project as its spec wants it, and note it in the registry if it is new.

    A spec that is refused leaves no trace.
    purpose  AWS's own work is waited for only before an apply
    Raises   InvalidSpec and the other errors of the tree; nothing is changed but the registry
    """
    check_spec(engine, spec)
    names = engine.names_of(spec)
    with holding_workspace(engine, names):
        engine = check_ground(engine, names, Ground(waits=purpose is Purpose.APPLY))
        record = records.note_planned(engine, spec)
        records.require_data(record)
        return make_plan(engine, spec, Presence.RUNNING, record=record, purpose=purpose)


def provision(
    engine: Engine, spec: ProjectSpec, *, approve: Approve, within_s: float | None = None
) -> Provisioned:
    """Make the project what its spec says. Doing it again changes nothing.

    within_s   everything is put down after so many seconds; the same call goes on with it
    Raises   NotConfirmed, DataAtRisk, RuleBroken, ClusterUpdateRefused (nothing changed); TerraformError,
             ClusterError (the record says what happened, and the same call again goes on from there);
             OutOfTime; PlanNotApproved where the installation takes approved plans only
    """
    require_free_apply(engine, spec)
    engine = engine.within(within_s)
    with holding_workspace(engine, engine.names_of(spec)):
        return carry_out(engine, plan(engine, spec), approve=approve)


def require_free_apply(engine: Engine, spec: ProjectSpec) -> None:
    """Refuse a plan that nobody could approve, where the installation demands that.

    Raises   PlanNotApproved
    """
    # What the service is asked for was agreed to by whoever may call it.
    if engine.settings.plan_approval == "required" and engine.duty is None:
        raise PlanNotApproved(
            f"This installation applies approved plans only. Nothing of {spec.project} was changed.",
            hint="`provisioner plan SPEC --save`, have it approved (`provisioner approve DIGEST`), then "
            "`provisioner apply --plan DIGEST`.",
        )


def carry_out(
    engine: Engine,
    planned: Planned,
    *,
    approve: Approve,
    begin: Callable[[Engine], None] = lambda _: None,
) -> Provisioned:
    """Apply exactly this plan and wait for AWS's word. Raises as `provision` does.

    begin   called within the operation, before anything is changed; what it raises ends the operation
    """
    failed = lustre.never_came_up(engine, planned.names) if _replaces_lustre(planned.review) else None
    refuse_data_loss(planned.review, allowed=(LUSTRE,) if failed else ())
    refuse_broken_rules(planned.review)
    _refuse_cluster_update(engine, planned)
    if planned.has_changes:
        approve(planned.review)
    spec = planned.spec
    wish = Wish(Kind.PROVISION, dump_spec(spec))
    with carrying_out(engine, spec.vlab_id, spec.project_id, wish) as engine:
        begin(engine)
        with records.working(engine, spec, Phase.APPLYING, done=Phase.READY):
            keep_review(engine, planned)
            cluster = _make(engine, planned, failed)
    return Provisioned(planned, cluster, planned.has_changes)


def _make(engine: Engine, planned: Planned, failed: LustreFileSystem | None) -> clusters.ClusterStatus:
    engine.reporter.step("Making sure of the ssh keys", "APPLYING")
    access.ensure_keys(engine, planned.names, planned.spec)
    token_keys.ensure_keys(engine)
    if planned.has_changes:
        if failed is not None:
            lustre.remove_failed(engine, planned.names, failed)
        engine.check()
        engine.reporter.step("Applying")
        _apply(engine, replace(planned, runner=engine.runner(planned.names, after=planned.runner)))
    return _require_complete(engine, planned)


def _replaces_lustre(review: Review) -> bool:
    return any(change.address == LUSTRE and change.action is Action.REPLACE for change in review.changes)


def _refuse_cluster_update(engine: Engine, planned: Planned) -> None:
    cluster = planned.names.cluster
    _refuse_by_stacks(engine, planned)
    refuse_cluster_update(
        planned.review,
        cluster=cluster,
        region=engine.settings.region,
        fleet_stopped=lambda: clusters.fleet_is_stopped(engine.cloud, cluster),
    )


def _refuse_by_stacks(engine: Engine, planned: Planned) -> None:
    """Look at AWS's two stacks before the outer one is made or changed."""
    action = next((one.action for one in planned.review.changes if one.address == CLUSTER_STACK), None)
    if action is Action.CREATE:
        _refuse_lone_cluster(engine, planned, repair.look_at_cluster(engine, planned.names))
    elif action is Action.UPDATE:
        _refuse_stuck_stack(engine, planned, repair.look_at_cluster(engine, planned.names))


def _refuse_lone_cluster(engine: Engine, planned: Planned, status: clusters.ClusterStatus) -> None:
    """ParallelCluster refuses a name that is taken, and the stack's rollback then deletes by that name."""
    if status.cluster_stack_status is not None and status.stack_status is None:
        names = planned.names
        delete = aws(
            f"cloudformation delete-stack --stack-name {names.cluster}", region=engine.settings.region
        )
        raise ClusterError(
            f"The cluster {names.cluster} of {names.project} is {status.cluster_stack_status} and stands "
            f"without the stack {names.stack} around it: making that anew would fail, and delete the cluster "
            "with all its jobs. Nothing was changed.",
            hint=f"Once nobody needs it any more, `{delete}`; when it is gone, apply again, which makes "
            "another one. Bucket, home and Lustre stay.",
        )


def _refuse_stuck_stack(engine: Engine, planned: Planned, status: clusters.ClusterStatus) -> None:
    """Where an update failed and its rollback did, too, CloudFormation takes no other one."""
    if status.stack_status == _STUCK:
        raise ClusterError(
            f"The stack {planned.names.stack} of {planned.names.project} is {_STUCK} and takes no update. "
            "Nothing was changed; the cluster goes on as it was before.",
            hint=_unstick(engine, planned),
        )


def _unstick(engine: Engine, planned: Planned) -> str:
    go_on = aws(
        f"cloudformation continue-update-rollback --stack-name {planned.names.stack} "
        "--resources-to-skip Cluster",
        region=engine.settings.region,
    )
    return (
        f"`{go_on}`, then apply again; or release the project and apply it: that makes a new cluster, and "
        "bucket and home stay."
    )


def _apply(engine: Engine, planned: Planned) -> None:
    try:
        planned.runner.apply(planned.plan_file)
    except EngineError as error:
        _explain(engine, planned, error)
        raise


def _explain(engine: Engine, planned: Planned, error: EngineError) -> None:
    """Add what AWS knows: CloudFormation cuts its reason to 256 characters, and that of FSx is not given."""
    try:
        status = repair.look_at_cluster(engine, planned.names)
        failed = lustre.never_came_up(engine, planned.names)
    except EngineError:
        return  # the apply's own error is the one to tell
    reasons = list(status.failure_reasons)
    if failed is not None:
        reasons.insert(0, f"Lustre file system {failed.id}: {failed.failure}")
    error.message += "".join(f"\n  - {reason}" for reason in reasons)
    if status.stack_status == _STUCK:
        error.hint = _unstick(engine, planned)


def _require_complete(engine: Engine, planned: Planned) -> clusters.ClusterStatus:
    """Terraform does not look at a stack's status again once it has read it; AWS's word decides."""
    status = repair.settled_cluster(engine, planned.names)
    if not status.ready:
        raise ClusterError(
            f"The cluster of {planned.names.project} is {status.status or 'absent'}, "
            "although Terraform is done." + "".join(f"\n  - {reason}" for reason in status.failure_reasons),
            hint=f"Look at it with `provisioner status {planned.names.project}`, then apply again.",
        )
    if status.stack_status == _TAKEN_BACK:
        _require_as_planned(engine, planned, status)
    return status


def _require_as_planned(engine: Engine, planned: Planned, status: clusters.ClusterStatus) -> None:
    """Whether the cluster that goes on after an update was taken back is the one that the spec asks for.

    The plan may have been made while that update was under way: then it found what the update asked for, and
    nothing to change.
    """
    engine.check()
    runner = engine.runner(planned.names, after=planned.runner)
    again = plan_again(planned.spec, planned.names, planned.folder, runner)
    if any(one.address == CLUSTER_STACK and one.action is Action.UPDATE for one in again.review.changes):
        raise ClusterError(
            f"AWS took the update of the cluster of {planned.names.project} back; it goes on as it was."
            + "".join(f"\n  - {reason}" for reason in status.failure_reasons),
            hint="Mend the cause, or take the change back, then apply again.",
        )
