"""AWS ParallelCluster's own code, in the virtual environment that it has to itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

ROOT = Path(__file__).parents[2]
CHECKER = Path(__file__).with_name("checker.py")

Verdicts = dict[str, dict[str, Any]]
Check = Callable[[Mapping[str, Any]], Verdicts]


@pytest.fixture(scope="session")
def check() -> Check:
    """Configurations by name in, what ParallelCluster says of each out (see checker.py)."""
    folder = "Scripts" if sys.platform == "win32" else "bin"
    python = ROOT / ".venv-pcluster" / folder / "python"
    if not python.exists():
        missing = "ParallelCluster is not set up: run `make setup-pcluster`, which makes .venv-pcluster."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def run(cases: Mapping[str, Any]) -> Verdicts:
        request = {"cases": cases, "instance_types": INSTANCE_TYPES}
        done = subprocess.run(
            [str(python), str(CHECKER)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        verdicts: Verdicts = json.loads(done.stdout)
        assert set(verdicts) == set(cases)
        return verdicts

    return run
