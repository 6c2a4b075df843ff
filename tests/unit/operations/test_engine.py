"""What an engine may still do between operations: a command's time is up for its planning, too."""

from __future__ import annotations

import time

import pytest

from engine.errors import OutOfTime
from engine.operations.engine import Engine
from engine.operations.reporting import Silent


def test_a_command_without_a_limit_goes_on(engine: Engine) -> None:
    engine.within(None).check()
    engine.within(60).check()


def test_a_wait_ends_with_the_time_of_the_command(engine: Engine) -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        engine.within(0.05).pause(30)
    assert time.monotonic() - began < 10


def test_what_comes_after_it_is_not_begun(engine: Engine) -> None:
    late = engine.within(0.0)
    with pytest.raises(OutOfTime, match="before its work began"):
        late.check()
    # also on another release of ParallelCluster, and with another reporter
    with pytest.raises(OutOfTime):
        late.reporting_to(Silent()).pause(1)
