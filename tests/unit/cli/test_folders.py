"""Folders of the settings in which nothing can be kept: told before anything is begun."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.errors import InvalidSettings
from engine.operations.installation import require_folder

COMMANDS = {
    "plan": ["plan", "spec.yaml"],
    "apply": ["apply", "spec.yaml", "--yes"],
    "setup": ["setup"],
    "local up": ["local", "up"],
    "local down": ["local", "down"],
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec and a file that is no folder; no answer from AWS."""
    (tmp_path / "spec.yaml").write_text("vlab_id: lab-1\nproject_id: proj-1\n")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROVISIONER_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("where", ["file", "file/below"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_home_that_is_a_file(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    where: str,
) -> None:
    monkeypatch.setenv("PROVISIONER_HOME", str(place / where))
    assert run(COMMANDS[command]) == 3
    told = capsys.readouterr().err
    assert "[INVALID_SETTINGS]" in told
    assert f"home: {place / 'file'} is a file, not a folder" in told


@pytest.mark.parametrize("setting", ["home", "workspaces_dir"])
def test_a_plan_against_any_endpoint(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    monkeypatch.setenv("PROVISIONER_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PROVISIONER_ACCOUNT_ID", "123456789012")
    monkeypatch.setenv(f"PROVISIONER_{setting.upper()}", str(place / "file"))
    assert run(COMMANDS["plan"]) == 3
    assert f"{setting}: {place / 'file'} is a file" in capsys.readouterr().err


def test_a_folder_that_may_not_be_written_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may be root's, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == place and not mode & os.W_OK)
    with pytest.raises(InvalidSettings, match=f"home: {place} cannot be written to"):
        require_folder(place / "new" / "home", "home")


def test_what_is_not_there_yet_is_not_made(place: Path) -> None:
    folder = place / "new" / "home"
    assert require_folder(folder, "home") == folder
    assert not folder.parent.exists()
