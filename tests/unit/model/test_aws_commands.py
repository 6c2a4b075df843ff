"""Every command of AWS's own tools that is advised names its region."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.aws_commands import aws, update_fleet

ROOT = Path(__file__).parents[3]
ENGINE = ROOT / "engine"
BUILDER = ENGINE / "model" / "aws_commands.py"
# A command's name and its first word: `aws s3`, `pcluster delete-cluster`. Prose says "AWS" or "of aws".
_COMMAND = re.compile(r"(?:^|`|\n *)(?:aws|pcluster) [a-z0-9]+(?:-[a-z]+)* ?[^`\n]*", re.MULTILINE)
# IAM is in no region; "aws provider" is the name of one of doctor's checks.
_OTHER = ("aws iam ", "aws provider")


def texts(path: Path) -> Iterator[str]:
    """Every text in a module, what an f-string puts in left as {}."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def without_region(text: str) -> list[str]:
    found = (one.strip(" `\n") for one in _COMMAND.findall(text))
    return [one for one in found if "--region" not in one and not one.startswith(_OTHER)]


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_hint_s_command_names_its_region(path: Path) -> None:
    if path != BUILDER:
        assert [one for text in texts(path) for one in without_region(text)] == []


@pytest.mark.parametrize(
    "page",
    sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "workspaces").glob("*/README.md")]),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_s_command_names_its_region(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", page.read_text("utf-8"))
    assert [one for span in spans for one in without_region(span)] == []


def test_commands_are_whole() -> None:
    assert aws("cloudformation delete-stack --stack-name s", region="eu-west-1") == (
        "aws cloudformation delete-stack --stack-name s --region eu-west-1"
    )
    assert update_fleet("c", "STOP_REQUESTED", region="eu-west-1") == (
        "pcluster update-compute-fleet --cluster-name c --status STOP_REQUESTED --region eu-west-1"
    )
