"""Two runs on one machine never write the same workspace at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
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
        home=home,
        settings=SimpleNamespace(lock_wait_s=wait_s),
        pause=naps.append,
        naps=naps,
        owner=SimpleNamespace(name="ada@desk (process 7)"),
        now=lambda: datetime(2026, 11, 30, 0, 12, 3, tzinfo=UTC),
    )


def test_the_same_run_has_it_again_and_another_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[WorkspaceBusy] = []
    # An earlier run, of a longer command line, has left its name.
    monkeypatch.setattr(sys, "argv", ["/opt/bin/provisioner", "plan", "a-spec-with-a-long-name.yaml"])
    with holding_workspace(engine(tmp_path), NAMES):
        pass
    monkeypatch.setattr(sys, "argv", ["/opt/bin/provisioner", "apply", "spec.yaml"])

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
        "Another run on this machine is at work in the workspace of lab-1/proj-1: ada@desk (process 7), "
        "`provisioner apply spec.yaml`, since 2026-11-30 00:12:03 UTC."
    ]
    assert "may be waiting for its confirmation" in refused[0].hint
    another()
    assert len(refused) == 1


def test_a_killed_holder_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "locks" / f"{NAMES.directory}.lock"
    path.parent.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        # One of another release, which does not say who it is.
        with (
            pytest.raises(WorkspaceBusy, match=r"lab-1/proj-1\.$"),
            holding_workspace(engine(tmp_path), NAMES),
        ):
            pass
        waiting = engine(tmp_path, wait_s=30)
        waiting.pause = lambda _: holder.kill()
        with holding_workspace(waiting, NAMES):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
