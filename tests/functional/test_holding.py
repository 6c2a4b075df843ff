"""Two runs on one machine never write the same workspace at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.model.names import names_for
from engine.operations.holding import WorkspaceBusy, holding_workspace

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
OTHER = names_for("lab-1", "proj-2", account_id="123456789012")
HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def engine(home: Path, *, wait_s: int = 0) -> Any:
    naps: list[float] = []
    return SimpleNamespace(
        home=home, settings=SimpleNamespace(lock_wait_s=wait_s), pause=naps.append, naps=naps
    )


def test_the_same_run_has_it_again_and_another_does_not(tmp_path: Path) -> None:
    refused: list[BaseException] = []

    def another() -> None:
        try:
            with holding_workspace(engine(tmp_path), NAMES):
                pass
        except WorkspaceBusy as error:
            refused.append(error)

    with holding_workspace(engine(tmp_path), NAMES):
        with holding_workspace(engine(tmp_path), NAMES), holding_workspace(engine(tmp_path), OTHER):
            pass
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert [str(error) for error in refused] == [
        "Another run on this machine is at work in the workspace of lab-1/proj-1."
    ]
    another()
    assert len(refused) == 1


def test_a_killed_holder_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "locks" / f"{NAMES.directory}.lock"
    path.parent.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceBusy), holding_workspace(engine(tmp_path), NAMES):
            pass
        waiting = engine(tmp_path, wait_s=30)
        waiting.pause = lambda _: holder.kill()
        with holding_workspace(waiting, NAMES):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
