"""Give a project up. Its data goes only when that is said, only after everything else, and not at once.

destroy --purge-data        parked, and its data marked: purge_at, some days from now
keep, or another apply      the mark is gone
purge_at is over            the next destroy --purge-data deletes it; the service asks for that itself
destroy --purge-data --now  deletes it at once
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.aws import buckets, logs
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import OperationInProgress, PurgeCancelled
from engine.model.operation import Failure, Kind, Operation, Wish
from engine.operations import records, recovery
from engine.operations.carry import carrying_out, is_dead
from engine.operations.engine import Engine
from engine.operations.folders import remove_workspace
from engine.operations.holding import holding_workspace
from engine.operations.place import Place
from engine.operations.planning import check_ground, make_plan
from engine.operations.provision import Approve
from engine.operations.release import (
    WAIVED_NOTE,
    SkipExport,
    await_subnet_gone,
    give_back,
    is_half_parked,
    release,
)
from engine.operations.requests import SCHEDULE, goes_on
from engine.operations.saved_plans import plan_store
from engine.operations.states import claim_workspace, made_nothing, read_state, require_sound
from engine.review.findings import refuse_data_loss
from engine.terraform.state import instances
from engine.workspace.resources import ACCOUNTING_RECORDS, BUCKET, HOME, JOB_RECORDS, LUSTRE
from engine.workspace.stack import Presence

_PARKED = ("module.bucket.", "module.efs.", ACCOUNTING_RECORDS, JOB_RECORDS)
_DATA = (BUCKET, HOME, ACCOUNTING_RECORDS, JOB_RECORDS)


@dataclass(frozen=True)
class Destroyed:
    """kept: what still holds the project's data; empty when all is gone.
    purge_at: UTC, aware: when that may go; None: never, or it is gone
    """

    kept: tuple[str, ...]
    objects_deleted: int = 0
    purge_at: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """What became of the data that somebody keeps.

    was_to_go     False: nobody had asked for its end, or it was called off before
    phase         where the project stands
    half_parked   the purge had begun to park the project, and is not done with that
    at_work       somebody works on it, or a worker is to: that one brings this to its end
    lustre        the file system that the purge had begun to give up without an export; "" for none
    """

    was_to_go: bool
    phase: Phase
    half_parked: bool = False
    at_work: bool = False
    lustre: str = ""


def destroy(
    engine: Engine,
    vlab_id: str,
    project_id: str,
    *,
    purge_data: bool,
    purge_now: bool = False,
    approve: Approve,
    skip_export: str | None = None,
    within_s: float | None = None,
) -> Destroyed:
    """Remove the project; with purge_data its bucket, its home, its state and its record as well.

    The data is marked first, and goes when this is called again after the setting purge_grace_days is over.
    The caller has had the project's name typed. Safe to repeat after an interruption.
    purge_now  without the grace period
    within_s   the work is put down after so many seconds; the same call goes on with it
    Raises   OutOfTime, UnknownProject, NotConfirmed (nothing changed), and what releasing raises
    """
    names = engine.names(vlab_id, project_id)
    engine = check_ground(engine.within(within_s), names)
    known_record(engine, vlab_id, project_id)  # of what nobody knows there is no operation
    wish = Wish(Kind.DESTROY, purge_data=purge_data, skip_export=skip_export, purge_now=purge_now)
    with (
        holding_workspace(engine, names),
        carrying_out(engine, vlab_id, project_id, wish) as engine,
    ):
        # Read once nobody else is at work: what was waited for may have changed it.
        record = known_record(engine, vlab_id, project_id)
        return _destroy(engine, record, wish, approve) if record else Destroyed(kept=())


def known_record(engine: Engine, vlab_id: str, project_id: str) -> ProjectRecord | None:
    """The project's record; None where a run forgot the project, as its last step, and died before it could
    write down that it was done.

    Raises   UnknownProject
    """
    record = engine.registry.get(vlab_id, project_id)
    if record is None:
        left = engine.operations.active(f"{vlab_id}/{project_id}")
        if left is None or left.wish.kind is not Kind.DESTROY:
            return records.record_of(engine, vlab_id, project_id)  # it says what to do
    return record


def _destroy(engine: Engine, record: ProjectRecord, wish: Wish, approve: Approve) -> Destroyed:
    vlab_id, project_id = record.vlab_id, record.project_id
    names = engine.names(vlab_id, project_id)
    # Somebody may have applied a planned workspace by hand: then there is more to do than to forget it.
    if record.phase is Phase.PLANNED and made_nothing(engine, names):
        _forget(engine, record)
        return Destroyed(kept=())
    # What has begun to park is parked first.
    if wish.purge_data and not _is_half_parked(engine, record):
        _refuse_called_off(engine, record)
    if wish.purge_data and may_go(engine, record, purge_now=wish.purge_now):
        return _purge(engine, record, approve, wish)
    # What may be wanted after all is exported, as in any other release.
    skip_export = _unless_kept(engine, record, wish.skip_export)
    release(engine, vlab_id, project_id, approve=approve, skip_export=skip_export)
    purge_at = _mark(engine, vlab_id, project_id) if wish.purge_data else None
    return Destroyed(
        kept=(
            f"bucket {engine.names_of(records.spec_of(record)).bucket}",
            f"EFS home {names.efs}",
            f"accounting database {names.database}",
            f"job records {names.job_log_group}",
        ),
        purge_at=purge_at,
    )


def may_go(place: Place, record: ProjectRecord, *, purge_now: bool) -> bool:
    """Whether a purge deletes the data at this moment; one that has begun is brought to its end."""
    is_due = record.purge_at is not None and record.purge_at <= place.now()
    return purge_now or is_due or record.phase is Phase.DESTROYING


def _is_half_parked(engine: Engine, record: ProjectRecord) -> bool:
    return is_half_parked(record, engine.duty.operation.notes if engine.duty else {})


def _mark(engine: Engine, vlab_id: str, project_id: str) -> datetime:
    """Say when the data may go; a mark that is there already stays."""
    engine.check_owned()
    record = records.record_of(engine, vlab_id, project_id)
    _refuse_called_off(engine, record)
    if record.purge_at is not None:
        return record.purge_at
    purge_at = engine.now() + timedelta(days=engine.settings.purge_grace_days)
    engine.registry.replace(record, now=engine.now(), purge_at=purge_at)
    return purge_at


def _refuse_called_off(engine: Engine, record: ProjectRecord) -> None:
    """Refuse to mark or delete the data for a purge that was asked for before somebody kept it. The schedule
    asks for what is marked only.

    Raises   PurgeCancelled
    """
    if _called_off_ours(engine, record):
        raise _cancelled(record)


def _unless_kept(engine: Engine, record: ProjectRecord, reason: str | None) -> SkipExport:
    """Why Lustre goes without an export, if somebody has not kept the data meanwhile. Asked while the project
    is being parked, when its data can't be kept by anybody any more."""

    def asked() -> str | None:
        now = records.record_of(engine, record.vlab_id, record.project_id)
        return None if _called_off_ours(engine, now) else reason

    return asked if reason else None


