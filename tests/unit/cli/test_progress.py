"""What a person is told of each resource."""

from __future__ import annotations

import time

import pytest

from engine.cli import progress
from engine.cli.progress import Lines, Progress
from engine.terraform.events import CommandStarted, Interrupting, ResourceFailed, ResourceStarted


def test_what_was_broken_off_is_not_called_failed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("lab/proj")

    def failing(address: str) -> str:
        kind = address.partition(".")[0]
        lines.terraform(ResourceStarted(address, "create", kind))
        lines.terraform(ResourceFailed(address, "create", kind, 5))
        return capsys.readouterr().err

    assert "✗ creating aws_efs_file_system.this failed (5s)" in failing("aws_efs_file_system.this")
    # WHEN Terraform is told to stop
    lines.terraform(Interrupting(4711, 1))
    capsys.readouterr()
    assert "◌ creating aws_subnet.this interrupted (5s)" in failing("aws_subnet.this")
    # AND the next command begins
    lines.terraform(CommandStarted("apply"))
    assert "✗ creating aws_subnet.this failed" in failing("aws_subnet.this")


def test_where_nobody_watches_silence_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GitLab ends a job that writes nothing for an hour."""
    monkeypatch.setattr(progress, "_SILENT_S", 0.1)
    with Progress("lab/proj") as shown:
        shown.step("Exporting Lustre to the bucket", "EXPORTING")
        deadline = time.monotonic() + 10
        said = ""
        while said.count("goes on") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            said += capsys.readouterr().err
    assert said.count("lab/proj  Exporting Lustre to the bucket goes on (0 min)") >= 2
    time.sleep(0.3)
    capsys.readouterr()
    time.sleep(0.3)
    assert capsys.readouterr().err == "", "nothing is said when it is over"
