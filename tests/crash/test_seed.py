"""A run can be repeated, also one in which all went well: it tells the seed that its processes chose by."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.crash.cases import SCENARIOS, points


def test_a_run_tells_the_seed_of_its_processes() -> None:
    # GIVEN no seed, and tests that are shown and not carried out
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CRASH_SEED", "CRASH_POINTS") and not name.startswith("PYTEST")
    }
    run = [sys.executable, "-m", "pytest", "-n", "1", "-m", "crash", "-v", "--setup-plan"]
    chosen = "test_a_killed_operation_goes_on"
    done = subprocess.run(
        [*run, "tests/crash/test_apply.py", "-k", f"{chosen} and purge"],
        cwd=Path(__file__).parents[2],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # THEN the seed that is told at the end gives the points that the other process has chosen
    (seed,) = re.findall(r"^CRASH_SEED=(\d+) ", done.stdout, re.MULTILINE)
    found = set(re.findall(rf"::{chosen}\[([^]]+)\]", done.stdout))
    assert found
    assert found == {str(case) for case in points(SCENARIOS["purge-efs"], len(found), int(seed))}
