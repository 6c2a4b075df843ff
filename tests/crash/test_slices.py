"""`make slices` may be stopped: nothing that it started runs on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.crash.killing import descendants

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

_CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_stopped_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    # GIVEN a creation that lasts, whose worker is at it
    slices = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.slices", "--print", "--slice", "900"],
        cwd=_CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    while not _working(descendants(slices.pid)):
        assert slices.poll() is None, "it ended by itself"
        time.sleep(0.2)
    below = descendants(slices.pid)

    # WHEN it is stopped
    slices.send_signal(how)
    slices.wait(60)

    # THEN all of it ends, and the signals that can be heard leave no folder
    deadline = time.monotonic() + 60
    while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    assert how is signal.SIGKILL or not list(tmp_path.glob("slices-*"))


def _working(pids: list[int]) -> bool:
    return any(b"tests.crash.one_run" in _command(pid) for pid in pids)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
