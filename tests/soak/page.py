"""The report of a soak: one page with figures, in Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.drive import Done, Soak


def write_page(
    path: Path,
    soak: Soak,
    problems: Sequence[str],
    *,
    began: datetime,
    machine: str,
    options: Mapping[str, Any],
) -> None:
    """options: of the command line."""
    path.write_text("\n".join(_page(soak, problems, began, machine, options)) + "\n", "utf-8")


def short(done: int, asked: int) -> str:
    """That a soak came to fewer operations than it was asked for; "" when it did not."""
    return f"{done} of {asked} asked for: time was up" if done < asked else ""


def _page(
    soak: Soak, problems: Sequence[str], began: datetime, machine: str, options: Mapping[str, Any]
) -> Iterable[str]:
    done = soak.done
    failed = [one for one in done if one.code]
    yield "# Soak\n"
    yield f"{began:%Y-%m-%d %H:%M} UTC, {machine}. `SOAK_SEED={soak.seed}` repeats the choices.\n"
    yield f"**{'Not as the model says.' if problems else 'As the model says; nothing was made twice.'}**\n"
    yield from (f"- {problem}" for problem in problems)
    yield ""
    yield from _table(
        ("Figure", "Value"),
        [
            ("operations", _operations(soak, options["operations"])),
            ("a minute", f"{60 * len(done) / soak.seconds:.1f}"),
            ("projects", str(len({one.project for one in done}))),
            ("fulfilled at once", str(sum(1 for one in done if one.runs == 1 and not one.code))),
            ("fulfilled after more runs", str(sum(1 for one in done if one.runs > 1 and not one.code))),
            ("failed truly, then asked again", str(len(failed))),
            ("of those fulfilled only in fair weather at the end", str(soak.settled)),
            ("kills (SIGKILL to worker, Terraform and provider)", str(sum(one.kills for one in done))),
            ("another wish in between, refused", str(soak.refusals)),
            ("projects ready / parked / absent at the end", _states(soak)),
            *_memory(soak),
        ],
    )
    yield "\n## Operations\n"
    yield from _table(
        ("Wish", "Asked", "Failed", "Median s", "Slowest s", "Most runs"),
        [
            _row(wish, [one for one in done if one.wish == wish])
            for wish in sorted({one.wish for one in done})
        ],
    )
    yield "\n## Weather\n"
    share = options["weather"]
    yield f"{share:.0%} of {soak.weather['calls']} AWS calls of the workers met trouble:\n"
    yield from _table(
        ("Trouble", "Calls"),
        [(name, str(count)) for name, count in sorted(soak.weather.items()) if name != "calls"],
    )
    if failed:
        yield "\n## Failures\n"
        codes = Counter(one.code for one in failed)
        yield from _table(("Code", "Operations"), [(code, str(count)) for code, count in codes.most_common()])


def _states(soak: Soak) -> str:
    counts = Counter(str(project.state) for project in soak.model.projects)
    return " / ".join(str(counts[name]) for name in ("ready", "parked", "absent"))


def _memory(soak: Soak) -> Iterable[tuple[str, str]]:
    if not soak.memory:
        return
    early, late = soak.quarters()
    most = max(megabytes for _, megabytes in soak.memory)
    yield (
        "memory of the worker that lived on: second quarter, last quarter, most",
        f"{early:.0f}, {late:.0f}, {most:.0f} MB over {len(soak.memory)} operations",
    )


def _row(wish: str, done: Sequence[Done]) -> tuple[str, ...]:
    seconds = [one.seconds for one in done]
    return (
        wish,
        str(len(done)),
        str(sum(1 for one in done if one.code)),
        f"{statistics.median(seconds):.1f}",
        f"{max(seconds):.1f}",
        str(max(one.runs for one in done)),
    )


def _operations(soak: Soak, asked: int) -> str:
    told = f"{len(soak.done)} in {soak.seconds / 60:.1f} min"
    return f"{told}; {missing}" if (missing := short(len(soak.done), asked)) else told


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
