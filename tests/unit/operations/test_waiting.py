"""A wait for AWS lasts an hour at most, that for an update of Lustre two, over all runs of its operation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.clusters import ClusterStatus
from engine.errors import ClusterError, OutOfTime, SharedGroundBusy
from engine.model.names import names_for
from engine.model.settings import Settings
from engine.operations import adopt, lustre, planning, repair
from engine.operations.reporting import Silent

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
SLICE = timedelta(minutes=15)


class Operation:
    """An operation whose runs take a slice of time each; it notes nothing where there is `no_duty`."""

    def __init__(self, *, no_duty: bool = False) -> None:
        self.time = datetime(2026, 5, 1, tzinfo=UTC)
        self.notes: dict[str, str] = {}
        self._no_duty = no_duty

    def run(self) -> Any:
        """The engine of one run."""
        ends = self.time + SLICE if not self._no_duty else datetime.max.replace(tzinfo=UTC)

        def pause(seconds: float) -> None:
            self.time += timedelta(seconds=max(seconds, 60))
            if self.time >= ends:
                raise OutOfTime("The time of this run is up.")

        return SimpleNamespace(
            cloud=None,
            reporter=Silent(),
            settings=Settings(cloud="aws", account_id="123456789012"),
            check=lambda: None,
            now=lambda: self.time,
            pause=pause,
            note=(lambda *_: None) if self._no_duty else self._note,
            noted=lambda name: self.notes.get(name, ""),
        )

    def _note(self, name: str, value: str) -> None:
        self.notes[name] = value


def cluster(engine: Any) -> None:
    repair.settled_cluster(engine, NAMES)


def sweep(engine: Any) -> None:
    adopt.Sweep(engine, NAMES, runner=None)._settled([], {})  # type: ignore[arg-type]


def file_system(engine: Any) -> None:
    lustre.give_up(engine, NAMES, "fs-1", skip_export="scratch only")


def update(engine: Any) -> None:
    state = {
        "resources": [
            {
                "mode": "managed",
                "module": "module.fsx[0]",
                "type": "aws_fsx_lustre_file_system",
                "name": "this",
                "instances": [{"attributes": {"id": "fs-1"}}],
            }
        ]
    }
    lustre.await_update(engine, NAMES, state)


def ground(engine: Any) -> None:
    planning.Ground().check_shared(engine)


@pytest.fixture
def aws(mocker) -> Any:
    """AWS is at work on everything until `done` is set."""
    state = SimpleNamespace(done=False)

    def look(*_: Any) -> ClusterStatus:
        status = "CREATE_COMPLETE" if state.done else "CREATE_IN_PROGRESS"
        return ClusterStatus(NAMES.cluster, status, status, status, None, None)

    mocker.patch.object(repair, "look_at_cluster", side_effect=look)
    thing = SimpleNamespace(life=adopt.Life.IN_PROGRESS), SimpleNamespace(address="module.fsx[0].x.this")
    mocker.patch.object(
        adopt, "find_existing", side_effect=lambda *_: [] if state.done else [(thing[1], thing[0])]
    )
    mocker.patch.object(adopt.Sweep, "_search", return_value=SimpleNamespace(known=[]))
    mocker.patch.object(adopt.Sweep, "_any_moves", side_effect=lambda *_: not state.done)
    mocker.patch.object(lustre.exports, "unfinished_tasks", return_value=[])
    mocker.patch.object(lustre.filesystems, "list_links", return_value=[])
    mocker.patch.object(lustre.filesystems, "lustre_is_updating", side_effect=lambda *_: not state.done)
    gone = mocker.patch.object(lustre.filesystems, "lustre_lifecycle")
    gone.side_effect = lambda *_: None if state.done else "DELETING"

    def find(*_: Any, **__: Any) -> Any:
        if not state.done:
            raise SharedGroundBusy("The accounting database is in maintenance for more than an hour.")
        return SimpleNamespace(accounting_awake=True)

    mocker.patch.object(planning, "find_shared_ground", side_effect=find)
    return state


WAITS = pytest.mark.parametrize("wait", [cluster, sweep, file_system, ground])


@WAITS
def test_what_aws_never_finishes_ends_the_operation(aws: Any, wait: Any) -> None:
    operation = Operation()
    began = operation.time
    for _ in range(4):
        with pytest.raises(OutOfTime):
            wait(operation.run())
    with pytest.raises((ClusterError, SharedGroundBusy), match="hour"):
        wait(operation.run())
    assert operation.time - began < timedelta(minutes=75)


def test_an_update_of_lustre_may_take_two_hours(aws: Any) -> None:
    operation = Operation()
    began = operation.time
    for _ in range(8):
        with pytest.raises(OutOfTime):
            update(operation.run())
    with pytest.raises(ClusterError, match="two hours"):
        update(operation.run())
    assert operation.time - began < timedelta(minutes=135)


@pytest.mark.parametrize("wait", [cluster, sweep, update, ground])
def test_a_later_wait_begins_anew(aws: Any, wait: Any) -> None:
    # GIVEN a wait of some runs that came to its end
    operation = Operation()
    for _ in range(3):
        with pytest.raises(OutOfTime):
            wait(operation.run())
    aws.done = True
    wait(operation.run())
    assert not any(operation.notes.values())

    # WHEN the same thing is waited for once more THEN it has its hour again
    aws.done = False
    for _ in range(4):
        with pytest.raises(OutOfTime):
            wait(operation.run())


def test_who_only_looks_does_not_wait_for_the_shared_ground(aws: Any) -> None:
    command = Operation(no_duty=True)
    began = command.time
    with pytest.raises(SharedGroundBusy):
        planning.Ground(waits=False).check_shared(command.run())
    assert command.time == began


@WAITS
def test_without_an_operation_the_one_process_waits_its_hour(aws: Any, wait: Any) -> None:
    command = Operation(no_duty=True)
    began = command.time
    with pytest.raises((ClusterError, SharedGroundBusy), match="hour"):
        wait(command.run())
    assert timedelta(hours=1) < command.time - began < timedelta(minutes=62)
