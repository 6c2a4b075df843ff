"""How a review is told, whatever it is written in: headline, sections, and which attributes to show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.review.model import KNOWN_AFTER_APPLY, Action, AttributeChange, Change, Fact, Finding, Review
from engine.review.notation import printable

SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.READ: "<=",
    Action.IMPORT: "=>",
    Action.MOVE: "->",
    Action.FORGET: "x",
}

_RULES_OF_GROUPS = ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_ELIDED = "template_body.Resources."
"""Every key of a CloudFormation template that matters starts with this: it only costs width."""
_CONFIGURATION = ".Properties.ClusterConfiguration."


@dataclass(frozen=True)
class Section:
    """Changes with the same consequence.

    detailed   True: each change with every attribute that differs; False: one line each
    """

    title: str
    changes: tuple[Change, ...]
    detailed: bool


@dataclass(frozen=True)
class Shown:
    """The attributes of one change that a reader gets to see.

    lines     those with a value to show, the ones that force a replacement first
    unknown   labels of those that are only known after apply
    """

    lines: tuple[AttributeChange, ...]
    unknown: tuple[str, ...]


def headline(review: Review) -> str:
    """One sentence with the numbers, as Terraform counts them."""
    counts = review.counts
    if review.nothing_to_do and not review.errored:
        return f"Plan for {review.project}: nothing to do, everything is as it should be."
    replaced = f" ({counts.replace} of them replaced)" if counts.replace else ""
    parts = [f"{counts.add} to add", f"{counts.change} to change", f"{counts.destroy} to destroy{replaced}"]
    parts += [f"{counts.imported} to import"] if counts.imported else []
    parts += [f"{counts.moved} to move"] if counts.moved else []
    parts += [f"{counts.forgotten} to forget"] if counts.forgotten else []
    return f"Plan for {review.project}: {', '.join(parts)}."


def sections(review: Review) -> tuple[Section, ...]:
    """Everything that would be done, the gravest first. Empty sections are left out."""
    losing = [change for change in review.changes if change.loses_data]

    def but_losing(action: Action) -> list[Change]:
        return [change for change in review.with_action(action) if change not in losing]

    told = (
        ("Loses data", losing, True),
        ("Replaced: deleted and made anew", but_losing(Action.REPLACE), True),
        ("Deleted", but_losing(Action.DELETE), False),
        ("Changed in place", but_losing(Action.UPDATE), True),
        ("Created", but_losing(Action.CREATE), False),
        ("Taken over as it is", but_losing(Action.IMPORT), False),
        ("Moved to another address, otherwise unchanged", but_losing(Action.MOVE), False),
        ("Forgotten: stays in AWS, leaves the engine's care", but_losing(Action.FORGET), False),
    )
    return tuple(Section(title, tuple(changes), detailed) for title, changes, detailed in told if changes)


@dataclass(frozen=True)
class Drift:
    """What changed outside Terraform, split by what this plan does about it.

    answered   the plan changes it again: with the attributes that both touched
    left       the plan doesn't: mostly values that AWS fills in by itself after an apply
    """

    answered: tuple[Change, ...]
    left: tuple[Change, ...]


def drifted(review: Review) -> Drift:
    """The drift that a person would call one: no empty value that became another empty one."""
    answers = review.with_action(Action.CREATE, Action.UPDATE, Action.REPLACE)
    planned = {change.address: change for change in answers}
    answered, left = [], []
    for change in review.drift:
        answer = planned.get(change.address)
        common = _touched_by_both(change, answer) if answer else ()
        if answer and (common or change.action is Action.DELETE):
            answered.append(replace(change, attributes=common))
        elif change.action is Action.DELETE or attributes_of(change, drift=True).lines:
            left.append(change)
    return Drift(tuple(answered), tuple(left))


def _touched_by_both(change: Change, answer: Change) -> tuple[AttributeChange, ...]:
    touched = {re.split(r"[.\[]", attribute.path)[0] for attribute in answer.attributes}
    lines = attributes_of(change, drift=True).lines
    return tuple(line for line in lines if re.split(r"[.\[]", line.path)[0] in touched)


def attributes_of(change: Change, *, drift: bool = False) -> Shown:
    """The attributes worth a line.

    Left out: one empty value that became another; the resource's own tags where `tags_all`, which
    is what AWS gets, tells the same. In drift the own tags never count: the provider rewrites them
    whenever its default tags change, without anybody having touched the resource.
    """
    all_tags = any(a.path.startswith("tags_all") and not _unknown_only(a) for a in change.attributes)
    lines, unknown = [], []
    for attribute in change.attributes:
        own_tags = attribute.path == "tags" or attribute.path.startswith(("tags.", "tags["))
        if own_tags and (all_tags or drift) and not attribute.forces_replacement:
            continue
        if _unknown_only(attribute) and not attribute.forces_replacement:
            unknown.append(attribute.label)
        elif attribute.forces_replacement or not _still_empty(attribute, anywhere=drift):
            lines.append(attribute)
    lines.sort(key=lambda attribute: not attribute.forces_replacement)
    return Shown(tuple(lines), tuple(unknown))


def _unknown_only(attribute: AttributeChange) -> bool:
    return attribute.unknown and attribute.after == KNOWN_AFTER_APPLY


def _still_empty(attribute: AttributeChange, *, anywhere: bool) -> bool:
    # Deeper down, in a cluster's configuration, nothing and empty can mean different things.
    inner = not attribute.path.isidentifier()
    return (anywhere or not inner) and attribute.before in _EMPTY and attribute.after in _EMPTY


def alike(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes that differ in nothing but the address, together: a new owner tag touches everything."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        shown = attributes_of(change)
        key = repr((change.action, change.consequence, change.reasons, shown.lines))
        together = key if shown.lines and not change.previous_address and not change.imported_id else ""
        groups.setdefault(together or repr((change.address, change.deposed)), []).append(change)
    return list(groups.values())


def folded(changes: Sequence[Change]) -> list[list[Change]]:
    """Instances of one security group rule together, so that a file system's dozen ports take two lines.

    A rule that opens to addresses (CIDR blocks) always stands alone: a reviewer must see it.
    """
    groups: dict[str, list[Change]] = {}
    for change in changes:
        opens = any(fact.label.startswith("cidr") for fact in change.facts)
        plain = not (opens or change.previous_address or change.imported_id or change.deposed)
        resource, instance, _ = change.address.partition('["')
        key = resource if plain and instance and change.type in _RULES_OF_GROUPS else repr(change)
        groups.setdefault(repr((change.action, change.reasons)) + key, []).append(change)
    return list(groups.values())


@dataclass(frozen=True)
class Remark:
    """Findings that say the same of several resources, told once."""

    finding: Finding
    addresses: tuple[str, ...]


def remarks(findings: Sequence[Finding]) -> tuple[Remark, ...]:
    """The findings in their order; those that differ in the address alone are joined."""
    groups: dict[Finding, list[str]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, address=""), []).append(finding.address)
    return tuple(Remark(finding, tuple(addresses)) for finding, addresses in groups.items())


def reads(review: Review) -> tuple[str, ...]:
    """Addresses of the data sources that are read during apply."""
    return tuple(change.address for change in review.with_action(Action.READ))


def split_label(attribute: AttributeChange) -> tuple[str, str]:
    """The attribute's name without what every template has in common, in two parts: where, and what.

    `Cluster.Properties.ClusterConfiguration` and `Scheduling.SlurmQueues[debug]...`; the first part
    is empty for anything but a cluster's configuration.
    """
    label = printable(attribute.label.removeprefix(_ELIDED))
    if label.startswith("tags_all"):
        return "", label.replace("tags_all", "tags", 1)
    head, found, rest = label.partition(_CONFIGURATION)
    return (head + _CONFIGURATION.rstrip("."), rest) if found else ("", label)


def facts_of(change: Change) -> tuple[Fact, ...]:
    """The telling attributes, without a name tag that only repeats another one."""
    found: list[Fact] = []
    for fact in change.facts:
        if fact.label != "Name" or fact.value not in [other.value for other in found]:
            found.append(fact)
    return tuple(found)
