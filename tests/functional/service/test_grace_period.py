"""Data that is to go is kept for some days: marked, kept after all, or deleted when its time has come."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.operation_items import Standing
from engine.aws.operation_store import OperationStore
from engine.aws.queue import read_task
from engine.aws.registry import Phase, ProjectRecord, Registry
from engine.errors import (
    BackendError,
    DataAtRisk,
    EngineError,
    OperationInProgress,
    OutOfTime,
    PurgeCancelled,
    RequestError,
)
from engine.model.operation import Kind, State, Wish, requested
from engine.model.spec import load_spec
from engine.operations import destroy as destroying
from engine.operations import provision as provisioning
from engine.operations import records
from engine.operations import release as releasing
from engine.operations.destroy import Destroyed, Kept, destroy, keep
from engine.operations.engine import Engine, open_engine
from engine.operations.lustre import Export
from engine.operations.planning import Planned
from engine.operations.provision import plan
from engine.operations.release import release
from engine.operations.reporting import Silent
from engine.operations.requests import Desk
from engine.operations.work import work
from engine.service.worker import Worker
from engine.workspace.resources import LUSTRE
from tests.functional.conftest import Provisioner
from tests.functional.service.gateway import Gateway
from tests.functional.service.test_worker import Lambda

PROJECT = "/v1/projects/lab/proj"
EFS = {"storage": {"kind": "efs"}}
FILE_SYSTEM = "fs-0123456789abcdef0"


@pytest.fixture
def engine(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that has made the project; what Terraform would do in between is left out."""
    engine = open_engine(desk.place.settings, base=tmp_path, environ=os.environ, reporter=Silent())
    spec = load_spec('{"vlab_id": "lab", "project_id": "proj", "storage": {"kind": "efs"}}', source="test")
    engine.registry.replace(records.note_planned(engine, spec), now=engine.now(), phase=Phase.PARKED)
    for module in (destroying, provisioning, releasing):
        monkeypatch.setattr(module, "check_ground", lambda engine, *_: engine)
    monkeypatch.setattr(destroying, "release", lambda *_, **__: None)
    return engine


def record(engine: Engine) -> ProjectRecord:
    return records.record_of(engine, "lab", "proj")


def purge(engine: Engine, *, now: bool = False, skip_export: str | None = None) -> Destroyed:
    return destroy(
        engine,
        "lab",
        "proj",
        purge_data=True,
        purge_now=now,
        approve=lambda _: None,
        skip_export=skip_export,
    )


def make_due(engine: Engine) -> None:
    engine.registry.replace(record(engine), now=engine.now(), purge_at=engine.now() - timedelta(seconds=1))


def test_data_is_marked_first_and_a_mark_stays(engine: Engine) -> None:
    marked = purge(engine)

    assert marked.purge_at is not None and any("bucket" in one for one in marked.kept)
    assert timedelta(days=6.9) < marked.purge_at - engine.now() < timedelta(days=7.1)
    assert record(engine).purge_at == marked.purge_at
    assert purge(engine).purge_at == marked.purge_at


def test_a_mark_is_taken_back_by_keep_and_by_bringing_the_project_up(engine: Engine) -> None:
    purge(engine)
    assert keep(engine, "lab", "proj").was_to_go
    assert record(engine).purge_at is None
    assert not keep(engine, "lab", "proj").was_to_go

    purge(engine)
    with records.working(engine, records.spec_of(record(engine)), Phase.APPLYING, done=Phase.READY):
        pass
    assert record(engine).purge_at is None


def test_what_is_being_deleted_cannot_be_kept(engine: Engine) -> None:
    engine.registry.replace(record(engine), now=engine.now(), phase=Phase.DESTROYING, purge_at=engine.now())
    with pytest.raises(DataAtRisk, match="being deleted already"):
        keep(engine, "lab", "proj")


