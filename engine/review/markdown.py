"""The review as Markdown, for the comment on a merge request. Values never become markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
    headline,
    reads,
    remarks,
    sections,
    split_label,
)

_LONGEST_VALUE = 400


def render_markdown(review: Review) -> str:
    """The whole review as GitLab- and GitHub-flavoured Markdown, ending in a newline.

    What needs no second look (what is created, drift, outputs) folds away.
    """
    parts = [f"### {plain_text(headline(review))}"]
    if review.risk is not Risk.NONE:
        because = f": {plain_text('; '.join(review.risk_reasons))}" if review.risk_reasons else ""
        parts.append(f"**Risk: {review.risk.value}**{because}")
    parts += ["\n".join(_findings(review.findings))]
    parts += ["\n".join(_section(section)) for section in sections(review)]
    parts.append("\n".join(_cost(review.cost)))
    parts += ["\n".join(_outputs(review.outputs)), "\n".join(_drift(drifted(review)))]
    parts.append("\n".join(_tail(review)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for remark in remarks(findings):
        finding = remark.finding
        named = ", ".join(code_span(address) for address in remark.addresses if address)
        where = f" {named}:" if named else ""
        against = " · refuses the apply" if finding.stands_against else ""
        waived = f"**Waived**: {plain_text(finding.waived)} " if finding.waived else ""
        yield (
            f"- **{finding.severity.value}** · {finding.rule}{against} ·{where} "
            f"{plain_text(finding.message)} {waived}_{plain_text(finding.hint)}_"
        )


def _section(section: Section) -> Iterator[str]:
    title = f"{section.title} ({len(section.changes)})"
    if section.detailed:
        yield f"#### {title}"
        for group in alike(section.changes):
            yield ""
            yield from _detailed(group)
        return
    yield from _folded(title, list(_table(section.changes)))


def _detailed(group: Sequence[Change]) -> Iterator[str]:
    first = group[0]
    for change in group:
        yield f"- {code_span(_symbol(change))} {code_span(change.address)}{_marks(change)}"
    told = [*first.consequence, *(f"Why: {reason}." for reason in first.reasons)]
    if told:
        yield f"  <br>{plain_text(' '.join(told))}"
    shown = attributes_of(first)
    if first.action is Action.DELETE:
        yield from (f"  <br>{fact}" for fact in [_facts(first)] if fact)
        return
    if shown.lines:
        yield ""
        yield from (f"  {line}" for line in _diff(shown.lines))
    if shown.unknown:
        yield ""
        yield f"  Known after apply: {', '.join(code_span(label) for label in shown.unknown)}"


def _diff(attributes: Sequence[AttributeChange]) -> list[str]:
    """A fenced block; its marks are coloured by GitLab: - red, + green, ! amber."""
    colours = {"+": "+", "-": "-", "~": "!"}
    lines = [
        f"{colours[sign(a)]} {'.'.join(filter(None, split_label(a)))}: {_cut(transition(a))}"
        + ("  (forces replacement)" if a.forces_replacement else "")
        for a in attributes
    ]
    # Each line starts with its mark, so no value can stand where a closing fence would.
    return ["```diff", *lines, "```"]


def _table(changes: Sequence[Change]) -> Iterator[str]:
    yield "| | Address | |"
    yield "|---|---|---|"
    for change in changes:
        was = [f"was {code_span(change.previous_address)}"] if change.previous_address else []
        why = [plain_text(f"Why: {reason}.") for reason in change.reasons]
        notes = [_facts(change), *was, *map(plain_text, change.consequence), *why]
        told = "<br>".join(note for note in notes if note)
        cells = (code_span(_symbol(change)), code_span(change.address) + _marks(change), told)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cost(cost: Cost | None) -> Iterator[str]:
    if cost is None or not cost.lines:
        return
    yield f"**Cost**: {plain_text(headline_of_cost(cost))}"
    yield ""
    lines = ["| | USD per hour | |", "|---|---|---|"]
    for row in cost_rows(cost):
        cells = (plain_text(f"{row.group}: {row.named}"), plain_text(row.figures), plain_text(row.basis))
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if lacking := missing(cost):
        lines += ["", f"Not known, and in no sum: {'; '.join(map(plain_text, lacking))}."]
    if used := by_use(cost):
        listed = "; ".join(plain_text(f"{row.named} ({row.basis})") for row in used)
        lines += ["", f"Billed by use, and in no sum: {listed}."]
    lines += ["", plain_text(" ".join(remarks_of_cost(cost)))]
    yield from _folded("What it is made of", lines)


def _outputs(outputs: Sequence[OutputChange]) -> Iterator[str]:
    if outputs:
        lines = [AttributeChange(o.name, o.name, o.before, o.after) for o in outputs]
        yield from _folded(f"Outputs ({len(outputs)})", _diff(lines))


def _drift(drift: Drift) -> Iterator[str]:
    if not drift.answered:
        return
    lines: list[str] = []
    for change in drift.answered:
        lines.append(f"- {code_span(_symbol(change))} {code_span(change.address)}{_marks(change)}")
        shown = attributes_of(change, drift=True).lines
        if shown and change.action is not Action.DELETE:
            lines += ["", *(f"  {line}" for line in _diff(shown)), ""]
    title = f"Changed outside Terraform, and touched by this plan ({len(drift.answered)})"
    yield from _folded(title, lines)


def _tail(review: Review) -> Iterator[str]:
    if left := drifted(review).left:
        listed = ", ".join(code_span(change.address) for change in left)
        yield f"Differs from what was last recorded, not set back by this plan: {listed}"
        yield ""
    if reading := reads(review):
        yield f"Read during apply: {', '.join(code_span(address) for address in reading)}"
        yield ""
    if review.counts.unchanged and not review.nothing_to_do:
        yield f"{review.counts.unchanged} unchanged. Terraform {plain_text(review.terraform_version)}."


def _folded(title: str, lines: Sequence[str]) -> Iterator[str]:
    # The blank line after the summary is what makes GitLab read the rest as Markdown.
    yield from (f"<details><summary>{plain_text(title)}</summary>", "", *lines, "", "</details>")


def _facts(change: Change) -> str:
    return ", ".join(f"{fact.label} {code_span(_cut(shown_value(fact.value)))}" for fact in facts_of(change))


def _marks(change: Change) -> str:
    marks = " **holds data**" if change.data_bearing else ""
    if change.deposed:
        marks += f" (left-over object {code_span(change.deposed)})"
    if change.imported_id:
        marks += f" (imported: {code_span(change.imported_id)})"
    if change.previous_address and change.action in (Action.UPDATE, Action.REPLACE):
        marks += f" (was {code_span(change.previous_address)})"
    return marks


def _symbol(change: Change) -> str:
    return "+/-" if change.create_before_destroy else SYMBOLS[change.action]


def code_span(text: str) -> str:
    """A code span: whatever the text holds, it stays text."""
    text = printable(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def plain_text(text: str) -> str:
    """Prose with everything escaped that Markdown, HTML or a mention could make of it."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!&$])", r"\\\1", printable(text))
    # GitLab looks for mentions after Markdown is done, so no backslash stops one.
    return escaped.replace("@", "@\u200b")


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
