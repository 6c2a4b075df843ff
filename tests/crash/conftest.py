"""An installation for each case: a local cloud with its backend, and an operator of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.crash.killing import Operator, operator
from tests.functional.conftest import QUICK, backend, make_backend, spec, terraform

__all__ = ["backend", "make_backend", "spec", "terraform"]


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
