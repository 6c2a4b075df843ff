"""A workspace whose writer died, or met a full disk: the next run goes on in it."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from engine.operations.folders import FolderInUse, write_workspace
from engine.workspace.render import SPEC_FILE

FILES = {
    "main.tf.json": "{}",
    SPEC_FILE: json.dumps({"vlab_id": "lab-1", "project_id": "proj-1"}),
}


def full_after(count: int) -> Any:
    """A Path.write_text that works so many times, then finds the disk full in the middle of a file."""
    write, left = Path.write_text, count

    def write_text(self: Path, text: str, *more: Any, **named: Any) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            write(self, text[: len(text) // 2], *more, **named)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, *more, **named)

    return write_text


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_workspace_that_was_cut_short_is_gone_on_with(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "projects" / "pc"
    # GIVEN a run that ends in the middle of a file
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_text", full_after(written))
        write_workspace(folder, FILES, ("bucket",))
    # WHEN another one comes THEN it takes the folder for the project's
    write_workspace(folder, FILES, ("bucket",))
    assert {name: (folder / name).read_text() for name in FILES} == FILES
    # AND another project may still not have it
    other = {**FILES, SPEC_FILE: json.dumps({"vlab_id": "lab-1", "project_id": "proj-2"})}
    with pytest.raises(FolderInUse):
        write_workspace(folder, other, ("bucket",))
