"""For every test: property tests without a stopwatch, the long tests first, and groups that stay together."""

from __future__ import annotations

import gc
import os
import signal

import hypothesis
import pytest

# A run in the background of a shell, or under nohup, has these ignored, and hands that on to what it starts.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

# Machines are shared and noisy: how long one example took says nothing about the code.
# Half of the usual examples: a run of all tests must stay short, and there are many runs.
# CI must not gamble: what fails there is what a change has broken. Developers' runs draw anew.
# (Hypothesis sees to that itself where CI or GITLAB_CI is set; .ci/run may be run without.)
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    max_examples=50,
    derandomize=bool(os.environ.get("REQUIRE_SERVICES")) or hypothesis.settings.default.derandomize,
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that may take longest start first, so that the last worker does not run one of them alone."""
    items.sort(key=lambda item: -_limit_s(item))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run groups torn apart: every worker would start a Slurm and a MariaDB of its own.

    pytest-xdist 3.8 says a test's group by a suffix of its id, which pytest 9.2 ignores without a word
    (pytest-xdist, issue 1386).
    """
    gc.freeze()  # five thousand tests and what they import stay; Python need not look through them
    if not getattr(session.config.option, "loadgroup", False):
        return
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    torn = [item.nodeid for item in grouped if "@" not in item.nodeid.rpartition("]")[2]]
    if torn:
        raise RuntimeError(f"pytest-xdist would not keep groups together: {torn[0]} has lost its own")


def _limit_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker and marker.args else 0.0
