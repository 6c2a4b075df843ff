"""What the soak expects: a small model of every project, and what the account holds by it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Kinds = Counter[str]
# Versions and contents, not things; bucket and workspace decide about them.
_NOT_COUNTED = ("s3:object",)
_CLUSTER_LOG = "logs:log-group"
_LOGS_OF_A_CLUSTER = 2  # of its nodes, and of the function that cleans up after it
# Calls that make one thing of a project each time it is brought up, and of those the ones that stay parked.
MADE_EACH_TIME = ("cloudformation:CreateStack", "ec2:CreateSubnet", "efs:CreateMountTarget")
# Not CreateBucket: S3 in us-east-1 says yes once more to the owner, so a lost answer counts twice. That each
# project has one bucket is seen by what the account holds.
MADE_ONCE = ("efs:CreateFileSystem",)


class Is(StrEnum):
    """How a project is."""

    ABSENT = "absent"
    READY = "ready"
    PARKED = "parked"


class Wishes(StrEnum):
    """What is asked of one."""

    PROVISION = "provision"
    REPEAT = "repeat"
    UPDATE = "update"
    RELEASE = "release"
    PURGE = "purge"


# What may be asked, how often, and what comes of it.
_STEPS: Mapping[Is, tuple[tuple[Wishes, int, Is], ...]] = {
    Is.ABSENT: ((Wishes.PROVISION, 1, Is.READY),),
    Is.READY: (
        (Wishes.REPEAT, 6, Is.READY),
        (Wishes.UPDATE, 2, Is.READY),
        (Wishes.RELEASE, 2, Is.PARKED),
    ),
    Is.PARKED: (
        (Wishes.RELEASE, 3, Is.PARKED),
        (Wishes.PROVISION, 1, Is.READY),
        (Wishes.PURGE, 2, Is.ABSENT),
    ),
}


@dataclass
class Project:
    """One project of the model.

    max_nodes    grows with each update: AWS refuses to take nodes away while the fleet runs
    brought_up   clusters it has had since it was made from nothing; the log groups of each stay
    """

    vlab_id: str
    project_id: str
    state: Is = Is.ABSENT
    max_nodes: int = 8
    brought_up: int = 0

    @property
    def name(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    def spec(self) -> dict[str, Any]:
        return {
            "vlab_id": self.vlab_id,
            "project_id": self.project_id,
            "tier": "debug",
            "storage": {"kind": "efs"},
            "compute": {"max_nodes": self.max_nodes},
        }


@dataclass
class Model:
    """What has been asked and fulfilled so far.

    brought_up   how often a project was brought up
    made         how often one was made from nothing
    """

    projects: list[Project]
    brought_up: int = 0
    made: int = 0
    fulfilled: Counter[str] = field(default_factory=Counter)

    def choose(self, chance: random.Random, project: Project) -> Wishes:
        """What is asked of the project next."""
        steps = _STEPS[project.state]
        wish = chance.choices([step[0] for step in steps], [step[1] for step in steps])[0]
        if wish is Wishes.UPDATE:
            project.max_nodes += 1
        return wish

    def fulfil(self, project: Project, wish: Wishes) -> None:
        """The wish has come true."""
        after = next(step[2] for step in _STEPS[project.state] if step[0] is wish)
        if after is Is.READY and project.state is not Is.READY:
            self.brought_up += 1
            self.made += project.state is Is.ABSENT
            project.brought_up += 1
        if after is Is.ABSENT:
            project.brought_up = 0
        project.state = after
        self.fulfilled[wish] += 1

    def expected(self, ready: Kinds, parked: Kinds) -> Kinds:
        """How many things of each kind there are beyond what was there before.

        ready, parked   the same for one project that is so, and has been brought up once
        """
        total: Kinds = Counter()
        for project in self.projects:
            if project.state is not Is.ABSENT:
                total.update(ready if project.state is Is.READY else parked)
                total[_CLUSTER_LOG] += _LOGS_OF_A_CLUSTER * (project.brought_up - 1)
        return total

    def expected_calls(self) -> dict[str, int]:
        """How often each creating call was carried out, if nothing was made twice."""
        return dict.fromkeys(MADE_EACH_TIME, self.brought_up) | dict.fromkeys(MADE_ONCE, self.made)


def kinds(inventory: Iterable[Mapping[str, Any]]) -> Kinds:
    """How many things of each kind there are beyond the seed."""
    return Counter(
        f"{item['service']}:{item['type']}"
        for item in inventory
        if not item["seeded"] and f"{item['service']}:{item['type']}" not in _NOT_COUNTED
    )


def differences(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """One line for each kind of which there is another number than expected."""
    return [
        f"{kind}: {found.get(kind, 0)}, not {expected.get(kind, 0)}"
        for kind in sorted({*expected, *found})
        if expected.get(kind, 0) != found.get(kind, 0)
    ]
