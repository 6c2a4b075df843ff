"""Files of the nodes: whole, at once, and never open to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from node import write


def test_a_file_is_never_open_to_others_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a process whose files are open to everybody by default
    seen = []
    change = Path.chmod

    def chmod(path: Path, mode: int, **more: bool) -> None:
        seen.append(path.stat().st_mode & 0o7777)
        change(path, mode, **more)

    monkeypatch.setattr(Path, "chmod", chmod)
    before = os.umask(0)
    try:
        assert write(tmp_path / "slurmdbd.conf", "StoragePass=x\n", 0o640)
    finally:
        os.umask(before)
    # THEN it was nobody else's before it had its mode
    assert seen == [0o600]
    assert (tmp_path / "slurmdbd.conf").stat().st_mode & 0o7777 == 0o640


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "file"
    mine = (os.getuid(), os.getgid())
    assert write(path, "text\n", owner=mine)
    number = path.stat().st_ino
    assert not write(path, "text\n", owner=mine)
    assert path.stat().st_ino == number
    # Another text or mode is written, and so over what a run that was killed has left.
    path.with_name("file.new").write_text("half")
    assert write(path, "other\n", owner=mine)
    assert write(path, "other\n", 0o600, owner=mine)
    assert path.read_text() == "other\n"