@pytest.mark.parametrize("how", ["due", "now", "begun", "not yet"])
def test_when_data_goes(engine: Engine, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[str] = []

    def delete(_: Engine, spec: Any, *__: Any) -> Destroyed:
        deleted.append(spec.project_id)
        return Destroyed(kept=())

    monkeypatch.setattr(destroying, "_purge", delete)
    purge(engine)
    assert deleted == []
    if how == "due":
        make_due(engine)
    if how == "begun":
        engine.registry.replace(record(engine), now=engine.now(), phase=Phase.DESTROYING)

    purge(engine, now=how == "now")

    assert deleted == ([] if how == "not yet" else ["proj"])


def test_keeping_wins_over_a_deletion_that_has_not_begun(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody keeps the data while the deletion is being planned."""
    purge(engine)
    make_due(engine)

    def plan(engine: Engine, *_: Any, **__: Any) -> Any:
        keep(engine, "lab", "proj")
        return _Planned()

    plan_nothing(monkeypatch, plan)
    with pytest.raises(PurgeCancelled, match="kept after all"):
        purge(engine)
    assert record(engine).phase is Phase.PARKED


@pytest.mark.parametrize("asked", ["by the schedule", "over the API"])
def test_keeping_calls_off_a_purge_that_waits_for_a_worker(
    engine: Engine, desk: Desk, gateway: Gateway, asked: str
) -> None:
    purge(engine)
    make_due(engine)
    if asked == "by the schedule":
        (waiting,) = Worker(engine).by_the_clock("sweep", Lambda())["sent"]
    else:
        confirmed = "purge_data=true&confirm=lab%2Fproj"
        waiting = gateway("DELETE", PROJECT, query=confirmed).body["operation"]["id"]
    assert keep(engine, "lab", "proj").was_to_go

    ended = work(engine, "lab/proj", waiting, owner=engine.owner)

    assert ended.failure is not None and ended.failure.code == "PURGE_CANCELLED"
    assert record(engine).purge_at is None
    # Asked for anew, it is marked anew
    assert purge(engine).purge_at is not None


@pytest.mark.parametrize("now", [False, True])
def test_keeping_calls_off_a_purge_that_has_not_marked_the_data_yet(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, now: bool
) -> None:
    """ "kept" is never said of what then goes all the same."""

    def meanwhile(at_work: Engine, *_: Any, **__: Any) -> Any:
        assert keep(engine, "lab", "proj").was_to_go
        assert not keep(engine, "lab", "proj").was_to_go
        return _Planned()

    plan_nothing(monkeypatch, meanwhile)
    monkeypatch.setattr(destroying, "release", meanwhile)
    with pytest.raises(PurgeCancelled, match="called off"):
        purge(engine, now=now)
    assert (record(engine).phase, record(engine).purge_at) == (Phase.PARKED, None)


@pytest.fixture
def running(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """A project with a cluster and Lustre, and releases without Terraform; gives why each that parked it left
    the export out (None: it exported)."""
    released: list[str | None] = []
    engine.registry.replace(record(engine), now=engine.now(), phase=Phase.READY)
    there = [SimpleNamespace(address=LUSTRE, id=FILE_SYSTEM)]

    def plan(at_work: Engine, *_: Any) -> Any:
        spec = records.spec_of(record(engine))
        nothing: Any = SimpleNamespace(apply=lambda _: there.clear())
        planned = Planned(spec, engine.names_of(spec), Path(), nothing, Path(), nothing, has_changes=True)
        return at_work, planned, record(engine)

    def give_up(*_: Any, skip_export: str | None) -> Export:
        released.append(skip_export)
        return Export(waived=skip_export)

    plan_nothing(monkeypatch)
    for module in (destroying, releasing):
        monkeypatch.setattr(module, "instances", lambda _: there)
    for name in ("keep_review", "read_state", "_remove_cluster", "_require_reviewed", "give_back"):
        monkeypatch.setattr(releasing, name, lambda *_, **__: None)
    monkeypatch.setattr(releasing, "_plan", plan)
    monkeypatch.setattr(releasing, "plan_again", lambda *_: plan(engine)[1])
    monkeypatch.setattr(releasing.lustre, "give_up", give_up)
    monkeypatch.setattr(Engine, "runner", lambda *_, after, **__: after)
    monkeypatch.setattr(destroying, "release", release)
    return released


def test_a_purge_at_once_that_was_called_off_leaves_a_running_project_as_it_is(
    engine: Engine, gateway: Gateway, running: list[str | None]
) -> None:
    confirmed = "purge_data=true&purge_now=true&confirm=lab%2Fproj"
    waiting = gateway("DELETE", PROJECT, query=confirmed).body["operation"]["id"]
    assert keep(engine, "lab", "proj").was_to_go

    ended = work(engine, "lab/proj", waiting, owner=engine.owner)

    assert ended.failure is not None and ended.failure.code == "PURGE_CANCELLED"
    assert (running, record(engine).phase) == ([], Phase.READY)


@pytest.mark.parametrize(
    ("now", "skip_export"), [(True, None), (True, "no longer needed"), (False, "no longer needed")]
)
def test_data_that_is_kept_while_a_purge_plans_to_park_is_exported(
    engine: Engine,
    running: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    now: bool,
    skip_export: str | None,
) -> None:
    """As late as that nobody works under the record yet, and keep says "kept", whatever the purge brought."""
    park = destroying.release

    def release(*args: Any, **more: Any) -> Any:
        assert keep(engine, "lab", "proj").was_to_go
        return park(*args, **more)

    monkeypatch.setattr(destroying, "release", release)
    with pytest.raises(PurgeCancelled):
        purge(engine, now=now, skip_export=skip_export)
    assert (running, record(engine).phase) == ([None], Phase.PARKED)


@pytest.mark.parametrize("wish", [{"purge_data": True}, {"purge_data": False}])
def test_a_reason_for_no_export_is_heeded_where_nobody_keeps_the_data(
    engine: Engine, running: list[str | None], wish: dict[str, bool]
) -> None:
    destroy(engine, "lab", "proj", **wish, approve=lambda _: None, skip_export="no longer needed")
    assert (running, record(engine).phase) == (["no longer needed"], Phase.PARKED)


def test_a_purge_at_once_exports_nothing(
    engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destroying.buckets, "empty_bucket", lambda *_, **__: SimpleNamespace(versions=3))
    monkeypatch.setattr(destroying.logs, "delete_cluster_log_groups", lambda *_, **__: None)
    monkeypatch.setattr(destroying, "_forget", lambda engine, record: engine.registry.remove(record))
    assert purge(engine, now=True).objects_deleted == 3
    assert running == ["the data is purged"]


@pytest.mark.parametrize("now", [False, True])
def test_a_purge_that_was_called_off_between_two_runs_is_parked_to_the_end(
    engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch, now: bool
) -> None:
    park = destroying.release

    def put_down(at_work: Engine, *_: Any, **__: Any) -> None:
        with records.working(at_work, records.spec_of(record(engine)), Phase.PARKING, done=Phase.PARKED):
            assert at_work.duty is not None
            at_work.duty.stop()
            at_work.check()

    # GIVEN a purge whose first run was put down while it parked the project
    monkeypatch.setattr(destroying, "release", put_down)
    with pytest.raises(OutOfTime):
        purge(engine, now=now)
    assert record(engine).phase is Phase.PARKING
    call_off(engine)
    # WHEN the next one goes on THEN nothing is left half parked, and what Lustre holds is exported
    monkeypatch.setattr(destroying, "release", park)
    with pytest.raises(PurgeCancelled):
        purge(engine, now=now)
    assert (running, record(engine).phase, record(engine).purge_at) == ([None], Phase.PARKED, None)


class Weather(BackendError):
    """What passes by itself."""

    retryable = True


@pytest.mark.parametrize(
    ("how", "then"),
    [
        ("marks", "Ask again once the project is parked"),
        ("at once", "deleted right after that"),
        ("due", "deleted right after that"),
    ],
)
def test_while_a_project_is_being_parked_keep_says_by_what_and_what_follows(
    engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch, how: str, then: str
) -> None:
    """Else the operation could not write down that it has parked the project. Who waits for that where the
    deletion follows comes too late."""
    told: list[str | None] = []

    def remove(at_work: Engine, *_: Any, **__: Any) -> None:
        assert at_work.duty is not None
        with pytest.raises(OperationInProgress, match=at_work.duty.operation.id) as refused:
            keep(engine, "lab", "proj")
        told.append(refused.value.hint)

    def too_late(*_: Any, **__: Any) -> Any:
        raise Weather("The deletion has begun.")

    monkeypatch.setattr(releasing, "_remove_cluster", remove)
    monkeypatch.setattr(destroying.buckets, "empty_bucket", too_late)
    if how == "due":
        make_due(engine)
    if how == "marks":
        assert purge(engine).purge_at is not None
        assert keep(engine, "lab", "proj").was_to_go
    else:
        with pytest.raises(Weather, match="has begun"):
            purge(engine, now=how == "at once")
    (hint,) = told
    assert hint is not None and then in hint


@pytest.mark.parametrize("trouble", ["in its middle", "at its end"])
def test_a_purge_that_was_called_off_is_parked_to_the_end_after_a_failure_too(
    engine: Engine,
    gateway: Gateway,
    running: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    """Else the cluster is gone, and Lustre costs on; or keys and address block stay."""
    handed_in: list[str] = []
    weather = iter([True])

    def give_back(at_work: Engine, given: ProjectRecord, _: Any) -> None:
        if trouble == "at its end" and next(weather, False):
            raise Weather("The subnet is shown still.")
        handed_in.append(given.project)

    def remove(*_: Any, **__: Any) -> None:
        if trouble == "in its middle" and next(weather, False):
            raise Weather("503")

    monkeypatch.setattr(releasing, "give_back", give_back)
    monkeypatch.setattr(releasing, "_remove_cluster", remove)
    # GIVEN a purge of which the worker's first run failed while it parked, for a moment
    confirmed = "purge_data=true&purge_now=true&confirm=lab%2Fproj"
    purging = gateway("DELETE", PROJECT, query=confirmed).body["operation"]["id"]
    assert work(engine, "lab/proj", purging, owner=engine.owner).state is State.CONTINUES
    assert record(engine).phase is Phase.FAILED
    assert keep(engine, "lab", "proj").was_to_go
    # WHEN the next one goes on
    ended = work(engine, "lab/proj", purging, owner=engine.owner)
    # THEN
    assert ended.failure is not None and ended.failure.code == "PURGE_CANCELLED"
    assert (record(engine).phase, handed_in) == (Phase.PARKED, ["lab/proj"])
    assert running == (["the data is purged"] if trouble == "at its end" else [None])


def test_what_was_put_down_before_the_keys_were_handed_in_is_parked_to_the_end(
    engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_in: list[str] = []

    def give_back(at_work: Engine, given: ProjectRecord, _: Any) -> None:
        if not handed_in:
            handed_in.append("put down")
            assert at_work.duty is not None
            at_work.duty.stop()
            at_work.check()
        handed_in.append(given.project)

    monkeypatch.setattr(releasing, "give_back", give_back)
    # GIVEN a state that holds only what stays, and a record that says PARKING
    with pytest.raises(OutOfTime):
        purge(engine, now=True)
    assert record(engine).phase is Phase.PARKING
    call_off(engine)
    with pytest.raises(PurgeCancelled):
        purge(engine, now=True)
    assert (record(engine).phase, handed_in) == (Phase.PARKED, ["put down", "lab/proj"])


def test_keep_says_that_lustre_was_being_given_up_without_an_export(
    engine: Engine, provisioner: Provisioner, running: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps the data must not take it for granted that files are there which went with it."""
    give_up = releasing.lustre.give_up

    def put_down(at_work: Engine, *_: Any, **__: Any) -> Export:
        assert at_work.duty is not None
        at_work.duty.stop()
        at_work.check()
        raise AssertionError

    # GIVEN a purge that was put down when its cluster was gone, and the file system's end asked for
    monkeypatch.setattr(releasing.lustre, "give_up", put_down)
    with pytest.raises(OutOfTime):
        purge(engine, now=True)
    # WHEN somebody keeps the data
    told = provisioner("keep", "lab/proj").ok().out
    # THEN
    assert "is kept" in told and f"{FILE_SYSTEM} was being given up without an export" in told
    assert "half parked: `provisioner release lab/proj`" in told
    # AND so do those who look later: nothing goes on with it
    assert record(engine).phase is Phase.FAILED
    assert "`provisioner release lab/proj`" in provisioner("status", "lab/proj").ok().out
    # AND what the next run finds of it is exported
    monkeypatch.setattr(releasing.lustre, "give_up", give_up)
    release(engine, "lab", "proj", approve=lambda _: None)
    assert (running, record(engine).phase) == ([None], Phase.PARKED)
    assert provisioner("keep", "lab/proj").ok().out == "The data of lab/proj was not to go.\n"


@pytest.mark.parametrize("first", ["keep", "the run"])
def test_either_the_run_or_the_person_learns_of_the_other(
    engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A run that was frozen until its lease was over goes on while somebody keeps the data."""
    kept: list[Kept] = []

    def somebody_keeps(at_work: Engine) -> None:
        monkeypatch.setattr(Standing, "held", lambda *_: False)
        kept.append(keep(engine, "lab", "proj"))

    if first == "keep":
        monkeypatch.setattr(releasing, "_remove_cluster", lambda at_work, *_, **__: somebody_keeps(at_work))
    else:
        note = Engine.note

        def noted(at_work: Engine, name: str, value: str) -> None:
            note(at_work, name, value)
            if value == FILE_SYSTEM:
                somebody_keeps(at_work)

        monkeypatch.setattr(Engine, "note", noted)
    with pytest.raises(EngineError):
        purge(engine, now=True)
    (told,) = kept
    assert told.was_to_go and told.lustre == ("" if first == "keep" else FILE_SYSTEM)
    assert "the data is purged" not in running


@pytest.fixture
def left(engine: Engine, running: list[str | None], monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a purge that its person left before it parked the project."""

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(destroying, "make_plan", interrupted)
        with pytest.raises(KeyboardInterrupt):
            purge(engine, now=True)
    purging = engine.operations.active("lab/proj")
    assert purging is not None and purging.state is State.CONTINUES
    return purging.id


def is_called_off(engine: Engine, purging: str) -> bool:
    ended = engine.operations.require("lab/proj", purging)
    assert (ended.state is State.FAILED) == (engine.operations.active("lab/proj") is None)
    return ended.failure is not None and ended.failure.code == "PURGE_CANCELLED"


def test_a_purge_that_was_left_bars_nobody_once_it_is_called_off(
    engine: Engine, left: str, gateway: Gateway
) -> None:
    assert gateway("PUT", PROJECT, body=EFS).code == "OPERATION_IN_PROGRESS"
    kept = keep(engine, "lab", "proj")
    assert kept == Kept(was_to_go=True, phase=Phase.READY) and is_called_off(engine, left)
    assert gateway("PUT", PROJECT, body=EFS).status == 202


def test_one_that_was_left_half_parked_bars_nobody_and_keep_says_who_parks_it(
    engine: Engine, running: list[str | None], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(releasing, "_remove_cluster", interrupted)
    with pytest.raises(KeyboardInterrupt):
        purge(engine, now=True)
    left = engine.operations.active("lab/proj")
    assert left is not None
    kept = keep(engine, "lab", "proj")
    assert kept == Kept(was_to_go=True, phase=Phase.FAILED, half_parked=True)
    assert is_called_off(engine, left.id)
    # AND the record no longer says to run that purge again
    told = record(engine).message
    assert "PURGE_CANCELLED" in told and "`provisioner release lab/proj`" in told and "again" not in told
    assert gateway("PUT", PROJECT, body=EFS).status == 202


def test_a_keep_that_died_half_way_is_run_again(engine: Engine, left: str) -> None:
    call_off(engine)
    assert not is_called_off(engine, left)
    assert not keep(engine, "lab", "proj").was_to_go
    assert is_called_off(engine, left)


def test_two_who_keep_the_data_at_once(engine: Engine, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_up, second = OperationStore.give_up, iter([True])

    def meanwhile(*args: Any, **more: Any) -> bool:
        if next(second, False):
            assert not keep(engine, "lab", "proj").was_to_go
        return give_up(*args, **more)

    monkeypatch.setattr(OperationStore, "give_up", meanwhile)
    assert keep(engine, "lab", "proj").was_to_go
    assert is_called_off(engine, left)


@pytest.mark.parametrize("when", ["before keep says so", "after"])
def test_a_run_that_begins_while_the_data_is_kept_ends_as_called_off(
    engine: Engine, left: str, running: list[str | None], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    owner = replace(engine.owner, name="another")
    claimed: list[Any] = []

    def claim() -> None:
        now = engine.now()
        claimed.append(engine.operations.claim("lab/proj", left, owner, now=now, ttl=engine.lease_ttl))

    write = Registry.replace

    def replaced(*args: Any, **more: Any) -> ProjectRecord:
        if when == "before keep says so":
            claim()
        written = write(*args, **more)
        if when == "after":
            claim()
        return written

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "replace", replaced)
        assert keep(engine, "lab", "proj").at_work
    # THEN keep has ended nothing under that run
    ((lease, operation),) = claimed
    engine.operations.hand_over(lease, operation)
    with pytest.raises(PurgeCancelled):
        purge(engine, now=True)
    assert is_called_off(engine, left) and (running, record(engine).phase) == ([], Phase.READY)


def call_off(engine: Engine) -> None:
    """As `keep` did, whose process died then."""
    purging = engine.operations.active("lab/proj")
    assert purging is not None
    engine.registry.replace(record(engine), now=engine.now(), purge_at=None, called_off=purging.id)


@pytest.fixture
def half_deleted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A project whose bucket was emptied, and whose home AWS did not let go."""
    purge(engine)
    make_due(engine)
    plan_nothing(monkeypatch)
    emptied = SimpleNamespace(versions=3)
    monkeypatch.setattr(destroying.buckets, "empty_bucket", lambda *_, **__: emptied)
    monkeypatch.setattr(destroying.logs, "delete_cluster_log_groups", _mount_target_stands)
    with pytest.raises(BackendError, match="mount target stands"):
        purge(engine)
    return engine


def _mount_target_stands(*_: Any, **__: Any) -> None:
    raise BackendError("The home was not deleted: a mount target stands.")


def test_a_deletion_that_failed_half_way_is_not_forgotten(
    half_deleted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = half_deleted
    left = record(engine)
    assert left.phase is Phase.DESTROYING and "mount target stands" in left.message
    # THEN nobody is told that the data is kept, and nothing is made or parked in its place
    spec = records.spec_of(left)
    for other in (
        lambda: keep(engine, "lab", "proj"),
        lambda: plan(engine, spec),
        lambda: release(engine, "lab", "proj", approve=lambda _: None),
    ):
        with pytest.raises(DataAtRisk, match="being deleted already"):
            other()
    with (
        pytest.raises(DataAtRisk),
        records.working(engine, spec, Phase.APPLYING, done=Phase.READY),
    ):
        pass
    # AND whatever has become of the mark, the same command goes on with the deletion
    engine.registry.replace(record(engine), now=engine.now(), purge_at=None)
    monkeypatch.setattr(destroying.logs, "delete_cluster_log_groups", lambda *_, **__: None)
    monkeypatch.setattr(destroying, "_forget", lambda engine, record: engine.registry.remove(record))
    assert purge(engine).objects_deleted == 3
    assert engine.registry.get("lab", "proj") is None


def test_the_clock_asks_for_a_deletion_that_failed_half_way_without_a_mark_too(
    half_deleted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_deleted.registry.replace(record(half_deleted), now=half_deleted.now(), purge_at=None)
    (sent,) = Worker(half_deleted).by_the_clock("sweep", Lambda())["sent"]
    # AND it is carried out, once AWS lets go
    monkeypatch.setattr(destroying.logs, "delete_cluster_log_groups", lambda *_, **__: None)
    monkeypatch.setattr(destroying, "_forget", lambda engine, record: engine.registry.remove(record))
    assert work(half_deleted, "lab/proj", sent, owner=half_deleted.owner).state is State.SUCCEEDED
    assert half_deleted.registry.get("lab", "proj") is None


def test_a_person_is_told_that_a_deletion_failed_half_way(
    half_deleted: Engine, provisioner: Provisioner
) -> None:
    shown = provisioner("status", "lab/proj").ok().out
    assert "mount target stands" in shown and "destroy lab/proj --purge-data` brings" in shown
    provisioner("destroy", "lab/proj", "--confirm", "lab/proj").refused(3, "being deleted already")
    provisioner("keep", "lab/proj").refused(3, "being deleted already")
    half = record(half_deleted)
    half_deleted.registry.replace(half, now=half_deleted.now(), purge_at=None)
    # What is to be typed is for what happens: now, not in seven days
    provisioner("destroy", "lab/proj", "--purge-data").refused(3, "for good, with every file")


def test_over_the_api_a_deletion_that_failed_half_way_leaves_only_the_deletion(
    half_deleted: Engine, gateway: Gateway
) -> None:
    for asked in (gateway("PUT", PROJECT, body=EFS), gateway("DELETE", PROJECT)):
        assert (asked.status, asked.code) == (409, "DATA_AT_RISK")
    confirmed = "purge_data=true&confirm=lab%2Fproj"
    assert gateway("DELETE", PROJECT, query=confirmed).status == 202
    # While that is under way it is what a caller is told of, as any other wish
    told = gateway("PUT", PROJECT, body=EFS)
    assert (told.status, told.code) == (409, "OPERATION_IN_PROGRESS")


def test_emptying_a_large_bucket_is_put_down_in_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 takes a thousand objects at a time; millions outlast a run of the worker."""
    batches: list[int] = []

    def empty(*_: Any, on_progress: Callable[[Any], None], **__: Any) -> Any:
        for number in range(100):
            batches.append(number)
            time.sleep(0.2)
            on_progress(number)

    plan_nothing(monkeypatch)
    monkeypatch.setattr(destroying.buckets, "empty_bucket", empty)
    with pytest.raises(OutOfTime):
        destroy(engine, "lab", "proj", purge_data=True, purge_now=True, approve=lambda _: None, within_s=3.0)
    assert 1 <= len(batches) < 50
    left = engine.operations.active("lab/proj")
    assert left and left.state is State.CONTINUES and record(engine).phase is Phase.DESTROYING


class _Planned:
    has_changes = False
    review = None


def plan_nothing(monkeypatch: pytest.MonkeyPatch, plan: Callable[..., Any] | None = None) -> None:
    """A purge without Terraform."""
    monkeypatch.setattr(destroying, "require_sound", lambda *_: None)
    monkeypatch.setattr(destroying.recovery, "take_in", lambda *_, **__: ())
    monkeypatch.setattr(destroying, "read_state", lambda *_: None)
    monkeypatch.setattr(destroying, "instances", lambda _: [])
    monkeypatch.setattr(destroying, "refuse_data_loss", lambda *_, **__: None)
    monkeypatch.setattr(destroying, "make_plan", plan or (lambda *_, **__: _Planned()))


def test_the_clock_asks_for_what_is_due_once(engine: Engine, desk: Desk) -> None:
    worker = Worker(engine)
    purge(engine)
    assert worker.by_the_clock("sweep", Lambda()) == {"sent": []}

    make_due(engine)
    (sent,) = worker.by_the_clock("sweep", Lambda())["sent"]
    # Another look before a worker has taken it up: the same operation.
    assert worker.by_the_clock("sweep", Lambda()) == {"sent": [sent]}

    message = desk.queue.receive()
    assert message and read_task(message.body).operation_id == sent
    desk.queue.finish(message)
    operation = desk.store.require("lab/proj", sent)
    assert (operation.wish.kind, operation.wish.purge_data, operation.wish.purge_now) == (
        Kind.DESTROY,
        True,
        False,
    )
    assert operation.state is State.QUEUED
    # AND again when its worker died two days ago, and its message is lost
    then = engine.now() - timedelta(days=2)
    lease, running = desk.store.claim("lab/proj", sent, engine.owner, now=then, ttl=timedelta(minutes=1))
    desk.store.write(lease, replace(running, created_at=then, updated_at=then))
    assert worker.by_the_clock("sweep", Lambda()) == {"sent": [sent]}


@pytest.mark.parametrize(
    ("left", "days", "gives_way"),
    [(Kind.RELEASE, 2, True), (Kind.RELEASE, 0, False), (Kind.PROVISION, 2, False)],
)
def test_what_was_left_bars_no_purge_for_ever(
    engine: Engine, desk: Desk, log: io.StringIO, left: Kind, days: int, gives_way: bool
) -> None:
    purge(engine)
    make_due(engine)
    spec_json = record(engine).spec_json if left is Kind.PROVISION else ""
    begun = requested(
        vlab_id="lab",
        project_id="proj",
        wish=Wish(left, spec_json),
        requested_by="ada@host",
        now=engine.now() - timedelta(days=days),
    )
    desk.store.submit(begun)

    sent = Worker(engine).by_the_clock("sweep", Lambda())["sent"]

    assert (desk.store.require("lab/proj", begun.id).state is State.FAILED) is gives_way
    assert bool(sent) is gives_way
    # Who looks into the log learns why the data stays
    assert ("stays for now" in log.getvalue() and begun.id in log.getvalue()) is not gives_way


@pytest.mark.parametrize("interface", ["clean", "old"])
def test_a_project_that_is_wanted_again_keeps_its_data_though_its_plan_fails(
    engine: Engine, gateway: Gateway, interface: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge(engine)

    def refused(*_: Any, **__: Any) -> None:
        raise RequestError("no such plan")

    monkeypatch.setattr("engine.operations.work.provision", refused)
    if interface == "clean":
        assert gateway("PUT", PROJECT, body=EFS).status == 202
    else:
        query = "vlab_id=lab&project_id=proj&include_lustre=false"
        assert gateway("POST", "/hpc-provisioner/pcluster", query=query).status == 200
    asked = engine.operations.active("lab/proj")
    assert asked is not None
    assert work(engine, "lab/proj", asked.id, owner=engine.owner).state is State.FAILED

    assert record(engine).purge_at is None


def test_over_the_api(engine: Engine, gateway: Gateway) -> None:
    purge(engine)
    told = gateway("GET", PROJECT).body["project"]
    assert told["purge_at"] == record(engine).purge_at.isoformat()  # type: ignore[union-attr]
    refused = gateway("DELETE", PROJECT, query="purge_now=true&confirm=lab%2Fproj")
    assert (refused.status, refused.code) == (400, "INVALID_REQUEST")
    asked = gateway("DELETE", PROJECT, query="purge_data=true&purge_now=true&confirm=lab%2Fproj")
    assert asked.body["operation"]["wish"]["purge_now"] is True
