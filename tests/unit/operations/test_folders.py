"""A workspace that is restored holds what was stored, and nothing is written outside of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.operations.folders import FolderInUse, read_workspace, restore_workspace

SPEC = json.dumps({"vlab_id": "lab-1", "project_id": "proj-1"})
FILES = {"spec.json": SPEC, "main.tf.json": "{}", "modules/efs/main.tf": "# home", "imports.tf.json": "{}"}


def test_what_was_read_is_what_is_restored(tmp_path: Path) -> None:
    restore_workspace(tmp_path / "one", FILES)
    (tmp_path / "one" / ".terraform").mkdir()
    stored = read_workspace(tmp_path / "one")
    assert stored == FILES
    # AND what another rendering left goes
    other = {**FILES, "cluster-config.yaml": "x", "modules/fsx/main.tf": "y"}
    restore_workspace(tmp_path / "two", other)
    restore_workspace(tmp_path / "two", stored)
    assert read_workspace(tmp_path / "two") == FILES


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "modules/../../x", "modules", "other/x", ".terraform/x", "main.tf", "./main.tf.json"],
)
def test_what_is_no_file_of_a_workspace_is_not_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="no file of a workspace"):
        restore_workspace(tmp_path / "one", {**FILES, path: "x"})
    assert not list(tmp_path.rglob("*"))


def test_another_project_s_folder_is_left(tmp_path: Path) -> None:
    restore_workspace(tmp_path, FILES)
    with pytest.raises(FolderInUse):
        restore_workspace(tmp_path, {**FILES, "spec.json": SPEC.replace("proj-1", "proj-2")})
