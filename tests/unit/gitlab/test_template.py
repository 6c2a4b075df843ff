"""The template's own pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    _, document = yaml.safe_load_all((ROOT / "templates" / "projects.yml").read_text("utf-8"))
    parsed: dict[str, Any] = document
    return parsed


def test_a_merge_is_compared_even_when_the_next_one_follows_at_once(template: dict[str, Any]) -> None:
    rules = {rule["if"]: rule.get("auto_cancel") for rule in template["workflow"]["rules"]}
    assert rules["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"] == {"on_new_commit": "none"}
    assert rules['$CI_PIPELINE_SOURCE == "merge_request_event"'] is None
