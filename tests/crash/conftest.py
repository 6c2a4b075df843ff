"""Installations to be killed in: copies of prepared ones, or one of its own with an operator."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.crash.killing import Operator, operator
from tests.crash.stage import Case, Prepared, Stage
from tests.functional.conftest import QUICK, backend, make_backend, spec, terraform

__all__ = ["backend", "make_backend", "spec", "terraform"]

# Test processes that share a run must choose the same points: they inherit the seed, or know the run's id.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
SEED = int(os.environ.get("CRASH_SEED") or int(RUN[:5], 16))
os.environ["CRASH_SEED"] = str(SEED)

Play = Callable[[str, Prepared, Case], None]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the seed of a run in which all went well, too."""
    terminalreporter.write_line(f"CRASH_SEED={SEED} repeats the random choices of tests/crash")


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK) as cloud:
        yield cloud


@pytest.fixture
def engine(cloud: LocalCloud, backend: Cloud, terraform: str, tmp_path: Path) -> Operator:
    """The installation's operator."""
    # The backend's own bucket and tables are not counted.
    with cloud.world.lock:
        cloud.world.calls.clear()
    return operator(cloud, terraform, tmp_path)


@pytest.fixture(scope="session")
def play(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """`play("efs", Prepared.READY, case)`: the case, in a copy of what is prepared when first needed."""
    stages: dict[tuple[str, Prepared], Stage] = {}
    with ExitStack() as standing:

        def play(storage: str, prepared: Prepared, case: Case) -> None:
            if (storage, prepared) not in stages:
                folder = tmp_path_factory.mktemp(f"{storage}-{prepared}")
                stages[storage, prepared] = standing.enter_context(
                    Stage(storage, prepared, terraform, folder)
                )
            ended = stages[storage, prepared].play(case)
            print(ended.said)
            print(f"{ended.took_s:.1f} s")
            if not ended.ok:
                pytest.fail(f"{case}: see its output", pytrace=False)

        yield play
