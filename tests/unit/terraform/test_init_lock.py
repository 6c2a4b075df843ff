"""Inits that share a plugin cache wait for each other, in one process and between several."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from engine.terraform.initialised import one_at_a_time

TRIES = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def taken(lock: Path) -> bool:
    """Whether another process finds it taken."""
    return subprocess.run([sys.executable, "-c", TRIES, lock], capture_output=True).returncode != 0


def test_it_keeps_out_threads_and_processes(tmp_path: Path) -> None:
    lock = tmp_path / "home" / "init.lock"
    entered = threading.Event()

    def enter() -> None:
        with one_at_a_time(lock):
            entered.set()

    other = threading.Thread(target=enter)
    with one_at_a_time(lock):
        other.start()
        assert taken(lock)
        assert not entered.wait(0.2)
    other.join(10)
    assert entered.is_set()
    assert not taken(lock)


def test_without_a_lock_nobody_waits(tmp_path: Path) -> None:
    with one_at_a_time(None), one_at_a_time(None):
        pass
    assert not list(tmp_path.iterdir())
