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

from engine.local.server import LocalCloud
from tests.pcluster.validators import IN_AN_ACCOUNT, NOT_RUN, OFFLINE

ROOT = Path(__file__).parents[2]

Verdicts = dict[str, dict[str, Any]]
Check = Callable[..., Verdicts]


Ask = Callable[..., str]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """ask("script.py", request, environment) runs a script of this folder beside AWS's code; gives what it
    prints."""
    folder = "Scripts" if sys.platform == "win32" else "bin"
    python = ROOT / ".venv-pcluster" / folder / "python"
    if not python.exists():
        missing = "ParallelCluster is not set up: run `make setup-pcluster`, which makes .venv-pcluster."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def run(script: str, request: Any = None, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [str(python), str(Path(__file__).with_name(script))],
            input=json.dumps(request),
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def check(ask: Ask) -> Check:
    """Configurations by name in, what ParallelCluster says of each out (see checker.py).

    Validators that need no account run, or, with a local cloud, all that can.
    changes=True also compares each with itself.
    """

    def run(cases: Mapping[str, Any], *, changes: bool = False, cloud: LocalCloud | None = None) -> Verdicts:
        chosen, others = (OFFLINE, IN_AN_ACCOUNT) if cloud is None else (OFFLINE | IN_AN_ACCOUNT, set())
        request = {
            "cases": cases,
            "region": cloud.region if cloud else "us-east-1",
            "run": sorted(chosen),
            "left_out": sorted(others | set(NOT_RUN)),
            "instance_types": INSTANCE_TYPES if cloud is None else None,
            "changes": changes,
        }
        answer = ask("checker.py", request, cloud.environment() if cloud else None)
        verdicts: Verdicts = json.loads(answer)
        assert set(verdicts) == set(cases)
        return verdicts

    return run
