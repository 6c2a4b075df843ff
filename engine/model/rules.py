"""The rules that look at every plan, as data; and how a spec waives one, with a reason and an end.

The functions behind them are in engine/review/findings.py and engine/review/rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, Field

from engine.model.data_files import read_data
from engine.model.fields import Allowed, Strict, refused
from engine.model.wording import nearest, shown

RULE_BROKEN = "RULE_BROKEN"
_SEVERITIES = ("none", "low", "medium", "high")


@dataclass(frozen=True)
class Rule:
    """One row of data/rules.yaml, whose head says what each field means."""

    name: str
    says: str
    severity: str
    refuses: str = ""
    waivable: bool = False
    setting: str = ""


@cache
def load_rules() -> Mapping[str, Rule]:
    """Every rule by its name, in the order of the file."""
    rules = {name: Rule(name, **row) for name, row in read_data("rules.yaml").items()}
    for rule in rules.values():
        if rule.severity not in _SEVERITIES:
            raise ValueError(f"{rule.name}: {rule.severity} is no severity")
    return rules


def waivable_rules() -> tuple[str, ...]:
    """The names of the rules that a spec may waive."""
    return tuple(rule.name for rule in load_rules().values() if rule.waivable)


def _rule_name(name: str) -> str:
    if name not in waivable_rules():
        near = nearest(name, list(waivable_rules()))
        known = "can't be waived" if name in load_rules() else "is no rule"
        raise refused(f"{shown(name)} {known}", example=f"rule: {near}" if near else "")
    return name


def _day(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() != text:
            raise ValueError
    except ValueError:
        raise refused(f"{shown(text)} is not a day") from None
    return text


def _reason(text: str) -> str:
    if not text.strip():
        raise refused("is empty")
    return text


class Waiver(Strict):
    """One rule that does not hold for this project, until a day, for a reason that all reports tell."""

    rule: Annotated[
        str,
        AfterValidator(_rule_name),
        Allowed("one of " + ", ".join(waivable_rules())),
        Field(json_schema_extra={"enum": list(waivable_rules())}),
    ] = Field(title="Rule", description="Name of the rule (docs/review.md).", examples=["data-loss"])
    reason: Annotated[
        str,
        AfterValidator(_reason),
        Field(max_length=400),
        Allowed("a sentence of at most 400 characters"),
    ] = Field(
        title="Reason",
        description="Why; every report tells it.",
        examples=["scratch data, given up by ada@example.org"],
        json_schema_extra={"minLength": 1},
    )
    until: Annotated[
        str,
        AfterValidator(_day),
        Allowed("a day, YYYY-MM-DD"),
        Field(json_schema_extra={"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
    ] = Field(
        title="Last day",
        description="Last day (UTC) on which the waiver holds, YYYY-MM-DD.",
        examples=["2026-12-31"],
    )
    resource: Annotated[
        Annotated[str, AfterValidator(_reason), Field(max_length=1000)] | None,
        Allowed("a Terraform address, as the plan shows it"),
    ] = Field(
        default=None,
        title="Resource",
        description="The one resource that it is about, by its Terraform address; all where left out.",
        examples=["module.fsx[0].aws_fsx_lustre_file_system.this"],
    )

    def covers(self, rule: str, address: str) -> bool:
        """Whether it is about that rule at that address ("" is the whole plan); never mind the day."""
        return self.rule == rule and self.resource in (None, address)

    def holds_on(self, today: date) -> bool:
        """Whether it has not run out."""
        return today <= date.fromisoformat(self.until)


@dataclass(frozen=True)
class Policy:
    """What the installation demands of every project; 0 and () demand nothing.

    allowed_instance_types   names, with * for any characters: "c7i.*"
    """

    max_clusters: int = 0
    max_vcpus: int = 0
    max_usd_per_hour: int = 0
    required_tags: tuple[str, ...] = ()
    allowed_instance_types: tuple[str, ...] = ()
