"""`make demo`, the first thing that a newcomer types."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

PROVISIONER = str(Path(sys.executable).with_name("provisioner"))


@pytest.mark.terraform
@pytest.mark.timeout(900)
def test_the_demo_comes_to_its_end_and_leaves_nothing_running(terraform: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    ended = subprocess.run(
        [PROVISIONER, "demo"],
        cwd=tmp_path,
        env={**kept, "PROVISIONER_HOME": str(home), "PROVISIONER_TERRAFORM": terraform},
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    # THEN it told of both projects, and of the data that a release keeps
    for told in ("neuro/cortex: released", "neuro/spine: the same cluster", "a night of simulation", "Done."):
        assert told in ended.stdout, ended.stdout
    # AND what is named at its end is there to be looked at, and nothing runs any more
    assert len(list((home / "demo" / "workspaces").glob("*/plan.txt"))) == 2
    assert not _running_with(f"PROVISIONER_HOME={home}")


def _running_with(variable: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
    return found