def _called_off_ours(engine: Engine, record: ProjectRecord) -> bool:
    return engine.duty is not None and _is_called_off(record, engine.duty.operation)


def _is_called_off(record: ProjectRecord, purge: Operation) -> bool:
    """Whether somebody has kept the data since this purge was asked for; not where its deletion has begun."""
    if record.purge_at is not None or record.phase is Phase.DESTROYING:
        return False
    return purge.id == record.called_off or purge.requested_by == SCHEDULE


def _cancelled(record: ProjectRecord) -> PurgeCancelled:
    return PurgeCancelled(
        f"The data of {record.project} is kept after all: its deletion was called off.",
        hint=f"`provisioner destroy {record.project} --purge-data` marks it anew.",
    )


def keep(engine: Engine, vlab_id: str, project_id: str) -> Kept:
    """Keep the data that was to go. A purge that is under way is called off: it goes no further than to park
    the project. One that was left is ended here, and nothing more is done in it. Safe to repeat.

    Raises   UnknownProject; DataAtRisk when its deletion has begun; OperationInProgress while an operation
             parks the project, or when somebody wrote the record at that moment (ask again)
    """
    record = records.record_of(engine, vlab_id, project_id)
    records.require_data(record)
    standing = engine.operations.standing(record.project)
    active = engine.operations.get(record.project, standing.operation_id) if standing.operation_id else None
    purge = active if active is not None and active.wish.purge_data else None
    now = engine.now()
    held = standing.held(now) and standing.owner is not None and not is_dead(standing.owner)
    under_way = purge is not None and not _is_called_off(record, purge)
    was_to_go = under_way or record.purge_at is not None
    # Who works under a record must be able to write down how that ended.
    if was_to_go and active is not None and record.phase in records.AT_WORK and held:
        deletes = purge is not None and may_go(engine, record, purge_now=purge.wish.purge_now)
        raise OperationInProgress(
            f"{active.id} ({active.wish.kind}) of {record.project} is at work at this moment; nothing was "
            "called off yet.",
            hint=_when_to_ask_again(active, deletes=deletes),
            details={"operation": active.to_dict()},
        )
    if was_to_go:
        called_off = purge.id if purge is not None else None
        record = engine.registry.replace(record, now=now, purge_at=None, called_off=called_off)
    # Only now: a run that was frozen for long goes by the record that it reads after it has noted this.
    purge = engine.operations.get(purge.project, purge.id) if purge is not None else None
    notes = purge.notes if purge is not None else {}
    half_parked = is_half_parked(record, notes)
    at_work = active is not None and (held or goes_on(active, standing, now))
    if purge is not None and not purge.state.finished and not at_work:
        # Nobody would end it, and it would bar all others. Who takes it up at this moment ends it as well.
        failure = Failure(**_cancelled(record).to_dict())
        at_work = not engine.operations.give_up(standing, purge, failure, now=now, dead=is_dead)
        if half_parked and not at_work:
            record = _say_half_parked(engine, record)
    return Kept(
        was_to_go,
        record.phase,
        half_parked=half_parked,
        at_work=at_work,
        lustre=notes.get(WAIVED_NOTE, ""),
    )


