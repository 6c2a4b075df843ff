"""What a person is told of each resource."""

from __future__ import annotations

import pytest

from engine.cli.progress import Lines
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
