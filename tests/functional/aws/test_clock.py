"""Machines whose clocks are minutes off: leases go by AWS's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.aws.clock import AwsClock
from engine.aws.session import Cloud
from engine.errors import OperationInProgress
from engine.model.operation import Kind, Owner, Wish, requested
from engine.model.settings import Settings
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine
from engine.operations.reporting import Silent
from tests.functional.aws.conftest import REGION
from tests.functional.conftest import make_table

PROJECT = "lab-1/proj-1"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def cloud_off_by(**off: float) -> Cloud:
    return Cloud(region=REGION, clock=lambda: datetime.now(UTC) + timedelta(**off))


def machine(name: str, tmp_path: Path, **off: float) -> Engine:
    """An engine on a machine whose clock is off by so much, and whose processes no other one sees."""
    cloud = cloud_off_by(**off)
    return Engine(
        settings=Settings(registry_table="registry"),
        cloud=cloud,
        now=cloud.now,
        environ={},
        home=tmp_path,
        workspaces=tmp_path,
        reporter=Silent(),
        owner=Owner("process", f"anna@{name}", {"boot": name, "pids": name}),
    )


@pytest.fixture(autouse=True)
def table(cloud: Cloud) -> None:
    make_table(cloud, "registry", "pk", "sk")


@pytest.mark.parametrize(
    ("mine", "theirs"), [(0, 2), (-2, 0), (0, -2), (2, 0)], ids=lambda minutes: f"{minutes:+} min"
)
def test_a_living_run_is_not_superseded_whatever_the_clocks_say(
    mine: float, theirs: float, tmp_path: Path
) -> None:
    here, there = machine("here", tmp_path, minutes=mine), machine("there", tmp_path, minutes=theirs)
    with carrying_out(here, "lab-1", "proj-1", Wish(Kind.RELEASE)) as at_work:
        # Another wish gives up what nobody works on; the same wish goes on with it.
        for wish in (Wish(Kind.DESTROY), Wish(Kind.RELEASE)):
            with pytest.raises(OperationInProgress), carrying_out(there, "lab-1", "proj-1", wish):
                pass
        at_work.check_owned()


@pytest.mark.parametrize("minutes", [-2, 2])
def test_the_lease_of_a_dead_run_is_over_after_its_time(minutes: float, cloud: Cloud, tmp_path: Path) -> None:
    dead, next_one = machine("dead", tmp_path, minutes=minutes), machine("next", tmp_path)
    wished = requested(
        vlab_id="lab-1",
        project_id="proj-1",
        wish=Wish(Kind.RELEASE),
        requested_by="anna",
        now=dead.now(),
    )
    dead.operations.submit(wished)
    dead.operations.claim(PROJECT, wished.id, dead.owner, now=dead.now(), ttl=timedelta(seconds=60))
    standing = next_one.operations.standing(PROJECT)
    assert standing.held(datetime.now(UTC) + timedelta(seconds=50))
    assert not standing.held(datetime.now(UTC) + timedelta(seconds=70))


def test_every_client_of_a_cloud_sets_its_clock_right_and_refusals_do_too(cloud: Cloud) -> None:
    behind = cloud_off_by(minutes=-4)
    assert _off_s(behind) < -200
    with pytest.raises(behind.dynamodb.exceptions.ResourceNotFoundException):
        behind.dynamodb.get_item(TableName="none", Key={"pk": {"S": "x"}})
    assert abs(_off_s(behind)) < 5
    ahead = cloud_off_by(minutes=4)
    ahead.impatient().sts.get_caller_identity()
    assert abs(_off_s(ahead)) < 5


def test_a_clock_that_is_right_stays_as_it_is(cloud: Cloud) -> None:
    cloud.sts.get_caller_identity()
    assert abs(_off_s(cloud)) < 0.1


def _off_s(cloud: Cloud) -> float:
    return (cloud.now() - datetime.now(UTC)).total_seconds()


class Wire:
    """Answers of AWS as botocore tells of them. machine: what the clock of this one says."""

    def __init__(self) -> None:
        self.machine = NOON
        self.clock = AwsClock(lambda: self.machine)

    def answer(self, date: str | None, *, after: timedelta = timedelta(0)) -> None:
        request = SimpleNamespace(context={})
        self.clock._asked(request=request)
        self.machine += after
        headers = {} if date is None else {"date": date}
        self.clock._answered(
            parsed_response={"ResponseMetadata": {"HTTPHeaders": headers}}, context=request.context
        )


def test_an_answer_that_waited_while_this_process_stood_still_says_nothing() -> None:
    wire = Wire()
    wire.answer("Mon, 30 Nov 2026 12:00:00 GMT", after=timedelta(minutes=3))
    assert wire.clock.now() == wire.machine


def test_a_clock_that_was_set_right_meanwhile_is_noticed_with_the_next_answer() -> None:
    wire = Wire()
    wire.answer("Mon, 30 Nov 2026 12:05:00 GMT")
    assert wire.clock.now() >= NOON + timedelta(minutes=5, seconds=-2)
    wire.machine = NOON + timedelta(minutes=5)
    wire.answer("Mon, 30 Nov 2026 12:05:00 GMT")
    assert wire.clock.now() <= NOON + timedelta(minutes=5, seconds=2)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 30 Nov 2026 12:05:00 -0000"])
def test_an_answer_without_a_time_changes_nothing(date: str | None) -> None:
    wire = Wire()
    wire.answer(date)
    assert wire.clock.now() == NOON
