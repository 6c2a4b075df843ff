"""A plan's reports on the disk, and that a plan which breaks a rule is never applied."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import RuleBroken
from engine.operations.planning import Planned, plan_again
from engine.operations.provision import carry_out
from engine.review import Context
from tests.golden.project_specs import spec_of
from tests.unit.review import collection


def planned(folder: Path, name: str, context: Context | None) -> Planned:
    def plan(_file: Path) -> SimpleNamespace:
        return SimpleNamespace(has_changes=True)

    runner: Any = SimpleNamespace(plan=plan, show_plan=lambda _file: collection.plan(name))
    return plan_again(spec_of(), collection.NAMES, folder, runner, context=context)


def test_every_report_stands_beside_the_plan(tmp_path: Path) -> None:
    made = planned(tmp_path, "grow-lustre", collection.context("grow-lustre"))
    assert [path.name for path in made.reports()] == [
        "plan.txt",
        "plan.md",
        "plan.json",
        "plan.html",
        "plan.gitlab.json",
    ]
    assert all(path.is_file() for path in made.reports())
    assert json.loads((tmp_path / "plan.gitlab.json").read_text()) == {"create": 0, "update": 1, "delete": 0}
    assert "Cost: at least" in (tmp_path / "plan.txt").read_text("utf-8")


def test_what_breaks_a_rule_is_not_applied(tmp_path: Path) -> None:
    made = planned(tmp_path, "public", collection.context("public"))
    engine: Any = None  # nothing of it is used: the refusal comes before everything else

    def approve(_review: object) -> None:
        raise AssertionError("nobody is asked about a plan that is refused")

    with pytest.raises(RuleBroken):
        carry_out(engine, made, approve=approve)
