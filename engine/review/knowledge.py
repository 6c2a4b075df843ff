"""What the review knows about resource types, read from the YAML files in `data/`.

A type that is not in the table is reviewed like any other; it only comes without plain words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engine.model.data_files import read_data
from engine.review.model import Action

_ACTIONS = {action.value for action in Action}


@dataclass(frozen=True)
class ResourceKnowledge:
    """One row: see the head of `data/resources.yaml` for what each field means."""

    title: str = ""
    holds_data: bool = False
    telling: tuple[str, ...] = ()
    guards: Mapping[str, Any] = field(default_factory=dict)
    keeps_days: str = ""
    days_setting: str = ""
    sentences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KindRule:
    """When a resource counts as a narrower kind: its type, and its module's name or a text in it.

    name       of the resource, where the module has several of the type; "" for any
    mentions   a text by which it is known outside of that module; "" for none
    """

    kind: str
    type: str
    module: str
    name: str = ""
    mentions: str = ""

    def fits(self, resource_type: str, module: str, name: str, texts: tuple[str, ...]) -> bool:
        """module: its last part, without an index."""
        if self.type != resource_type:
            return False
        if self.mentions and any(self.mentions in text for text in texts):
            return True
        return module == self.module and self.name in ("", name)


@dataclass(frozen=True)
class Knowledge:
    """The tables together."""

    rows: Mapping[str, ResourceKnowledge]
    default: ResourceKnowledge
    kinds: tuple[KindRule, ...]
    reasons: Mapping[str, str]

    def row(self, kind: str) -> ResourceKnowledge:
        """The row of a kind; the default row when the table has none."""
        return self.rows.get(kind, self.default)

    def kind_of(self, resource_type: str, module: str, name: str, texts: tuple[str, ...]) -> str:
        """The kind of a resource: its type, unless a narrower rule fits.

        module   its module address; texts   the strings to look for a rule's `mentions` in
        """
        last = re.sub(r"\[.*?\]$", "", module.rsplit("module.", 1)[-1])
        rule = next((one for one in self.kinds if one.fits(resource_type, last, name, texts)), None)
        return rule.kind if rule else resource_type


@cache
def load_knowledge() -> Knowledge:
    """The tables of this version of the engine, read once."""
    return parse_knowledge(
        read_data("resources.yaml", package="engine.review"),
        read_data("reasons.yaml", package="engine.review"),
    )


def parse_knowledge(document: Mapping[str, Any], reasons: Mapping[str, str]) -> Knowledge:
    """The tables from what the YAML files say.

    Raises   ValueError when a row has a field that means nothing
    """
    return Knowledge(
        rows={name: _row(name, row) for name, row in document["resources"].items()},
        default=_row("defaults", document["defaults"]),
        kinds=tuple(KindRule(kind=kind, **rule) for kind, rule in document["kinds"].items()),
        reasons=reasons,
    )


def _row(name: str, row: Mapping[str, Any]) -> ResourceKnowledge:
    fields = {"title", "holds_data", "telling", "guards", "keeps_days", "days_setting"}
    if strange := set(row) - fields - _ACTIONS:
        raise ValueError(f"{name}: {', '.join(sorted(strange))} means nothing here.")
    return ResourceKnowledge(
        title=row.get("title", name),
        holds_data=row.get("holds_data", False),
        telling=tuple(row.get("telling", ())),
        guards=row.get("guards", {}),
        keeps_days=row.get("keeps_days", ""),
        days_setting=row.get("days_setting", ""),
        sentences={action: row[action] for action in _ACTIONS if action in row},
    )
