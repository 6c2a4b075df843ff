"""For every test: property tests without a stopwatch, and the long tests first."""

from __future__ import annotations

import hypothesis
import pytest

# Machines are shared and noisy: how long one example took says nothing about the code.
# Half of the usual examples: a run of all tests must stay short, and there are many runs.
hypothesis.settings.register_profile("patient", deadline=None, max_examples=50)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that may take longest start first, so that the last worker does not run one of them alone."""
    items.sort(key=lambda item: -_limit_s(item))


def _limit_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker and marker.args else 0.0
