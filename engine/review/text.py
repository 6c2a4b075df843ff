"""The review for a terminal: plain lines, aligned, with colour when asked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from engine.review.amounts import Cost
from engine.review.cost_table import by_use, cost_rows, headline_of_cost, missing, remarks_of_cost
from engine.review.model import Action, AttributeChange, Change, Finding, OutputChange, Review, Risk
from engine.review.notation import printable, shown_value, sign, transition
from engine.review.outline import (
    SYMBOLS,
    Drift,
    Section,
    alike,
    attributes_of,
    drifted,
    facts_of,
    folded,
    headline,
    reads,
    remarks,
    sections,
    split_label,
)

_RESET = "\x1b[0m"
_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m", "red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m"}
_STYLES |= {"cyan": "\x1b[36m", "alarm": "\x1b[1;31m"}

_SIGN_STYLES = {"+": "green", "-": "red", "~": "yellow", "-/+": "red", "+/-": "red"}
_RISK_STYLES = {Risk.NONE: "dim", Risk.LOW: "green", Risk.MEDIUM: "yellow", Risk.HIGH: "alarm"}

_LONGEST_VALUE_LINES = 6
_MOST_UNKNOWN = 6
_DATA_MARK = "◆"
_GLUE = "\u00a0"
"""Holds a name and its value together while lines are broken."""


def render_text(review: Review, *, width: int = 100, colour: bool = False) -> str:
    """The whole review as text, ending in a newline.

    width    columns to fill, at least 60; only an address or a word that is longer sticks out
    colour   True adds ANSI colour codes; they don't count for the width
    """
    return _Writer(max(width, 60), colour=colour).write(review)


class _Writer:
    """Lines for one width, with or without colour."""

    def __init__(self, width: int, *, colour: bool):
        self._width = width
        self._colour = colour

    def write(self, review: Review) -> str:
        parts = [list(self._head(review)), list(self._findings(review.findings))]
        said = {finding.address: finding.message for finding in review.findings}
        parts += [list(self._section(section, said)) for section in sections(review)]
        parts.append(list(self._cost(review.cost)))
        parts += [list(self._outputs(review.outputs)), list(self._drift(drifted(review)))]
        parts.append(list(self._tail(review)))
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _paint(self, text: str, style: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self._colour and style else text

    def _wrap(
        self, text: str, *, indent: int, first: str | None = None, style: str = "", cut: bool = False
    ) -> Iterator[str]:
        lines = textwrap.wrap(
            text,
            self._width,
            initial_indent=" " * indent if first is None else first,
            subsequent_indent=" " * indent,
            break_long_words=cut,
            break_on_hyphens=False,
        )
        yield from (self._paint(line.replace(_GLUE, " "), style) for line in lines)

    def _head(self, review: Review) -> Iterator[str]:
        risk = f" Risk: {review.risk.value}." if review.risk is not Risk.NONE else ""
        lines = list(self._wrap(headline(review) + risk, indent=2, first=""))
        yield from (self._paint(line, "bold") for line in lines[:-1])
        told, _, level = lines[-1].rpartition(" Risk: ")
        if told:
            yield f"{self._paint(told, 'bold')} Risk: {self._paint(level, _RISK_STYLES[review.risk])}"
        else:
            yield self._paint(lines[-1], "bold")

    def _findings(self, findings: Sequence[Finding]) -> Iterator[str]:
        if not findings:
            return
        yield self._paint("Needs a second look", "bold")
        for remark in remarks(findings):
            finding, addresses = remark.finding, remark.addresses
            where = addresses[0] if len(addresses) == 1 else f"{len(addresses)} resources"
            severity = self._paint(f"{finding.severity.value.upper():<6}", _RISK_STYLES[finding.severity])
            against = "  (refuses the apply)" if finding.stands_against else ""
            yield f"  {severity}  {finding.rule}{against}  {printable(where)}".rstrip()
            yield from self._wrap(printable(finding.message), indent=10)
            if finding.waived:
                yield from self._wrap(f"Waived: {printable(finding.waived)}", indent=10)
            yield from self._wrap(printable(finding.hint), indent=10, style="dim")
            if len(addresses) > 1:
                yield from (f"          {printable(address)}" for address in addresses)

    def _section(self, section: Section, said: dict[str, str]) -> Iterator[str]:
        yield self._paint(f"{section.title} ({len(section.changes)})", "bold")
        if section.detailed:
            for group in alike(section.changes):
                yield from self._detailed(group, said)
        else:
            yield from self._table(section.changes, said)

    def _detailed(self, group: Sequence[Change], said: dict[str, str]) -> Iterator[str]:
        for change in group:
            yield f"  {self._symbol(change)} {printable(change.address)}{self._marks(change)}"
        first = group[0]
        yield from self._consequence(first, said, indent=6)
        for reason in first.reasons:
            yield from self._wrap(f"Why: {printable(reason)}.", indent=6)
        if first.action is Action.DELETE:
            yield from (self._paint(f"      {line}", "dim") for line in self._facts(first, self._width - 6))
            return
        shown = attributes_of(first)
        yield from self._attributes(shown.lines, indent=6)
        if shown.unknown:
            most = _MOST_UNKNOWN if first.action is Action.REPLACE else len(shown.unknown)
            more = f" and {len(shown.unknown) - most} more" if len(shown.unknown) > most else ""
            listed = _listed(shown.unknown[:most])
            yield from self._wrap(f"known after apply: {listed}{more}", indent=8, first=" " * 6, style="dim")
        if not shown.lines and not shown.unknown:
            yield self._paint("      no attribute that can be shown differs", "dim")

    def _attributes(self, attributes: Sequence[AttributeChange], *, indent: int) -> Iterator[str]:
        for head, together in groupby(attributes, key=lambda attribute: split_label(attribute)[0]):
            if head:
                yield f"{' ' * indent}{head}"
            for attribute in together:
                yield from self._attribute(attribute, indent=indent + 2 if head else indent)

    def _attribute(self, attribute: AttributeChange, *, indent: int) -> Iterator[str]:
        mark = sign(attribute)
        name = split_label(attribute)[1]
        value = transition(attribute) + ("  (forces replacement)" if attribute.forces_replacement else "")
        lead = " " * indent
        painted = f"{lead}{self._paint(mark, _SIGN_STYLES[mark])} {name}:"
        if indent + len(name) + len(value) + 4 <= self._width:
            yield f"{painted} {value}"
            return
        yield painted
        lines = list(self._wrap(value, indent=indent + 4, cut=True))
        yield from lines[:_LONGEST_VALUE_LINES]
        if len(lines) > _LONGEST_VALUE_LINES:
            left = len(lines) - _LONGEST_VALUE_LINES
            yield self._paint(f"{lead}    … {left} more line{'s' if left > 1 else ''}", "dim")

    def _table(self, changes: Sequence[Change], said: dict[str, str]) -> Iterator[str]:
        symbols = max(len(SYMBOLS[change.action]) for change in changes)
        widest = self._width * 45 // 100
        alone = [group[0] for group in folded(changes) if len(group) == 1]
        fitting = [len(name) for name in map(_table_name, alone) if len(name) <= widest]
        column = max(fitting, default=widest)
        for module, rows in groupby(changes, key=lambda change: change.module):
            group = list(rows)
            shared = set.intersection(*(set(change.reasons) for change in group))
            why = f"   Why: {printable('; '.join(sorted(shared)))}." if shared else ""
            yield from self._wrap(f"{printable(module) or '(root module)'}{why}", indent=4, first="  ")
            for instances in folded(group):
                change = instances[0]
                if len(instances) > 1:
                    yield from self._folded(instances)
                else:
                    yield from self._row(change, column, 4 + symbols + 1)
                yield from self._notes(change, said, shared)

    def _folded(self, instances: Sequence[Change]) -> Iterator[str]:
        names = [_table_name(change) for change in instances]
        resource = names[0].partition('["')[0]
        keys = _listed(name.removeprefix(f'{resource}["').removesuffix('"]') for name in names)
        yield f"    {self._symbol(instances[0])} {resource}  ×{len(instances)}"
        yield from self._wrap(keys, indent=8, style="dim")

    def _row(self, change: Change, column: int, start: int) -> Iterator[str]:
        name = _table_name(change)
        row = f"    {self._symbol(change)} {name}"
        cell = start + column + 2
        facts = list(self._facts(change, self._width - cell))
        beside = self._width - start - len(name) - 2
        if len(name) <= column and facts:
            yield f"{row}{' ' * (column - len(name) + 2)}{self._paint(facts.pop(0), 'dim')}"
        elif facts and len(whole := " ".join(facts)) <= beside:
            yield f"{row}  {self._paint(whole, 'dim')}"
            return
        else:
            yield row
        yield from (f"{' ' * cell}{self._paint(line, 'dim')}" for line in facts)

    def _notes(self, change: Change, said: dict[str, str], shared: set[str]) -> Iterator[str]:
        yield from self._consequence(change, said, indent=8)
        for reason in change.reasons:
            if reason not in shared:
                yield from self._wrap(f"Why: {printable(reason)}.", indent=8)
        if change.previous_address:
            yield from self._wrap(f"was {printable(change.previous_address)}", indent=8)
        if change.imported_id:
            yield from self._wrap(f"imported: {printable(change.imported_id)}", indent=8)
        if change.deposed:
            yield from self._wrap(f"left-over object {change.deposed}", indent=8)

    def _consequence(self, change: Change, said: dict[str, str], *, indent: int) -> Iterator[str]:
        told = " ".join(change.consequence)
        if told != said.get(change.address):
            yield from self._wrap(told, indent=indent)

    def _facts(self, change: Change, width: int) -> Iterator[str]:
        facts = [f"{fact.label} {shown_value(fact.value)}" for fact in facts_of(change)]
        glued = [fact.replace(" ", _GLUE) if len(fact) < width else fact for fact in facts]
        for line in textwrap.wrap(", ".join(glued), width, break_on_hyphens=False):
            yield line.replace(_GLUE, " ")

    def _cost(self, cost: Cost | None) -> Iterator[str]:
        if cost is None or not cost.lines:
            return
        yield from self._wrap(f"Cost: {headline_of_cost(cost)}", indent=2, first="", style="bold")
        yield from self._wrap(" ".join(remarks_of_cost(cost)), indent=2, style="dim")
        rows = cost_rows(cost)
        column = max((len(row.named) for row in rows), default=0)
        for row in rows:
            yield f"  {row.group:<8} {printable(row.named):<{column}}  {row.figures}"
        if lacking := missing(cost):
            listed = "; ".join(map(printable, lacking))
            yield from self._wrap(f"Not known, and in no sum: {listed}.", indent=4, first="  ")
        if used := by_use(cost):
            listed = "; ".join(printable(f"{row.named} ({row.basis})") for row in used)
            yield from self._wrap(f"Billed by use, and in no sum: {listed}.", indent=4, first="  ")

    def _outputs(self, outputs: Sequence[OutputChange]) -> Iterator[str]:
        if not outputs:
            return
        yield self._paint(f"Outputs ({len(outputs)})", "bold")
        for output in outputs:
            change = AttributeChange(output.name, output.name, output.before, output.after)
            yield from self._attribute(change, indent=2)

    def _drift(self, drift: Drift) -> Iterator[str]:
        if drift.answered:
            title = f"Changed outside Terraform, and touched by this plan ({len(drift.answered)})"
            yield self._paint(title, "bold")
        for change in drift.answered:
            yield f"  {self._symbol(change)} {printable(change.address)}{self._marks(change)}"
            if change.action is not Action.DELETE:
                yield from self._attributes(attributes_of(change, drift=True).lines, indent=6)

    def _tail(self, review: Review) -> Iterator[str]:
        if left := drifted(review).left:
            listed = _listed(change.address for change in left)
            told = f"Differs from what was last recorded, not set back by this plan ({len(left)}): {listed}"
            yield from self._wrap(told, indent=2, first="", style="dim")
        if reading := reads(review):
            listed = _listed(reading)
            yield from self._wrap(f"Read during apply ({len(reading)}): {listed}", indent=2, first="")
        if review.counts.unchanged and not review.nothing_to_do:
            yield self._paint(f"{review.counts.unchanged} unchanged.", "dim")
        if any(change.data_bearing for section in sections(review) for change in section.changes):
            yield self._paint(f"{_DATA_MARK} holds data that Terraform can't make again.", "dim")

    def _symbol(self, change: Change) -> str:
        symbol = "+/-" if change.create_before_destroy else SYMBOLS[change.action]
        return self._paint(symbol, _SIGN_STYLES.get(symbol, "cyan"))

    def _marks(self, change: Change) -> str:
        marks = f"  {self._paint(_DATA_MARK, 'cyan')}" if change.data_bearing else ""
        if change.deposed:
            marks += f"  (left-over object {change.deposed})"
        if change.imported_id:
            marks += f"  (imported: {printable(change.imported_id)})"
        if change.previous_address and change.action is not Action.MOVE:
            marks += f"  (was {printable(change.previous_address)})"
        return marks


def _table_name(change: Change) -> str:
    """The address inside its module, and the mark of what holds data."""
    local = change.address.removeprefix(f"{change.module}.") if change.module else change.address
    return printable(local) + (f" {_DATA_MARK}" if change.data_bearing else "")


def _listed(items: Iterable[str]) -> str:
    """Items with commas between, none of which is broken at a blank of its own."""
    return ", ".join(printable(item).replace(" ", _GLUE) for item in items)
