"""Where figures are kept: each part of the bench has its own section of docs/performance.md and .json.

The page holds `<!-- bench: PART begin -->` and `end` for each part; all between them is written anew when
that part is measured, and nothing else. The JSON has the part's figures under `parts`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.measure import FIELDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance.json"


def machine(**more: Any) -> dict[str, Any]:
    """The machine, at this moment, and what else should be known of a measurement."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": memory,
        "load_before": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **more,
    }


def known(part: str) -> dict[str, Any]:
    """What an earlier run wrote of a part, with the machine under `machine`; {} when there was none."""
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    found: dict[str, Any] = results.get("parts", {}).get(part, {})
    return found


def write(part: str, about: Mapping[str, Any], figures: Mapping[str, Any], text: str) -> None:
    """Write a part's section anew; the page must have its two marks.

    about     what `machine` gives
    figures   JSON-ready
    text      Markdown: the tables
    """
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    parts = {**known.get("parts", {}), part: {"machine": dict(about), **figures}}
    RESULTS.write_text(json.dumps({"parts": dict(sorted(parts.items()))}, indent=2) + "\n", "utf-8")
    page = PAGE.read_text("utf-8")
    begin, end = f"<!-- bench: {part} begin -->", f"<!-- bench: {part} end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has no section {begin} ... {end}")
    PAGE.write_text(f"{before}{begin}\n{_said(about)}\n\n{text}\n{end}{after}", "utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def costs_table(scenarios: Mapping[str, Any]) -> str:
    """What `measure.summary` gives, by scenario."""
    rows: list[Sequence[object]] = []
    for scenario, found in scenarios.items():
        for side in (name for name in found if name != "ratio"):
            cells = [cell(found[side][field]) for field in FIELDS]
            rows.append([scenario, side, *cells])
        if "ratio" in found:
            rows.append(["", "**ratio**", *(f"**{found['ratio'][field]}**" for field in FIELDS)])
    return table(["Scenario", "Side", "Wall s: median (min–max)", "CPU s", "Peak anonymous MB"], rows)


def cell(spread: Mapping[str, float]) -> str:
    return f"{spread['median']} ({spread['min']}–{spread['max']})"


def _said(about: Mapping[str, Any]) -> str:
    told = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in about.items() if name != "measured"
    )
    return f"Measured {about['measured']}: {told}."
