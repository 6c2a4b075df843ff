"""Where the time of one provision goes, as a picture (docs/profile.svg) and a table; and the floor below it.

The floor is an empty plan with the AWS provider: a root that holds nothing but its configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.generate.svg import LINE, Box, Drawing
from engine.workspace.stack import PROVIDER_VERSIONS
from tests.bench import report
from tests.bench.measure import Cost, measure, run, summary
from tests.bench.workplace import Workplace, workplace

PART = "profile"
PICTURE = report.ROOT / "docs" / "profile.svg"
# The rows of the picture: what is shown, and of which parts and commands it is made.
ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Python and imports", "start", ()),
    ("AWS, asked by the engine", "AWS, by the engine", ()),
    ("rendering", "rendering", ()),
    ("terraform init", "Terraform", ("init",)),
    ("waiting for the provider's start", "provider start", ()),
    ("terraform plan", "Terraform", ("plan",)),
    ("    of it reading and refreshing", "refresh", ()),
    ("terraform show", "Terraform", ("show",)),
    ("review and reports", "review", ()),
    ("terraform apply", "Terraform", ("apply",)),
    ("    of it resources", "resource", ()),
    ("    of it waiting for AWS", "waiting", ()),
)
Trace = Sequence[Mapping[str, Any]]
Span = tuple[float, float]


def main(repetitions: int) -> None:
    with workplace() as place:
        tools = place.tools
        # Each command is traced once; the floor alone is measured more often.
        counts = {"repetitions": 1, "repetitions_of_the_floor": repetitions}
        about = report.machine(**{tools.product: tools.version, **counts})
        spec = place.spec()
        place.provisioner("plan", place.spec("other", project_id="other"))  # home knows the provider
        traces = {
            "provision": _traced(place, "apply", spec, "--yes"),
            "plan, nothing changed": _traced(place, "plan", spec),
        }
        floor = summary(measure({"empty plan": _empty_plan(place)}, repetitions))
    PICTURE.write_text(picture(traces["provision"]), "utf-8")
    figures = {"traces": traces, "floor": floor}
    report.write(PART, about, figures, _text(traces, floor))


def _traced(place: Workplace, *arguments: str | Path) -> Trace:
    out = place.base / "trace.json"
    command = [sys.executable, "-m", "tests.bench.traced", str(out), *map(str, arguments)]
    run([command], cwd=report.ROOT, env=place.env)
    trace: Trace = json.loads(out.read_text())
    return trace


def _empty_plan(place: Workplace) -> Callable[[], Cost]:
    folder = place.base / "empty"
    folder.mkdir()
    root = {
        "terraform": {
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": PROVIDER_VERSIONS}}
        },
        "provider": {"aws": {"region": place.cloud.region}},
        "data": {"aws_region": {"here": {}}},
    }
    (folder / "main.tf.json").write_text(json.dumps(root))
    lock = report.ROOT / "workspaces" / "bootstrap" / ".terraform.lock.hcl"
    (folder / lock.name).write_text(lock.read_text("utf-8"))
    terraform = str(place.tools.binary)
    run([[terraform, "init", "-input=false"]], cwd=folder, env=place.by_hand_env)
    return lambda: run([[terraform, "plan", "-input=false"]], cwd=folder, env=place.by_hand_env)


def spans(trace: Trace, part: str, details: tuple[str, ...]) -> list[Span]:
    """When a part was at work: what overlaps is one span."""
    found = sorted(
        (one["begin"], one["end"])
        for one in trace
        if one["part"] == part and (not details or one["detail"] in details)
    )
    merged: list[Span] = []
    for begin, end in found:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def seconds(found: Iterable[Span]) -> float:
    return round(sum(end - begin for begin, end in found), 2)


def picture(trace: Trace) -> str:
    """One bar for each time that a part was at work, from left to right."""
    whole = max(one["end"] for one in trace)
    left, right, row = 250.0, 880.0, LINE + 9.0
    rows = [(name, found) for name, part, details in ROWS if (found := spans(trace, part, details))]
    drawing = Drawing(
        "Where the time of one provision goes",
        "; ".join(f"{name.strip()}: {seconds(found)} s" for name, found in rows) + f"; whole: {whole:.1f} s",
        right + 80,
        30 + row * len(rows) + 2 * LINE,
    )
    scale = (right - left) / whole
    for number, (name, found) in enumerate(rows):
        y = 20 + row * number
        drawing.note(12 + (14 if name.startswith(" ") else 0), y + 13, name.strip())
        drawing.box("range", Box(left, y, right - left, row - 8))
        for begin, end in found:
            width = max(1.5, (end - begin) * scale)
            drawing.box(
                "vpc" if name.startswith(" ") else "kept", Box(left + begin * scale, y, width, row - 8)
            )
        drawing.note(right + 10, y + 13, f"{seconds(found):.1f} s")
    foot = 20 + row * len(rows) + LINE
    for at in _marks(whole):
        drawing.note(left + at * scale - 4, foot, f"{at:g} s")
    return drawing.render()


def _marks(whole: float) -> list[float]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 500) if whole / step <= 8)
    return [step * number for number in range(int(whole / step) + 1)]


def _text(traces: Mapping[str, Trace], floor: Mapping[str, Any]) -> str:
    rows = []
    for name, part, details in ROWS:
        cells = [seconds(spans(trace, part, details)) for trace in traces.values()]
        if any(cells):
            rows.append([name.replace("    ", "&emsp;"), *cells])
    rows.append(["**whole**", *(f"**{max(one['end'] for one in trace):.1f}**" for trace in traces.values())])
    empty = floor["empty plan"]
    return "\n\n".join(
        [
            "![Bars of what is at work when, from the start of the command to its end](profile.svg)",
            report.table(["Seconds", *traces], rows),
            "The floor: `terraform plan` of a root that holds the AWS provider and one data source, "
            f"initialised, takes {report.cell(empty['wall_s'])} s, {report.cell(empty['cpu_s'])} CPU s and "
            f"{report.cell(empty['memory_mb'])} MB.",
        ]
    )
