"""The template's own pipeline."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MAIN, BRANCHED, BEFORE = "main-as-it-is", "where-it-branched", "last-push"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    _, document = yaml.safe_load_all((ROOT / "templates" / "projects.yml").read_text("utf-8"))
    parsed: dict[str, Any] = document
    return parsed


def test_a_merge_is_compared_even_when_the_next_one_follows_at_once(template: dict[str, Any]) -> None:
    rules = {rule["if"]: rule.get("auto_cancel") for rule in template["workflow"]["rules"]}
    assert rules["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"] == {"on_new_commit": "none"}
    assert rules['$CI_PIPELINE_SOURCE == "merge_request_event"'] is None


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({"CI_COMMIT_BEFORE_SHA": BEFORE}, BEFORE),
        ({"CI_COMMIT_BEFORE_SHA": "0" * 40, "CI_MERGE_REQUEST_DIFF_BASE_SHA": BRANCHED}, BRANCHED),
        (
            {
                "CI_COMMIT_BEFORE_SHA": "0" * 40,
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": BRANCHED,
                "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": MAIN,
            },
            MAIN,
        ),
    ],
    ids=["push", "merge request", "merged results"],
)
def test_a_review_shows_what_the_merge_request_changes_and_nobody_elses_merges(
    template: dict[str, Any], variables: dict[str, str], base: str
) -> None:
    line, *_ = template["provisioner-before"]["script"]
    done = subprocess.run(
        ["sh", "-ec", f'{line}\necho "$base"'], env=variables, capture_output=True, check=True, text=True
    )
    assert done.stdout == f"{base}\n"
