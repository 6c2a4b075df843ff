"""Plans of real Terraform in, the written reviews out.

UPDATE_GOLDEN=1 writes them anew; the difference is then for a person to review.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from engine.review import Action, build_review, render_markdown, render_text, review_json
from tests.unit.review.plans import GOLDEN, PROJECT, golden_names, golden_plan

CANARY = "canary-7f3b9a41e2"
SUFFIXES = ("txt", "md", "json")
COUNTED_AS = {"create": "add", "update": "change", "delete": "destroy"}


def written(name: str) -> dict[str, str]:
    review = build_review(golden_plan(name), project=PROJECT)
    return {
        "txt": render_text(review),
        "md": render_markdown(review),
        "json": json.dumps(review_json(review), indent=1, ensure_ascii=False) + "\n",
    }


@pytest.mark.parametrize("name", golden_names())
def test_the_review_is_the_golden_one(name: str) -> None:
    reports = written(name)
    for suffix, text in reports.items():
        path = GOLDEN / f"{name}.{suffix}"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"{path.name} differs; UPDATE_GOLDEN=1 writes it anew"


def test_no_golden_review_is_left_over() -> None:
    expected = {f"{name}.{suffix}" for name in golden_names() for suffix in ("plan.json", *SUFFIXES)}
    assert {path.name for path in GOLDEN.iterdir() if path.is_file()} == expected


def test_no_sensitive_value_is_in_any_report() -> None:
    # GIVEN the plans whose sensitive values hold a canary
    names = [name for name in golden_names() if CANARY in json.dumps(golden_plan(name))]
    assert len(names) >= 10
    # THEN no report holds it
    for name in names:
        for suffix, text in written(name).items():
            assert CANARY not in text, f"{name}.{suffix}"


@pytest.mark.parametrize("name", golden_names())
def test_nothing_that_terraform_would_do_is_missing(name: str) -> None:
    # GIVEN what Terraform itself says it would do
    plan = golden_plan(name)
    planned = {e["address"]: e["change"]["actions"] for e in plan["resource_changes"]}
    # WHEN the plan is reviewed and written
    review = build_review(plan, project=PROJECT)
    reports = written(name)
    # THEN every address is in the review, and every real change in the reports
    assert {change.address for change in review.changes} == set(planned)
    for change in review.changes:
        if change.action is Action.NO_CHANGE:
            assert planned[change.address] == ["no-op"]
            continue
        module, local = change.module, change.address.removeprefix(f"{change.module}.")
        # Rules of one security group are folded: the resource on one line, their keys on the next.
        resource, _, key = local.partition('["')
        told = (local,) if local in reports["txt"] else (f"{resource}  ×", key.removesuffix('"]'))
        assert all(part in reports["txt"] for part in (*told, module))
        assert change.address in reports["md"]
    actions = [action for steps in planned.values() for action in steps]
    for action, counted in COUNTED_AS.items():
        assert getattr(review.counts, counted) == actions.count(action)


@pytest.mark.parametrize("name", golden_names())
@pytest.mark.parametrize("width", [80, 100, 120])
def test_text_keeps_to_its_width(name: str, width: int) -> None:
    review = build_review(golden_plan(name), project=PROJECT)
    for line in render_text(review, width=width).splitlines():
        # Only an address, the name of an attribute or a mark beside them may be too long to break.
        sticks_out = re.match(r" *(-/\+|[-+~]|LOW|MEDIUM|HIGH) ", line)
        assert len(line) <= width or sticks_out, line


@pytest.mark.parametrize("name", golden_names())
def test_colour_changes_nothing_but_the_colour(name: str) -> None:
    review = build_review(golden_plan(name), project=PROJECT)
    coloured = render_text(review, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_text(review)


def test_the_plans_hold_nothing_of_the_machine_they_were_made_on() -> None:
    for name in golden_names():
        text = (GOLDEN / f"{name}.plan.json").read_text("utf-8")
        assert not re.search(r"/(root|home|tmp|work|opt)/|PRIVATE KEY|AKIA[A-Z0-9]{12}", text), name
