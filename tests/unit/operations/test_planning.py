"""A plan's reports on the disk, and that a plan which breaks a rule is never applied."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import DataAtRisk, RuleBroken
from engine.operations.planning import Planned, plan_again
from engine.operations.provision import carry_out
from engine.review import Context
from engine.review.findings import refuse_data_loss
from engine.workspace.resources import JOB_RECORDS
from tests.golden.project_specs import spec_of
from tests.unit.review import collection
from tests.unit.review.plans import entry, plan_of


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


@pytest.mark.parametrize(
    ("age_days", "was", "will", "lost"),
    [(0, 0, 1, False), (29, None, 30, False), (31, 0, 30, True), (0, 365, 30, True), (0, 0, 0, False)],
)
def test_records_that_were_to_be_kept_for_ever_by_a_run_that_was_cut_short_lose_nothing(
    tmp_path: Path, age_days: int, was: int | None, will: int, lost: bool
) -> None:
    """Their log group has been in the state since, without its days; one that is older than these has lines
    that are."""
    made = datetime(2026, 11, 1, tzinfo=UTC)
    names = collection.NAMES
    groups = [
        {"logGroupName": f"{names.job_log_group}-2", "creationTime": 0},
        {"logGroupName": names.job_log_group, "creationTime": int(made.timestamp() * 1000)},
    ]
    asked: list[str] = []

    def describe(*, logGroupNamePrefix: str) -> list[dict[str, Any]]:
        asked.append(logGroupNamePrefix)
        return [{"logGroups": groups}]

    logs = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=describe))
    cloud = SimpleNamespace(logs=logs, now=lambda: made + timedelta(days=age_days))
    shown = plan_of(
        entry(JOB_RECORDS, "update", before={"retention_in_days": was}, after={"retention_in_days": will}),
        entry("aws_cloudwatch_log_group.other", "create", after={"retention_in_days": 30}),
    )
    runner: Any = SimpleNamespace(
        plan=lambda _file: SimpleNamespace(has_changes=True), show_plan=lambda _file: shown
    )
    sweep: Any = SimpleNamespace(finds=lambda _: False, engine=SimpleNamespace(cloud=cloud))
    plan = plan_again(spec_of(), names, tmp_path, runner, sweep=sweep, context=Context())
    if lost:
        with pytest.raises(DataAtRisk, match="is deleted"):
            refuse_data_loss(plan.review)
    else:
        refuse_data_loss(plan.review)
    # AND AWS is asked only where it decides something
    assert asked == ([names.job_log_group] if will and not was else [])


def test_what_breaks_a_rule_is_not_applied(tmp_path: Path) -> None:
    made = planned(tmp_path, "public", collection.context("public"))
    engine: Any = None  # nothing of it is used: the refusal comes before everything else

    def approve(_review: object) -> None:
        raise AssertionError("nobody is asked about a plan that is refused")

    with pytest.raises(RuleBroken):
        carry_out(engine, made, approve=approve)
