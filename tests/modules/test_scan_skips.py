"""A check of checkov is skipped in place only, with a reason that says why here."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "modules", ROOT / "workspaces"]
WRITTEN = re.compile(r"checkov:skip=(?P<check>[^:\s]*):? ?(?P<reason>.*)")


def skips() -> list[tuple[str, str, str]]:
    """(file and line, check, reason) of every skip in the Terraform code."""
    found = []
    for path in sorted(path for folder in FOLDERS for path in folder.glob("**/*.tf")):
        place = path.relative_to(ROOT)
        if place.parts[:2] == ("workspaces", "projects"):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if match := WRITTEN.search(line):
                found.append((f"{place}:{number}", match["check"], match["reason"]))
    return found


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The checks of Terraform code that the installed checkov has."""
    packages = list((ROOT / ".venv-checkov").glob("**/site-packages/checkov/terraform/checks"))
    if not packages:
        missing = "checkov is not set up: run `make setup-checkov`, which makes .venv-checkov."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    texts = (
        path.read_text("utf-8") for path in packages[0].rglob("*") if path.suffix in (".py", ".json", ".yaml")
    )
    return {check for text in texts for check in re.findall(r"\bCKV2?_[A-Z]+_\d+\b", text)}


def test_there_are_skips_to_look_at() -> None:
    assert skips()


@pytest.mark.parametrize(("place", "check", "reason"), skips(), ids=lambda value: value[:50])
def test_a_skip_says_why(place: str, check: str, reason: str) -> None:
    assert len(reason.split()) >= 8, f"{place}: {check} is skipped without a sentence that says why here"


def test_a_reason_is_not_used_for_two_checks() -> None:
    by_reason: dict[str, set[str]] = {}
    for _, check, reason in skips():
        by_reason.setdefault(reason, set()).add(check)
    assert [checks for checks in by_reason.values() if len(checks) > 1] == []


def test_a_skip_names_a_check_that_exists(known: set[str]) -> None:
    assert [(place, check) for place, check, _ in skips() if check not in known] == []
    assert "CKV_AWS_18" in known and "CKV2_AWS_5" in known and "CKV_AWS_0" not in known


def test_nothing_is_skipped_everywhere() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "--skip-check" not in makefile and "--soft-fail" not in makefile
    assert not list(ROOT.glob(".checkov.y*ml"))
