"""Many projects: `provisioner plan --all`, and the same plans by hand, one after the other.

Each side comes to workspaces without .terraform, as in a pipeline. Half of the projects have Lustre. Numbers
of projects that are not measured this time keep their figures.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from engine.model.settings import Settings
from engine.operations.many import pool_size
from tests.bench import report
from tests.bench.measure import Cost, measure, summary, swapped_pages
from tests.bench.workplace import Workplace, workplace

PART = "many-projects"
SIZES = (1, 8, 40)
_LARGE = 20


class Projects:
    """So many projects, planned by both sides."""

    def __init__(self, place: Workplace, count: int) -> None:
        self.place = place
        self.specs = place.base / f"specs-{count}"
        self.files = [
            place.spec(
                f"specs-{count}/{number}",
                vlab_id=f"lab-{number % 4}",
                project_id=f"proj-{count}-{number}",
                storage={"kind": "lustre" if number % 2 else "efs"},
            )
            for number in range(count)
        ]
        self.plan()
        self.folders = [place.workspace(file) for file in self.files]
        self.hands = [place.copy(folder, self._hand(folder)) for folder in self.folders]

    def plan(self) -> Cost:
        return self.place.provisioner("plan", "--all", self.specs)

    def plan_first(self) -> Cost:
        for folder in self.folders:
            shutil.rmtree(folder)
        return self.plan()

    def by_hand_first(self) -> Cost:
        for hand in self.hands:
            shutil.rmtree(hand / ".terraform", ignore_errors=True)
        return self.place.by_hand(*self.hands)

    def _hand(self, folder: Path) -> Path:
        return self.place.base / "by-hand" / folder.name


def main(repetitions: int, sizes: tuple[int, ...] = SIZES) -> None:
    before = swapped_pages()
    workers = pool_size(Settings())
    figures: dict[str, Any] = report.known(PART).get("projects", {})
    with workplace() as place:
        tools = place.tools
        about = report.machine(**{tools.product: tools.version, "workers": workers})
        for count in sizes:
            projects = Projects(place, count)
            sides = {"provisioner": projects.plan_first, "by hand": projects.by_hand_first}
            # One run of forty is forty measurements, and takes ten minutes.
            runs = min(repetitions, 3) if count > _LARGE else repetitions
            found = {"measured": about["measured"], "repetitions": runs, **summary(measure(sides, runs))}
            busy = min(workers, count)
            found["projects_per_minute"] = {
                side: round(60 * count / found[side]["wall_s"]["median"], 1) for side in sides
            }
            found["memory_mb_per_worker"] = round(found["provisioner"]["memory_mb"]["max"] / busy, 1)
            figures[str(count)] = found
    about["pages_swapped"] = swapped_pages() - before
    report.write(PART, about, {"projects": figures}, _tables(figures))


def _tables(figures: dict[str, Any]) -> str:
    rows = []
    for count, found in sorted(figures.items(), key=lambda one: int(one[0])):
        pace = found["projects_per_minute"]
        for side in ("by hand", "provisioner"):
            rows.append(
                [
                    count,
                    f"{found['repetitions']}, {found['measured']}",
                    side,
                    report.cell(found[side]["wall_s"]),
                    report.cell(found[side]["cpu_s"]),
                    pace[side],
                    report.cell(found[side]["memory_mb"]),
                    found["memory_mb_per_worker"] if side == "provisioner" else "",
                ]
            )
        throughput = round(pace["provisioner"] / pace["by hand"], 2)
        rows.append(
            [
                "",
                "",
                "**ratio**",
                f"**{found['ratio']['wall_s']}**",
                f"**{found['ratio']['cpu_s']}**",
                f"**{throughput} ×**",
                f"**{found['ratio']['memory_mb']}**",
                "",
            ]
        )
    return report.table(
        [
            "Projects",
            "Runs",
            "Side",
            "Wall s: median (min–max)",
            "CPU s",
            "Projects a minute",
            "Peak anonymous MB",
            "MB per worker",
        ],
        rows,
    )
