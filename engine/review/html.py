"""The review as one HTML page that needs nothing else: no network, no file beside it.

Everything that is not ours is escaped: the template by autoescaping, the pictures by Markup.format. The
page's Content-Security-Policy allows its own style and its own script by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.model.prices import GRADES
from engine.model.rules import load_rules
from engine.review.cost_table import (
    by_use,
    cost_rows,
    headline_of_cost,
    missing,
    remarks_of_cost,
    total_text,
)
from engine.review.dependencies import without_index
from engine.review.drawing import draw_cluster, draw_group, draw_overview
from engine.review.graph import graph_of
from engine.review.knowledge import load_knowledge
from engine.review.model import Action, AttributeChange, Change, Review
from engine.review.notation import printable, shown_value, sign
from engine.review.outline import (
    SYMBOLS,
    Section,
    attributes_of,
    drifted,
    facts_of,
    headline,
    reads,
    remarks,
    sections,
    split_label,
)
from engine.review.summary import sentences, verdict

_LONGEST_VALUE = 6000
_OF_LOSS = "Loses data"
_ONE_SIDED = (Action.CREATE, Action.DELETE, Action.FORGET, Action.READ)
_MOST_OPEN = 8
"""Changes with no more attributes than this are unfolded when the page opens."""


@dataclass(frozen=True)
class _Value:
    """One side of an attribute: `text` on one line or several, `absent` where there is nothing."""

    text: str
    absent: bool = False


@dataclass(frozen=True)
class _Difference:
    """One attribute, both sides beside each other. kind: set, gone or changed."""

    name: str
    kind: str
    before: _Value
    after: _Value
    forces: bool


@dataclass(frozen=True)
class _Entry:
    """One change, or the instances of one block together (`instances`)."""

    change: Change
    symbol: str
    action: str
    title: str
    told: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    differences: tuple[_Difference, ...]
    unknown: tuple[str, ...]
    marks: tuple[str, ...]
    one_sided: bool
    open: bool = False
    instances: tuple[_Entry, ...] = ()


@dataclass(frozen=True)
class _Part:
    """One group of changes with the same consequence; grave ones are open when the page opens."""

    id: str
    title: str
    entries: tuple[_Entry, ...]
    count: int
    grave: bool


def render_html(review: Review) -> str:
    """The whole page, ending in a newline; the same review gives the same bytes."""
    graph = graph_of(review)
    anchors = {group.name: f"group-{index}" for index, group in enumerate(graph.groups)}
    style, script = _asset("review.css"), _asset("review.js")
    return (
        page_environment()
        .get_template("review.html.j2")
        .render(
            review=review,
            style=Markup(style),  # noqa: S704 (ours, from the package)
            script=Markup(script),  # noqa: S704
            style_hash=_hash(style),
            script_hash=_hash(script),
            headline=headline(review),
            sentences=sentences(review),
            verdict=verdict(review),
            refused=any(one.stands_against for one in review.findings) or review.errored,
            remarks=remarks(review.findings),
            rules=tuple(_rules(review)),
            parts=tuple(_parts(review)),
            outputs=tuple(_outputs(review)),
            drift=drifted(review),
            drifts=tuple(_entry(change, drift=True) for change in drifted(review).answered),
            reads=reads(review),
            cost=review.cost,
            cost_of=_cost_words(review),
            cluster=draw_cluster(review.cluster),
            updates=_updates(review),
            overview=draw_overview(graph, anchors) if len(graph.groups) > 1 else Markup(""),
            groups=[(anchors[one.name], one, draw_group(one)) for one in graph.groups],
            grades=GRADES,
            legend=[(action.value, SYMBOLS.get(action, "=")) for action in Action],
        )
    )


def _rules(review: Review) -> Iterator[tuple[str, str, str, str]]:
    """Every rule: its name, what it wants, how it stands, and the class of that."""
    for rule in load_rules().values():
        found = [one for one in review.findings if one.rule == rule.name]
        standing = [one for one in found if not one.waived]
        if standing:
            gravest = max(standing, key=lambda one: one.severity.rank).severity.value
            yield rule.name, rule.says, f"{len(standing)} × {gravest}", f"r-{gravest}"
        elif found:
            yield rule.name, rule.says, f"waived × {len(found)}", "r-medium"
        else:
            yield rule.name, rule.says, "kept", "r-none"


def _cost_words(review: Review) -> dict[str, Any]:
    cost = review.cost
    if cost is None:
        return {}
    return {
        "headline": headline_of_cost(cost),
        "rows": cost_rows(cost),
        "by_use": by_use(cost),
        "missing": missing(cost),
        "remarks": remarks_of_cost(cost),
        "totals": [
            ("per hour", total_text(cost.before), total_text(cost.after)),
            ("per month", total_text(cost.before, by_month=True), total_text(cost.after, by_month=True)),
        ],
    }


def _updates(review: Review) -> dict[str, list[str]]:
    """What ParallelCluster does, and the keys and fields that it does it with."""
    found: dict[str, list[str]] = {}
    for update in review.cluster_updates:
        found.setdefault(update.says, []).append(printable(update.named))
    return found


def _parts(review: Review) -> Iterator[_Part]:
    for index, section in enumerate(sections(review)):
        entries = tuple(_grouped(section))
        grave = section.title == _OF_LOSS
        yield _Part(f"part-{index}", section.title, entries, len(section.changes), grave)


def _grouped(section: Section) -> Iterator[_Entry]:
    """The instances of one block (count, for_each) fold into one entry, from three on."""
    blocks: dict[str, list[Change]] = {}
    for change in section.changes:
        alone = change.data_bearing or change.previous_address or change.deposed or change.imported_id
        key = change.address + change.deposed if alone else without_index(change.address)
        blocks.setdefault(key, []).append(change)
    for key, changes in blocks.items():
        if len(changes) < 3:
            yield from (_entry(change) for change in changes)
            continue
        first = _entry(changes[0])
        yield _Entry(
            change=changes[0],
            symbol=first.symbol,
            action=first.action,
            title=f"{printable(key)} × {len(changes)}",
            told=(),
            facts=(),
            differences=(),
            unknown=(),
            marks=(),
            one_sided=first.one_sided,
            instances=tuple(_entry(change) for change in changes),
        )


def _entry(change: Change, *, drift: bool = False) -> _Entry:
    shown = attributes_of(change, drift=drift)
    kind = load_knowledge().row(change.kind).title
    told = [*change.consequence, *(f"Why: {reason}." for reason in change.reasons)]
    marks = ["holds data"] if change.data_bearing else []
    marks += [f"left-over object {change.deposed}"] if change.deposed else []
    marks += [f"imported: {change.imported_id}"] if change.imported_id else []
    marks += [f"was {change.previous_address}"] if change.previous_address else []
    marks += [kind] if kind and kind != change.type else []
    return _Entry(
        change=change,
        symbol="+/-" if change.create_before_destroy else SYMBOLS.get(change.action, "="),
        action=change.action.value,
        title=printable(change.address),
        told=tuple(map(printable, told)),
        facts=tuple((fact.label, shown_value(fact.value)) for fact in facts_of(change)),
        differences=tuple(_difference(one) for one in shown.lines),
        unknown=tuple(map(printable, shown.unknown)),
        marks=tuple(map(printable, marks)),
        one_sided=change.action in _ONE_SIDED,
        open=change.action not in _ONE_SIDED and len(shown.lines) <= _MOST_OPEN,
    )


def _outputs(review: Review) -> Iterator[_Difference]:
    for output in review.outputs:
        yield _difference(AttributeChange(output.name, output.name, output.before, output.after))


def _difference(attribute: AttributeChange) -> _Difference:
    name = ".".join(filter(None, split_label(attribute)))
    kind = {"+": "set", "-": "gone", "~": "changed"}[sign(attribute)]
    before, after = _value(attribute.before), _value(attribute.after)
    return _Difference(name, kind, before, after, attribute.forces_replacement)


def _value(value: Any) -> _Value:
    if value is None:
        return _Value("", absent=True)
    if isinstance(value, dict | list) and value:
        lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        text = "\n".join(map(printable, lines))
    elif isinstance(value, str) and "\n" in value:
        text = "\n".join(map(printable, value.splitlines()))
    else:
        text = shown_value(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}… ({len(text)} characters; the JSON report has them all)"
    return _Value(text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _asset(name: str) -> str:
    return (files("engine.review") / "templates" / name).read_text("utf-8")


@cache
def page_environment() -> Environment:
    """How every page is written: escaped, and an unknown name is an error."""
    return Environment(
        loader=PackageLoader("engine.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
