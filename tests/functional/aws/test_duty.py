"""A run's duty: renewed while it lasts, put down in time, and nothing written after it was lost.

And how the run ends is how its operation ends, or goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.operation_store import OperationStore
from engine.aws.session import Cloud
from engine.errors import DataAtRisk, LeaseLost, OutOfTime, Unreachable
from engine.model.operation import Event, Kind, Operation, Owner, State, Wish, requested, succeeded
from engine.operations.carry import on_duty
from engine.operations.duty import Duty, Telling
from engine.operations.reporting import Silent
from engine.terraform import events
from tests.functional.conftest import make_table

PROJECT = "lab-1/proj-1"
ANNA, BERT = Owner("process", "anna@host", {}), Owner("process", "bert@host", {})
# A renewal that takes as long as this is too late, also on a busy machine.
TTL = timedelta(seconds=2)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store(cloud: Cloud) -> Iterator[OperationStore]:
    make_table(cloud, "registry", "pk", "sk")
    yield OperationStore(cloud, "registry")


@pytest.fixture
def interrupts() -> list[float]:
    return []


@pytest.fixture
def duty_of(store: OperationStore, interrupts: list[float]) -> Callable[..., Duty]:
    def make(owner: Owner = ANNA, **more: Any) -> Duty:
        wished = requested(
            vlab_id="lab-1", project_id="proj-1", wish=Wish(Kind.RELEASE), requested_by="ada", now=now()
        )
        operation = store.submit(wished).operation
        lease, operation = store.claim(PROJECT, operation.id, owner, now=now(), ttl=TTL)
        given: dict[str, Any] = {"ttl": TTL, "margin_s": 0, **more}
        return Duty(
            store,
            lease,
            operation,
            now=now,
            interrupt=lambda: interrupts.append(time.monotonic()),
            **given,
        )

    return make


def test_the_lease_is_renewed_while_the_work_lasts(store: OperationStore, duty_of: Any) -> None:
    duty = duty_of()
    with duty.kept():
        duty.pause(2 * TTL.total_seconds())
        assert store.standing(PROJECT).held(now())
    time.sleep(1.5 * TTL.total_seconds())
    assert not store.standing(PROJECT).held(now())


def test_at_the_deadline_terraform_is_stopped_once_and_nothing_is_begun(
    duty_of: Any, interrupts: list[float]
) -> None:
    deadline = time.monotonic() + 6
    duty = duty_of(deadline=deadline, margin_s=3)
    with duty.kept():
        duty.check()
        with pytest.raises(OutOfTime, match=duty.operation.id):
            duty.pause(30)
        assert time.monotonic() < deadline
        with pytest.raises(OutOfTime):
            duty.check()
        time.sleep(0.3)
    assert len(interrupts) == 1 and interrupts[0] >= deadline - 3


def test_sigterm_puts_the_work_down(duty_of: Any, interrupts: list[float]) -> None:
    duty = duty_of()
    with duty.kept():
        threading.Timer(0.2, duty.stop).start()
        with pytest.raises(OutOfTime):
            duty.pause(30)
    assert len(interrupts) == 1


def test_who_was_frozen_past_the_lease_changes_nothing(
    store: OperationStore, duty_of: Any, interrupts: list[float]
) -> None:
    # GIVEN a worker that stood still, heartbeat and all, until another had taken over
    duty = duty_of()
    time.sleep(1.5 * TTL.total_seconds())
    _, taken = store.claim(PROJECT, duty.operation.id, BERT, now=now(), ttl=timedelta(seconds=60))
    # WHEN it wakes up THEN its next step is refused before it begins
    with pytest.raises(LeaseLost):
        duty.check()
    assert len(interrupts) == 1
    # AND what it tells or ends is written nowhere
    duty.tell("step", "late", phase="APPLYING")
    for act in (
        lambda: duty.note("late", "1"),
        lambda: duty.end(succeeded(duty.operation, now()), finished=True, kind="succeeded", text="Done"),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert store.get(PROJECT, taken.id) == taken and store.events(taken.id) == ()


def test_the_keeper_notices_a_lost_lease(
    store: OperationStore, duty_of: Any, interrupts: list[float], cloud: Cloud
) -> None:
    duty = duty_of()
    with duty.kept():
        # As if the clocks differed: another takes over although we renew.
        store.claim(
            PROJECT, duty.operation.id, BERT, now=now() + timedelta(hours=1), ttl=timedelta(seconds=60)
        )
        with pytest.raises(LeaseLost):
            duty.pause(30)
    assert interrupts


def test_without_an_answer_a_lease_counts_as_lost_when_it_has_run_out(
    duty_of: Any, cloud: Cloud, interrupts: list[float]
) -> None:
    duty = duty_of()
    cloud.dynamodb.delete_table(TableName="registry")
    with duty.kept():
        duty.pause(0.1)  # it may still be ours
        with pytest.raises(LeaseLost):
            duty.pause(30)
    assert interrupts


def test_what_happens_can_be_read_all_the_time(store: OperationStore, duty_of: Any) -> None:
    published: list[tuple[str, str]] = []

    def publish(operation: Operation, event: Event) -> None:
        published.append((operation.phase, event.text))

    duty = duty_of(published=publish)
    telling = Telling(duty, Silent())
    telling.step("Planning", "PLANNING")
    telling.note("one thing")
    telling.step("Planning what is left")
    telling.step("Applying", "APPLYING")
    telling.terraform(events.ChangeSummary("plan", add=3, change=1, remove=0))
    telling.terraform(events.ResourceStarted("module.a", "create", "aws_a"))
    telling.terraform(events.ResourceFinished("module.a", "create", "aws_a", 1.0))
    duty.note("task", "task-1")
    duty.note("wait", "begun")
    duty.note("wait", "")
    found = store.require(PROJECT, duty.operation.id)
    assert (found.phase, found.step) == ("APPLYING", "Applying")
    assert (found.progress.done, found.progress.total, found.progress.current) == (1, 4, "module.a")
    assert found.notes == {"task": "task-1"}
    kinds = [(event.number, event.kind, event.text) for event in store.events(found.id)]
    assert kinds == [
        (1, "step", "Planning"),
        (2, "note", "one thing"),
        (3, "step", "Planning what is left"),
        (4, "step", "Applying"),
    ]
    assert published == [("PLANNING", "Planning"), ("APPLYING", "Applying")]
    # WHEN another run goes on THEN its events follow
    duty.end(duty.operation, finished=False, kind="continues", text="later")
    lease, operation = store.claim(PROJECT, found.id, BERT, now=now(), ttl=TTL)
    after = Duty(store, lease, operation, now=now, interrupt=lambda: None, ttl=TTL)
    after.tell("note", "again")
    assert [event.number for event in store.events(found.id)] == [1, 2, 3, 4, 5, 6]
    assert operation.state is State.RUNNING


@pytest.fixture
def run(store: OperationStore, duty_of: Any) -> Callable[..., Operation]:
    """`run(error, retries=…)` takes the operation up and ends with the error; gives what is recorded then."""
    engine: Any = SimpleNamespace(
        on_duty=lambda *_: None,
        reporter=Silent(),
        now=now,
        settings=SimpleNamespace(cloud="local"),
        registry=SimpleNamespace(get=lambda *_: None),
    )

    def end_with(error: BaseException, *, retries: int = 0) -> Operation:
        duty = duty_of(ttl=timedelta(seconds=60))
        with pytest.raises(type(error)), on_duty(engine, duty, retries=retries):
            raise error
        return store.require(PROJECT, duty.operation.id)

    return end_with


def test_an_error_that_may_pass_is_tried_again_up_to_the_limit(run: Callable[..., Operation]) -> None:
    ends = [run(Unreachable("no answer"), retries=2) for _ in range(3)]
    assert {one.id for one in ends} == {ends[0].id}
    assert [one.state for one in ends] == [State.CONTINUES, State.CONTINUES, State.FAILED]
    assert ends[-1].retries == 2
    assert ends[-1].failure is not None and ends[-1].failure.code == "UNREACHABLE"


def test_an_error_that_does_not_pass_is_not_tried_again(run: Callable[..., Operation]) -> None:
    end = run(DataAtRisk("a file could not be exported"), retries=2)
    assert (end.state, end.retries) == (State.FAILED, 0)


def test_ctrl_c_leaves_the_operation_to_the_next_run(
    store: OperationStore, run: Callable[..., Operation]
) -> None:
    end = run(KeyboardInterrupt())
    assert (end.state, end.failure) == (State.CONTINUES, None)
    # AND that one need not wait for the lease to run out
    standing = store.standing(PROJECT)
    assert (standing.operation_id, standing.owner) == (end.id, None)