def _when_to_ask_again(active: Operation, *, deletes: bool) -> str:
    """deletes: right after it has parked the project"""
    if not deletes:
        return f"Ask again once the project is parked (`provisioner status {active.project}`)."
    return (
        f"The data is deleted right after that. {active.requested_by} asked for it: where that is a command "
        "that runs, stop it (Ctrl-C), and ask again. Else ask every few seconds: between two runs of a "
        "worker, and while the deletion is planned, it can still be called off."
    )


def _say_half_parked(engine: Engine, record: ProjectRecord) -> ProjectRecord:
    """What the run that was left has written there says to run the purge again, or that it goes on."""
    message = (
        f"{PurgeCancelled.code}: its deletion was called off while it was being parked. "
        f"`provisioner release {record.project}` parks it to the end, an apply brings it up."
    )
    with suppress(OperationInProgress):  # somebody has begun something since, and says how that ends
        return engine.registry.replace(record, now=engine.now(), phase=Phase.FAILED, message=message)
    return record


def _purge(engine: Engine, record: ProjectRecord, approve: Approve, wish: Wish) -> Destroyed:
    spec = records.spec_of(record)
    names = engine.names_of(spec)
    require_sound(engine, names)  # taking something in would write a state over a lost one
    recovery.take_in(engine, spec)
    planned = make_plan(engine, spec, Presence.REMOVED)
    parked = all(one.address.startswith(_PARKED) for one in instances(read_state(engine, names)))
    half_parked = _is_half_parked(engine, record)  # keys and address block go last
    if (half_parked or not parked) and record.phase is not Phase.DESTROYING:
        if not half_parked:
            _refuse_called_off(engine, records.record_of(engine, spec.vlab_id, spec.project_id))
        skip_export = _unless_kept(engine, record, wish.skip_export or "the data is purged")
        release(engine, spec.vlab_id, spec.project_id, approve=approve, skip_export=skip_export)
        planned = make_plan(engine, spec, Presence.REMOVED)
    # Where the deletion has begun, what is left of the data goes with it, whatever it lies in.
    allowed = (*_DATA, LUSTRE) if record.phase is Phase.DESTROYING else _DATA
    refuse_data_loss(planned.review, allowed=allowed)
    if planned.has_changes:
        approve(planned.review)
    # Looked at as late as can be: from the next write on the data can no longer be kept.
    record = records.record_of(engine, spec.vlab_id, spec.project_id)
    _refuse_called_off(engine, record)
    if not may_go(engine, record, purge_now=wish.purge_now):
        raise _cancelled(record)
    with records.working(engine, spec, Phase.DESTROYING, done=Phase.DESTROYING, record=record):
        engine.check()
        engine.reporter.step("Emptying the bucket", "DELETING")
        deleted = buckets.empty_bucket(
            engine.cloud,
            names.bucket,
            account_id=engine.settings.account_id,
            # Millions of objects outlast a run of the worker; the next one goes on.
            on_progress=lambda _: engine.check(),
        )
        if planned.has_changes:
            engine.check()
            engine.reporter.step("Deleting the data")
            planned.runner.apply(planned.plan_file)
        logs.delete_cluster_log_groups(engine.cloud, names.cluster, check=engine.check)
        await_subnet_gone(engine, names.project)
    _forget(engine, records.record_of(engine, spec.vlab_id, spec.project_id))
    return Destroyed(kept=(), objects_deleted=deleted.versions)


def _forget(engine: Engine, record: ProjectRecord) -> None:
    """Remove all the engine kept: state, digest, review, saved plans, keys, address block, folder, record.

    The state goes first: it is what refuses while somebody else holds its lock. The record goes last:
    a run that was interrupted finds it and comes here again.
    """
    names = engine.names(record.vlab_id, record.project_id)
    engine.check()
    engine.reporter.step("Forgetting the project", "DELETING")
    engine.state_store.delete(names.state_key)
    plan_store(engine).remove_of(record.project)
    buckets.remove_object(engine.cloud, engine.settings.state_bucket, names.review_key)
    give_back(engine, record, names)
    if engine.folder(names).is_dir():
        claim_workspace(engine, names)  # what another installation has left in it stays
    remove_workspace(engine.folder(names))
    engine.registry.remove(record)
