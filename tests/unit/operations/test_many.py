"""The pool: how many at a time, in which order, and that one project's trouble is its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StateLocked, TerraformInterrupted
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.many import WORKER_MEMORY, Outcome, carry_out_all, in_turn, pool_size
from engine.operations.reporting import Silent


class Terraform:
    """As much of a Runner as an engine's owner needs to stop it and to let it go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = 0

    def interrupt(self) -> None:
        self.asked.set()

    def close(self) -> None:
        self.closed += 1

    def run(self) -> None:
        if self.asked.wait(20):
            raise TerraformInterrupted("terraform was stopped on request.")
        raise AssertionError("nobody asked Terraform to stop")


def all_of(
    engine: Engine, items: list[str], task: Callable[[Engine, str], Any], **more: Any
) -> list[Outcome[str, Any]]:
    return carry_out_all(engine, items, task, project=lambda item: item, **more)


class TestSize:
    def test_a_number_is_that_number(self) -> None:
        assert pool_size(Settings(parallel_projects="7"), cores=1, memory=1) == 7

    @pytest.mark.parametrize(
        ("cores", "workers_of_memory", "expected"),
        [(2, 64, 2), (8, 3, 2), (8, 64, 8), (0.5, 64, 1), (1.5, 64, 2), (2, 0.1, 1)],
    )
    def test_auto_is_a_worker_for_each_core_that_the_free_memory_bears(
        self, cores: float, workers_of_memory: float, expected: int
    ) -> None:
        memory = int(workers_of_memory * WORKER_MEMORY)
        assert pool_size(Settings(), cores=cores, memory=memory) == expected

    def test_auto_where_the_memory_is_not_known(self) -> None:
        assert pool_size(Settings(), cores=2) >= 1


class TestOrder:
    def test_labs_take_turns(self) -> None:
        given = ["a/1", "a/2", "a/3", "b/1", "c/1", "b/2"]
        assert in_turn(given, project=str) == ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"]

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), unique=True))
    def test_each_lab_keeps_its_own_order_and_nothing_is_lost(self, found: list[tuple[str, int]]) -> None:
        items = [f"{lab}/{number}" for lab, number in found]
        order = in_turn(items, project=str)
        assert sorted(order) == sorted(items)
        for lab in "abc":
            assert [one for one in order if one[0] == lab] == [one for one in items if one[0] == lab]

    def test_outcomes_come_in_the_order_given(self, engine: Engine) -> None:
        items = [f"lab/{number}" for number in range(20)]
        outcomes = all_of(engine, items, lambda _, item: item.upper(), workers=4)
        assert [one.item for one in outcomes] == items
        assert [one.result for one in outcomes] == [item.upper() for item in items]


def test_never_more_at_a_time_than_workers(engine: Engine) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=10)

    def task(_engine: Engine, _item: str) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        both.wait()  # is passed only where two work at a time
        time.sleep(0.01)
        with lock:
            at_once -= 1

    outcomes = all_of(engine, [f"lab/{number}" for number in range(8)], task, workers=2)
    assert [one.error for one in outcomes] == [None] * 8
    assert most == 2


def test_one_that_fails_stops_no_other(engine: Engine) -> None:
    def task(_engine: Engine, item: str) -> str:
        if item == "lab/locked":
            raise StateLocked("lab/locked is locked.", hint="Wait.")
        if item == "lab/bug":
            raise KeyError("oops")
        return item

    told: list[str] = []
    outcomes = all_of(
        engine,
        ["lab/bug", "lab/locked", "lab/good"],
        task,
        workers=1,
        finished=lambda one: told.append(one.item),
    )
    bug, locked, good = outcomes
    assert bug.failure is not None
    assert (bug.failure.code, bug.exit_code) == ("INTERNAL_ERROR", 1)
    assert locked.failure is not None
    assert (locked.failure.code, locked.failure.hint, locked.exit_code) == ("STATE_LOCKED", "Wait.", 4)
    assert (good.result, good.failure, good.exit_code) == ("lab/good", None, 0)
    assert told == ["lab/bug", "lab/locked", "lab/good"]


def test_each_project_has_an_engine_of_its_own_that_is_closed_after_it(engine: Engine) -> None:
    made: dict[str, Terraform] = {}
    reporters = {item: Silent() for item in ("lab/1", "lab/2")}

    def task(own: Engine, item: str) -> None:
        assert own.reporter is reporters[item]
        made[item] = Terraform()
        own.runners.add(made[item])  # type: ignore[arg-type]
        if item == "lab/2":
            raise StateLocked("locked")

    all_of(engine, ["lab/1", "lab/2"], task, reporter=reporters.__getitem__)
    assert [one.closed for one in made.values()] == [1, 1]


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_who_is_at_work_and_begins_no_other(
        self, engine: Engine, number: signal.Signals
    ) -> None:
        before = signal.getsignal(number)
        begun: list[str] = []
        at_work = threading.Barrier(2, timeout=10)

        def task(own: Engine, item: str) -> None:
            begun.append(item)
            terraform = Terraform()
            own.runners.add(terraform)  # type: ignore[arg-type]
            if at_work.wait() == 0:
                os.kill(os.getpid(), number)
            terraform.run()

        outcomes = all_of(engine, [f"lab/{number}" for number in range(6)], task, workers=2)
        assert sorted(begun) == ["lab/0", "lab/1"]
        assert {one.failure.code for one in outcomes if one.failure} == {"TERRAFORM_INTERRUPTED"}
        assert [one.exit_code for one in outcomes] == [6] * 6
        assert "was not begun" in str(outcomes[5].error)
        assert signal.getsignal(number) is before

    def test_a_terraform_that_comes_after_the_stop_is_asked_at_once_too(self, engine: Engine) -> None:
        def task(own: Engine, _item: str) -> None:
            own.interrupt()
            late = Terraform()
            own.runners.add(late)  # type: ignore[arg-type]
            late.run()

        (outcome,) = all_of(engine, ["lab/1"], task)
        assert isinstance(outcome.error, TerraformInterrupted)

    def test_waiting_ends(self, engine: Engine) -> None:
        def task(own: Engine, _item: str) -> None:
            threading.Timer(0.1, own.interrupt).start()
            own.pause(20)

        began = time.monotonic()
        (outcome,) = all_of(engine, ["lab/1"], task)
        assert isinstance(outcome.error, TerraformInterrupted)
        assert time.monotonic() - began < 10

    def test_what_the_listener_raises_comes_through_when_all_were_stopped(self, engine: Engine) -> None:
        at_work: set[str] = set()
        made: dict[str, Terraform] = {}
        both = threading.Barrier(2, timeout=10)

        def task(own: Engine, item: str) -> None:
            terraform = made[item] = Terraform()
            own.runners.add(terraform)  # type: ignore[arg-type]
            at_work.add(item)
            if item != "lab/2":
                both.wait()
            try:
                if item != "lab/0":
                    terraform.run()
            finally:
                at_work.remove(item)

        def finished(_outcome: object) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            all_of(engine, ["lab/0", "lab/1", "lab/2"], task, workers=2, finished=finished)
        assert not at_work and made["lab/1"].asked.is_set()
