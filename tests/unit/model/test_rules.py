"""The rules as data, and what a waiver may say."""

from __future__ import annotations

from datetime import date

import pytest

from engine.errors import InvalidSpec
from engine.model.rules import load_rules, waivable_rules
from engine.model.settings import Settings
from engine.model.spec import dump_spec, load_spec, spec_digest

SPEC = "vlab_id: lab-1\nproject_id: proj-1\n"


def with_waiver(text: str) -> str:
    return f"{SPEC}waivers:\n  - {text}\n"


def test_each_rule_says_what_it_wants_and_its_setting_is_one() -> None:
    names = {field.alias or name for name, field in Settings.model_fields.items()}
    for rule in load_rules().values():
        assert rule.says.endswith(".") and (not rule.setting or rule.setting in names)
        assert not rule.waivable or rule.refuses, "what is only told needs no waiver"


def test_a_waiver_holds_until_the_end_of_its_day() -> None:
    text = with_waiver("{rule: data-loss, reason: given up, until: 2026-12-31, resource: aws_x.y}")
    spec = load_spec(text, source="spec")
    assert spec.waivers is not None
    (waiver,) = spec.waivers
    assert waiver.covers("data-loss", "aws_x.y") and not waiver.covers("data-loss", "aws_x.z")
    assert waiver.holds_on(date(2026, 12, 31)) and not waiver.holds_on(date(2027, 1, 1))
    # AND a spec is written and read again with it
    assert load_spec(dump_spec(spec), source="record") == spec


def test_a_spec_without_waivers_keeps_its_digest() -> None:
    spec = load_spec(SPEC, source="spec")
    assert "waivers" not in dump_spec(spec)
    assert spec_digest(spec) == spec_digest(load_spec(dump_spec(spec), source="record"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{rule: dataloss, reason: r, until: 2026-12-31}", "is no rule"),
        ("{rule: cluster-update, reason: r, until: 2026-12-31}", "can't be waived"),
        ("{rule: data-loss, reason: ' ', until: 2026-12-31}", "is empty"),
        ("{rule: data-loss, reason: r, until: 31.12.2026}", "is not a day"),
        ("{rule: data-loss, reason: r, until: 2026-02-30}", "is not a day"),
        ("{rule: data-loss, reason: r}", "until"),
        ("{rule: data-loss, until: 2026-12-31}", "reason"),
    ],
)
def test_a_waiver_without_an_end_or_a_reason_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidSpec, match=problem):
        load_spec(with_waiver(text), source="spec")


def test_what_may_be_waived() -> None:
    assert set(waivable_rules()) >= {"data-loss", "public-access", "lab-cost"}
