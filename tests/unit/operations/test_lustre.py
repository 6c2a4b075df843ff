"""When a Lustre file system may go: after a whole export, a waiver, or when it is going already."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.exports import ExportStatus
from engine.errors import ClusterError, DataAtRisk, OperationInProgress
from engine.model.names import names_for
from engine.operations import lustre
from engine.operations.reporting import Silent

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
FS = "fs-0123456789abcdef0"


def task(task_id: str, *, failed: int = 0, lifecycle: str = "SUCCEEDED") -> ExportStatus:
    """An export of seven files that came to its end."""
    return ExportStatus(
        task_id=task_id,
        file_system_id=FS,
        paths=("/project/private",),
        lifecycle=lifecycle,
        total_count=7,
        succeeded_count=7 - failed,
        failed_count=failed,
        created_at=datetime(2026, 5, 1, tzinfo=UTC),
        ended_at=datetime(2026, 5, 1, 1, tzinfo=UTC),
    )


PROVES_NOTHING = pytest.mark.parametrize(
    "known", [{"task-1": task("task-1", failed=1)}, {}], ids=["a file missed", "forgotten"]
)


@pytest.fixture
def engine() -> Any:
    notes: dict[str, str] = {}
    return SimpleNamespace(
        cloud=None,
        reporter=Silent(),
        settings=SimpleNamespace(cloud="local"),
        check=lambda: None,
        pause=lambda seconds: None,
        now=lambda: datetime(2026, 5, 1, tzinfo=UTC),
        note=notes.__setitem__,
        noted=lambda name: notes.get(name, ""),
    )


@pytest.fixture
def fsx(mocker) -> Any:
    """FSx as the operation sees it: gone as soon as its deletion is asked for."""
    state = SimpleNamespace(
        lifecycle="AVAILABLE", links=["link"], exports=[], tasks={}, deleted=[], unfinished=[], updating=0
    )

    def is_updating(*_: Any) -> bool:
        state.updating -= 1
        if state.updating == 0:
            state.lifecycle = "AVAILABLE"
        return state.updating > 0

    def delete(_cloud: Any, file_system_id: str) -> None:
        assert not state.unfinished, "FSx deletes no file system with a task that has not ended"
        state.deleted.append(file_system_id)
        state.lifecycle = None

    outside = "engine.operations.lustre.filesystems"
    mocker.patch(f"{outside}.lustre_lifecycle", side_effect=lambda *_: state.lifecycle)
    mocker.patch(f"{outside}.lustre_is_updating", side_effect=is_updating)
    mocker.patch(f"{outside}.list_links", side_effect=lambda *_: list(state.links))
    mocker.patch(f"{outside}.delete_link", side_effect=lambda *_: state.links.clear())
    mocker.patch(f"{outside}.delete_lustre", side_effect=delete)
    tasks = "engine.operations.lustre.exports"
    mocker.patch(f"{tasks}.list_exports", side_effect=lambda *_: state.exports)
    mocker.patch(f"{tasks}.unfinished_tasks", side_effect=lambda *_: list(state.unfinished))
    mocker.patch(f"{tasks}.find_export", side_effect=lambda _, task_id: state.tasks.get(task_id))
    mocker.patch(f"{tasks}.export_status", side_effect=lambda _, task_id: state.tasks[task_id])
    state.start = mocker.patch(f"{tasks}.start_export", side_effect=AssertionError("no export expected"))
    state.links = [SimpleNamespace(id="dra-1", lifecycle="AVAILABLE", exports=())]
    return state


@pytest.mark.parametrize("lifecycle", ["CREATING", "MISCONFIGURED", "FAILED"])
def test_what_cannot_be_exported_stays(engine: Any, fsx: Any, lifecycle: str) -> None:
    fsx.lifecycle = lifecycle
    with pytest.raises(DataAtRisk, match=lifecycle):
        lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert fsx.deleted == []
    assert fsx.links, "a link was cut"


def test_what_fsx_is_updating_is_exported_when_that_is_done(engine: Any, fsx: Any) -> None:
    fsx.lifecycle, fsx.updating = "UPDATING", 3
    fsx.start.side_effect = lambda *_, **__: "task-1"
    fsx.tasks["task-1"] = task("task-1")
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-1", 7)
    assert fsx.deleted == [FS]


def test_a_waiver_lets_it_go_whatever_its_state(engine: Any, fsx: Any) -> None:
    fsx.lifecycle = "MISCONFIGURED"
    assert lustre.give_up(engine, NAMES, FS, skip_export="scratch only").waived == "scratch only"
    assert fsx.deleted == [FS]


def test_without_links_a_person_is_told_of_the_last_export(engine: Any, fsx: Any) -> None:
    # GIVEN a file system whose links were cut, by an interrupted release or by somebody
    fsx.links.clear()
    fsx.exports = [
        SimpleNamespace(succeeded=False, task_id="task-2", succeeded_count=0),
        SimpleNamespace(succeeded=True, task_id="task-1", succeeded_count=7),
    ]
    # WHEN it is released THEN it stays, and the export that was made is named
    with pytest.raises(DataAtRisk, match="task-1, 7 files") as refused:
        lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert fsx.deleted == []
    # AND both ways on
    assert "An apply links it again" in refused.value.hint and "--skip-export" in refused.value.hint


def test_the_export_of_an_earlier_run_lets_it_go_when_that_run_has_cut_the_links(
    engine: Any, fsx: Any
) -> None:
    # GIVEN a release that was killed between its links and its file system
    fsx.links.clear()
    engine.note("lustre_export", f"{FS} task-1")
    fsx.tasks["task-1"] = task("task-1")
    # WHEN it goes on THEN no person is asked
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-1", 7)
    assert fsx.deleted == [FS]


@PROVES_NOTHING
def test_without_links_an_export_must_be_known_to_be_whole(
    engine: Any, fsx: Any, known: dict[str, ExportStatus]
) -> None:
    fsx.links.clear()
    engine.note("lustre_export", f"{FS} task-1")
    fsx.tasks = known
    with pytest.raises(DataAtRisk):
        lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert fsx.deleted == []


@PROVES_NOTHING
def test_an_export_of_an_earlier_run_that_proves_nothing_is_repeated(
    engine: Any, fsx: Any, known: dict[str, ExportStatus]
) -> None:
    # GIVEN a release that went on after weeks, when FSx may know nothing of its export any more
    engine.note("lustre_export", f"{FS} task-1")
    fsx.tasks = {**known, "task-2": task("task-2")}
    fsx.start.side_effect = ["task-2"]
    # WHEN it goes on THEN it exports again
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-2", 7)
    assert engine.noted("lustre_export") == f"{FS} task-2"


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (task("task-2", lifecycle="FAILED"), ClusterError),
        (task("task-2", lifecycle="CANCELED"), ClusterError),
        (task("task-2", failed=1), DataAtRisk),
    ],
    ids=["failed", "canceled", "a file missed"],
)
def test_an_export_that_did_not_reach_s3_whole_keeps_the_file_system(
    engine: Any, fsx: Any, end: ExportStatus, error: type[Exception]
) -> None:
    fsx.start.side_effect, fsx.tasks = ["task-2"], {"task-2": end}
    with pytest.raises(error, match="task-2"):
        lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert fsx.deleted == []
    assert fsx.links, "a link was cut"


def test_an_export_of_this_operation_that_is_at_work_is_waited_for_and_not_begun_twice(
    engine: Any, fsx: Any
) -> None:
    engine.note("lustre_export", f"{FS} task-1")
    fsx.tasks["task-1"] = task("task-1", lifecycle="EXECUTING")
    engine.pause = lambda _seconds: fsx.tasks.update({"task-1": task("task-1")})
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-1", 7)


def test_an_export_of_another_file_system_proves_nothing(engine: Any, fsx: Any) -> None:
    # GIVEN the note of one that was replaced since
    engine.note("lustre_export", "fs-0fedcba9876543210 task-1")
    fsx.tasks = {"task-1": task("task-1"), "task-2": task("task-2")}
    fsx.start.side_effect = ["task-2"]
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-2", 7)
    assert engine.noted("lustre_export") == f"{FS} task-2"


def test_an_import_that_is_at_work_is_waited_for_before_the_export(engine: Any, fsx: Any) -> None:
    # GIVEN an import of an hour and a half, while which FSx takes no other task
    waited: list[float] = []

    def time_passes(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2000:
            fsx.unfinished.clear()

    def start(*_: Any, **__: Any) -> str:
        if fsx.unfinished:
            raise OperationInProgress("Another data task is at work.")
        return "task-1"

    engine.pause, fsx.unfinished = time_passes, ["task-0"]
    fsx.start.side_effect, fsx.tasks = start, {"task-1": task("task-1")}
    # WHEN the file system is given up THEN its end is waited for, and the export made once
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export("task-1", 7)
    assert len(waited) >= 2000 and fsx.deleted == [FS]


def test_a_refusal_that_no_listing_explains_is_paused_for(engine: Any, fsx: Any) -> None:
    # GIVEN FSx's listing, which is behind for a moment
    waited: list[float] = []
    engine.pause = waited.append
    busy = OperationInProgress("Another data task is at work.")
    fsx.start.side_effect, fsx.tasks = [busy, busy, "task-1"], {"task-1": task("task-1")}
    # WHEN the file system is given up THEN FSx is not asked without a pause
    lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert len(waited) == 2


def test_a_waiver_waits_for_the_tasks_that_are_at_work(engine: Any, fsx: Any) -> None:
    fsx.unfinished = ["task-0"]
    engine.pause = lambda _seconds: fsx.unfinished.clear()
    lustre.give_up(engine, NAMES, FS, skip_export="scratch only")
    assert fsx.deleted == [FS]


def test_what_is_going_already_is_waited_for_and_not_asked_again(engine: Any, fsx: Any, mocker) -> None:
    # GIVEN a release that was killed after it had asked FSx to delete both
    fsx.lifecycle, fsx.links = "DELETING", [SimpleNamespace(id="dra-1", lifecycle="DELETING")]
    cut = mocker.patch("engine.operations.lustre.filesystems.delete_link")

    def time_passes(_seconds: float) -> None:
        fsx.lifecycle = None if not fsx.links else fsx.lifecycle
        fsx.links.clear()

    engine.pause = time_passes
    # WHEN it goes on THEN it waits until both are gone
    lustre.give_up(engine, NAMES, FS, skip_export=None)
    assert (fsx.lifecycle, fsx.links) == (None, [])
    assert fsx.deleted == [] and not cut.called


def test_one_that_is_gone_is_fine(engine: Any, fsx: Any) -> None:
    fsx.lifecycle = None
    assert lustre.give_up(engine, NAMES, FS, skip_export=None) == lustre.Export()
    assert fsx.deleted == []


def test_automatic_export_is_off_before_the_export_begins(engine: Any, fsx: Any, mocker: Any) -> None:
    # GIVEN a link that writes to S3 by itself, one that does not, and FSx, which takes a while
    writing = SimpleNamespace(id="dra-2", lifecycle="AVAILABLE", exports=("NEW",))
    fsx.links.append(writing)
    told: list[str] = []

    def stop(_cloud: Any, link: Any) -> None:
        told.append(link.id)
        link.lifecycle, link.exports = "UPDATING", ()

    def pause(_seconds: float) -> None:
        writing.lifecycle = "AVAILABLE"

    def start(*_: Any, **__: Any) -> str:
        assert (writing.lifecycle, writing.exports) == ("AVAILABLE", ())
        fsx.tasks["task-1"] = task("task-1")
        return "task-1"

    mocker.patch("engine.operations.lustre.filesystems.stop_auto_export", side_effect=stop)
    engine.pause = pause
    fsx.start.side_effect = start
    # WHEN it is given up THEN the export begins when that is done, and only what writes is asked to stop
    assert lustre.give_up(engine, NAMES, FS, skip_export=None).files == 7
    assert told == ["dra-2"]
    assert fsx.deleted == [FS]


def test_a_link_that_fsx_is_changing_is_waited_for(engine: Any, fsx: Any) -> None:
    # GIVEN a link whose automatic export an earlier run has turned off just now
    (link,) = fsx.links
    link.lifecycle = "UPDATING"

    def pause(_seconds: float) -> None:
        link.lifecycle = "AVAILABLE"

    def start(*_: Any, **__: Any) -> str:
        assert link.lifecycle == "AVAILABLE"
        return "task-1"

    engine.pause, fsx.start.side_effect, fsx.tasks = pause, start, {"task-1": task("task-1")}
    assert lustre.give_up(engine, NAMES, FS, skip_export=None).files == 7


@pytest.mark.parametrize("lifecycle", ["MISCONFIGURED", "FAILED", "DELETING"])
def test_a_link_that_is_broken_does_not_hold_the_export_up(
    engine: Any, fsx: Any, mocker: Any, lifecycle: str
) -> None:
    # GIVEN a link that would write to S3 and cannot: FSx would never turn that off
    fsx.links.append(SimpleNamespace(id="dra-2", lifecycle=lifecycle, exports=("NEW",)))
    stop = mocker.patch("engine.operations.lustre.filesystems.stop_auto_export")
    engine.pause = mocker.Mock(side_effect=AssertionError("nothing is waited for"))
    fsx.start.side_effect, fsx.tasks = ["task-1"], {"task-1": task("task-1")}
    # THEN the export begins at once, and says what is wrong, if anything is
    assert lustre.give_up(engine, NAMES, FS, skip_export=None).files == 7
    assert not stop.called
