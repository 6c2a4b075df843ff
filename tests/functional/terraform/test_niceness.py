"""Who comes last when processors are short: the workers of `serve`, with the Terraform that they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.terraform.programs import start_companion

_TELL = "import os; print(os.getpriority(os.PRIO_PROCESS, 0), file=open({!r}, 'w'))"
# A process that is nice itself, and starts a helper into a session of its own.
_NICE = """
import os, pathlib
from engine.terraform.programs import start_helper
os.nice(3)
read, write = os.pipe()
helper = start_helper(["cat"], {}, read)
print(pathlib.Path(f"/proc/{helper.pid}/autogroup").read_text())
os.close(write)
"""


@pytest.mark.skipif(
    os.getpriority(os.PRIO_PROCESS, 0) == 19, reason="the tests run at the last niceness: nobody comes behind"
)
def test_a_companion_comes_behind_us_with_all_that_it_starts(tmp_path: Path) -> None:
    ours, told = os.getpriority(os.PRIO_PROCESS, 0), tmp_path / "told"
    child = [sys.executable, "-c", _TELL.format(str(told))]
    # What it starts in its first moment is not nice yet; a worker imports for a second before it starts any.
    code = (
        "import os, subprocess, time\n"
        f"while os.getpriority(os.PRIO_PROCESS, 0) == {ours}: time.sleep(0.01)\n"
        f"subprocess.run({child!r}, check=True)"
    )
    companion = start_companion([sys.executable, "-c", code], env={}, niceness=4)
    try:
        assert os.getpriority(os.PRIO_PROCESS, companion.pid) == min(19, ours + 4)
        assert companion.wait(60) == 0
    finally:
        companion.ask_to_end()
    assert int(told.read_text()) == min(19, ours + 4)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="a kernel without autogroups")
def test_a_session_of_its_own_is_no_way_to_the_front() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _NICE], env=dict(os.environ), capture_output=True, text=True, check=True
    ).stdout
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert said.split()[-1] == str(min(19, ours + 3))
