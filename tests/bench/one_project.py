"""From a spec to a review, and to what was reviewed: by `provisioner`, and by Terraform by hand.

Both work on the same workspace against the same local cloud, alternating in random order. By hand means
what a careful person types: `terraform init`, `validate`, `plan -out` and `show -json`, and then `apply`.
The first time, there is no .terraform; again, all is as the time before left it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench import report
from tests.bench.measure import Cost, measure, summary, swapped_pages
from tests.bench.workplace import Workplace, workplace

PART = "one-project"
# As many as the queue of the spec's tier has.
_NODES = 8


class OneProject:
    """One project, planned and applied by both sides."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.spec = place.spec()
        place.provisioner("plan", self.spec)
        self.folder = place.workspace(self.spec)
        self.hand = place.base / "by-hand"

    def plan(self) -> Cost:
        return self.place.provisioner("plan", self.spec)

    def plan_first(self) -> Cost:
        shutil.rmtree(self.folder)
        return self.plan()

    def by_hand(self) -> Cost:
        return self.place.by_hand(self.hand)

    def by_hand_first(self) -> Cost:
        self.place.copy(self.folder, self.hand)
        return self.by_hand()

    def make(self, changes: int) -> None:
        """Apply it for the first time, and prepare so many changes of it.

        Each adds a node to a queue: to take one away, AWS wants the fleet stopped.
        """
        self.place.provisioner("apply", self.spec, "--yes")
        self.place.copy(self.folder, self.hand, initialised=True)
        sizes = range(_NODES + 1, _NODES + 1 + changes)
        specs = [self.place.spec(f"size-{size}", compute={"max_nodes": size}) for size in sizes]
        self.changes: list[tuple[Path, Path]] = []
        for spec in specs:
            self.place.provisioner("plan", spec)
            self.changes.append((spec, self.place.copy(self.folder, self.place.base / spec.stem)))
        self.changed_by_hand = self.place.copy(self.folder, self.place.base / "changed", initialised=True)
        self.place.by_hand(self.changed_by_hand)
        self.changes.reverse()

    def apply_nothing(self) -> Cost:
        return self.place.provisioner("apply", self.spec, "--yes")

    def apply_nothing_by_hand(self) -> Cost:
        return self.place.by_hand(self.hand, apply=True)

    def change(self) -> Cost:
        spec, _ = self.changes.pop()
        return self.place.provisioner("apply", spec, "--yes")

    def change_by_hand(self) -> Cost:
        _, workspace = self.changes.pop()
        shutil.copytree(workspace, self.changed_by_hand, symlinks=True, dirs_exist_ok=True)
        return self.place.by_hand(self.changed_by_hand, apply=True)


def main(repetitions: int) -> None:
    before = swapped_pages()
    with workplace() as place:
        tools = place.tools
        about = report.machine(**{tools.product: tools.version, "repetitions": repetitions})
        one = OneProject(place)
        scenarios = {
            "spec to review, first time": {"provisioner": one.plan_first, "by hand": one.by_hand_first},
            "spec to review, again unchanged": {"provisioner": one.plan, "by hand": one.by_hand},
        }
        found = {name: summary(measure(sides, repetitions)) for name, sides in scenarios.items()}
        one.make(changes=2 * repetitions)
        scenarios = {
            "apply, nothing to change": {
                "provisioner": one.apply_nothing,
                "by hand": one.apply_nothing_by_hand,
            },
            "apply, one queue resized": {"provisioner": one.change, "by hand": one.change_by_hand},
        }
        found |= {name: summary(measure(sides, repetitions)) for name, sides in scenarios.items()}
    about["pages_swapped"] = swapped_pages() - before
    report.write(PART, about, {"scenarios": found}, report.costs_table(found))
