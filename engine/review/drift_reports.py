"""The drift of projects for the terminal, for a comment, for programs, and as one page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from engine.review.drift import Drifted, DriftReport, ProjectDrift, Standing, cloudtrail_link
from engine.review.html import page_environment
from engine.review.markdown import code_span, plain_text
from engine.review.model import Action
from engine.review.notation import printable, shown_value, transition
from engine.review.outline import SYMBOLS

FORMAT = 1
"""Grows by one when a field changes its meaning or goes; new fields alone don't count."""
_LONGEST_VALUE = 400
_TITLES = {
    Standing.DRIFTED: "Drifted",
    Standing.FAILED: "Could not be looked at",
    Standing.SKIPPED: "Skipped",
    Standing.CLEAN: "As they were left",
}


def headline_of_drift(report: DriftReport) -> str:
    """One sentence with the numbers."""
    if not report.projects:
        return "There are no projects."
    counts = [
        f"{len(report.having(standing))} {word}"
        for standing, word in (
            (Standing.DRIFTED, "drifted"),
            (Standing.CLEAN, "as they were left"),
            (Standing.SKIPPED, "skipped"),
            (Standing.FAILED, "could not be looked at"),
        )
        if report.having(standing)
    ]
    many = "project" if len(report.projects) == 1 else "projects"
    return f"Drift of {len(report.projects)} {many}: {', '.join(counts)}."


def drift_text(report: DriftReport) -> str:
    """The report as text, ending in a newline."""
    lines = [headline_of_drift(report)]
    for standing, title in _TITLES.items():
        found = report.having(standing)
        if found:
            lines += ["", title]
        for project in found:
            because = f": {printable(project.because)}" if project.because else ""
            lines.append(f"  {project.project}{because}{_quiet(project)}")
            if project.drifted:
                lines.append(f"    {_responsible(project)}")
            for one in project.drifted:
                lines += [f"    {line}" for line in _entry(one)]
                lines.append(f"        who: {_link(report, project, one)}")
    return "\n".join(lines) + "\n"


def drift_markdown(report: DriftReport) -> str:
    """The report as GitLab- and GitHub-flavoured Markdown, ending in a newline."""
    parts = [f"### {plain_text(headline_of_drift(report))}"]
    for standing, title in _TITLES.items():
        found = report.having(standing)
        if not found:
            continue
        lines = [f"**{title}**", ""]
        for project in found:
            because = f": {plain_text(project.because)}" if project.because else ""
            lines.append(f"- {code_span(project.project)}{because}{plain_text(_quiet(project))}")
            if project.drifted:
                lines.append(f"  {plain_text(_responsible(project))}")
            for one in project.drifted:
                lines.append(
                    f"  - {SYMBOLS[one.change.action]} {code_span(one.change.address)} "
                    f"[who?]({_link(report, project, one)}) {plain_text(' '.join(one.told))}".rstrip()
                )
                lines += [f"    - {code_span(text)}" for text in _attributes(one)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def drift_json(report: DriftReport) -> dict[str, Any]:
    """The report as JSON-ready values (docs/drift.schema.json)."""
    return {
        "format": FORMAT,
        "at": report.at.isoformat(),
        "account_id": report.account_id,
        "region": report.region,
        "summary": headline_of_drift(report),
        "exit_code": report.exit_code,
        "projects": [_project(report, one) for one in report.projects],
    }


def drift_html(report: DriftReport) -> str:
    """The report as one page that needs nothing else, ending in a newline."""
    style = files("engine.review").joinpath("templates", "review.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    groups = [
        (
            title,
            standing.value,
            [
                (
                    project,
                    _responsible(project),
                    [
                        (one, SYMBOLS[one.change.action], _rows(one), _link(report, project, one))
                        for one in project.drifted
                    ],
                )
                for project in report.having(standing)
            ],
        )
        for standing, title in _TITLES.items()
        if report.having(standing)
    ]
    return (
        page_environment()
        .get_template("drift.html.j2")
        .render(
            report=report,
            headline=headline_of_drift(report),
            groups=groups,
            style=Markup(style),  # noqa: S704 (ours, from the package)
            style_hash=f"sha256-{digest}",
        )
    )


def _project(report: DriftReport, project: ProjectDrift) -> dict[str, Any]:
    last = project.last_operation
    return {
        "project": project.project,
        "standing": project.standing.value,
        "because": project.because,
        "owner": project.owner,
        "last_operation": {**asdict(last), "finished_at": _moment(last.finished_at)} if last else None,
        "drifted": [
            {
                "address": one.change.address,
                "type": one.change.type,
                "id": one.id,
                "action": one.change.action.value,
                "holds_data": one.change.data_bearing,
                "told": list(one.told),
                "attributes": [
                    {"path": a.path, "before": a.before, "after": a.after, "sensitive": a.sensitive}
                    for a in _counting(one)
                ],
                "cloudtrail": _link(report, project, one),
            }
            for one in project.drifted
        ],
        "noise": [asdict(one) for one in project.noise],
    }


def _counting(one: Drifted) -> Iterator[Any]:
    """What is gone is told by that alone."""
    if one.change.action is Action.UPDATE:
        yield from one.change.attributes


def _entry(one: Drifted) -> Iterator[str]:
    named = f" ({one.id})" if one.id else ""
    yield f"{SYMBOLS[one.change.action]} {printable(one.change.address)}{printable(named)}"
    yield from (f"    {printable(text)}" for text in one.told)
    yield from (f"    {text}" for text in _attributes(one))


def _attributes(one: Drifted) -> list[str]:
    texts = (f"{printable(a.label)}: {transition(a)}" for a in _counting(one))
    return [text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …" for text in texts]


def _rows(one: Drifted) -> list[tuple[str, str | None, str | None]]:
    def side(value: Any) -> str | None:
        return None if value is None else shown_value(value)[:_LONGEST_VALUE]

    return [(printable(a.label), side(a.before), side(a.after)) for a in _counting(one)]


def _quiet(project: ProjectDrift) -> str:
    """How much was set aside."""
    return f" (differences that nobody made: {len(project.noise)})" if project.noise else ""


def _responsible(project: ProjectDrift) -> str:
    """Whom to ask: the owner; and since when it was not the engine."""
    last = project.last_operation
    engine = "the engine has done nothing that is recorded"
    if last is not None:
        when = f", ended {last.finished_at:%Y-%m-%d %H:%M UTC}" if last.finished_at else ""
        engine = f"the engine's last operation was {last.kind} by {printable(last.requested_by)}{when}"
    return f"Owner {printable(project.owner) or 'unknown'}; {engine}."


def _link(report: DriftReport, project: ProjectDrift, one: Drifted) -> str:
    since = project.last_operation.finished_at if project.last_operation else None
    return cloudtrail_link(report.region, one.id, since=since, until=report.at)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
