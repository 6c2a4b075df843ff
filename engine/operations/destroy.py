"""Give a project up. Its data goes only when that is said, and only after everything else."""

from __future__ import annotations

from dataclasses import dataclass

from engine.aws import buckets, logs
from engine.aws.registry import Phase, ProjectRecord
from engine.model.operation import Kind, Wish
from engine.model.spec import ProjectSpec
from engine.operations import records, recovery
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine
from engine.operations.folders import remove_workspace
from engine.operations.holding import holding_workspace
from engine.operations.planning import check_ground, make_plan
from engine.operations.provision import Approve
from engine.operations.release import give_back, release
from engine.operations.saved_plans import plan_store
from engine.operations.states import made_nothing, read_state
from engine.review.findings import refuse_data_loss
from engine.terraform.state import instances
from engine.workspace.stack import Presence

_RECORDS = "module.accounting.aws_lambda_invocation.database"
_JOB_LOG = "module.job_records.aws_cloudwatch_log_group.this"
_PARKED = ("module.bucket.", "module.efs.", _RECORDS, _JOB_LOG)
_DATA = ("module.bucket.aws_s3_bucket.this", "module.efs.aws_efs_file_system.this", _RECORDS, _JOB_LOG)


@dataclass(frozen=True)
class Destroyed:
    """kept: what still holds the project's data; empty when all is gone."""

    kept: tuple[str, ...]
    objects_deleted: int = 0


def destroy(
    engine: Engine,
    vlab_id: str,
    project_id: str,
    *,
    purge_data: bool,
    approve: Approve,
    skip_export: str | None = None,
    within_s: float | None = None,
) -> Destroyed:
    """Remove the project; with purge_data its bucket, its home, its state and its record as well.

    The caller has had the project's name typed. Safe to repeat after an interruption.
    within_s   the work is put down after so many seconds; the same call goes on with it
    Raises   OutOfTime, UnknownProject, NotConfirmed (nothing changed), and what releasing raises
    """
    names = engine.names(vlab_id, project_id)
    engine = check_ground(engine, names)
    record = records.record_of(engine, vlab_id, project_id)
    wish = Wish(Kind.DESTROY, purge_data=purge_data, skip_export=skip_export)
    with (
        holding_workspace(engine, names),
        carrying_out(engine, vlab_id, project_id, wish, within_s=within_s) as engine,
    ):
        return _destroy(engine, record, wish, approve)


def _destroy(engine: Engine, record: ProjectRecord, wish: Wish, approve: Approve) -> Destroyed:
    vlab_id, project_id, skip_export = record.vlab_id, record.project_id, wish.skip_export
    names = engine.names(vlab_id, project_id)
    # Somebody may have applied a planned workspace by hand: then there is more to do than to forget it.
    if record.phase is Phase.PLANNED and made_nothing(engine, names):
        _forget(engine, record)
        return Destroyed(kept=())
    if not wish.purge_data:
        release(engine, vlab_id, project_id, approve=approve, skip_export=skip_export)
        return Destroyed(
            kept=(
                f"bucket {engine.names_of(records.spec_of(record)).bucket}",
                f"EFS home {names.efs}",
                f"accounting database {names.database}",
                f"job records {names.job_log_group}",
            )
        )
    return _purge(engine, records.spec_of(record), approve, skip_export or "the data is purged")


def _purge(engine: Engine, spec: ProjectSpec, approve: Approve, skip_export: str) -> Destroyed:
    names = engine.names_of(spec)
    recovery.take_in(engine, spec)
    planned = make_plan(engine, spec, Presence.REMOVED)
    if not all(one.address.startswith(_PARKED) for one in instances(read_state(engine, names))):
        release(engine, spec.vlab_id, spec.project_id, approve=approve, skip_export=skip_export)
        planned = make_plan(engine, spec, Presence.REMOVED)
    refuse_data_loss(planned.review, allowed=_DATA)
    if planned.has_changes:
        approve(planned.review)
    with records.working(engine, spec, Phase.DESTROYING, done=Phase.DESTROYING):
        engine.check()
        engine.reporter.step("Emptying the bucket", "DELETING")
        deleted = buckets.empty_bucket(engine.cloud, names.bucket, account_id=engine.settings.account_id)
        if planned.has_changes:
            engine.check()
            engine.reporter.step("Deleting the data")
            planned.runner.apply(planned.plan_file)
        logs.delete_cluster_log_groups(engine.cloud, names.cluster)
    _forget(engine, records.record_of(engine, spec.vlab_id, spec.project_id))
    return Destroyed(kept=(), objects_deleted=deleted.versions)


def _forget(engine: Engine, record: ProjectRecord) -> None:
    """Remove what the engine kept: state, its digest, saved plans, keys, address block, workspace, record.

    The state goes first: it is what refuses while somebody else holds its lock. The record goes last:
    a run that was interrupted finds it and comes here again.
    """
    names = engine.names(record.vlab_id, record.project_id)
    engine.check()
    engine.reporter.step("Forgetting the project", "DELETING")
    buckets.delete_state(
        engine.cloud,
        bucket=engine.settings.state_bucket,
        key=names.state_key,
        lock_table=engine.settings.lock_table,
    )
    plan_store(engine).remove_of(record.project)
    give_back(engine, record, names)
    remove_workspace(engine.folder(names))
    engine.registry.remove(record)
