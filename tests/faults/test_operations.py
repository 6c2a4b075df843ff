"""A project's whole life while AWS throttles, fails, answers late or loses its answers.

An operation ends true: with success only when the wish is reached, else with an error that says what to do,
and the same command goes on from there. Whatever was tried again, everything was made once.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.crash.killing import Operator, Run
from tests.crash.once import problems

pytestmark = [pytest.mark.faults, pytest.mark.terraform, pytest.mark.timeout(7200)]

SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
PROJECT = "lab-1/proj-1"
# So often a person, or a worker's queue, tries again while the weather is bad.
TRIES = 3
# Where every second answer is wrong, Terraform waits longer and longer between its tries.
WITHIN_S = 1500.0
# What tells that trying again makes no sense.
HOPELESS = (
    "TERRAFORM_ERROR",
    "INTERNAL_ERROR",
    "BAD_REQUEST",
    "ORPHAN_CONFLICT",
    "STATE_CORRUPT",
    "Traceback",
)


@dataclasses.dataclass
class Weathered:
    """Commands in bad weather, and how they went.

    runs, failures   commands begun, and those of them that failed
    """

    cloud: LocalCloud
    engine: Operator
    share: float
    runs: int = 0
    failures: int = 0

    def run(self, *arguments: str) -> Run:
        """The command until it succeeds; where the weather is too bad for that, at last in fair weather."""
        for _ in range(TRIES):
            self.cloud.weather(self.share, seed=SEED + self.runs)
            ended = self.engine.run(*arguments, within_s=WITHIN_S)
            print(f"run {self.runs} with {self.share:.0%} (seed {SEED + self.runs}): {ended.code}")
            print(f"  {self.cloud.weather_counts()}")
            self.cloud.weather(0)
            self.runs += 1
            if ended.code == 0:
                return ended
            self.failures += 1
            assert not any(word in ended.output for word in HOPELESS), ended.output
        return self.engine.run(*arguments).ok()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_life_in_bad_weather(
    share: float, engine: Operator, cloud: LocalCloud, backend: Cloud, spec: Callable[..., Path]
) -> None:
    print(f"FAULT_SEED={SEED}")
    patient = dataclasses.replace(engine, environ={**engine.environ, "PROVISIONER_AWS_ATTEMPTS": "8"})
    weathered = Weathered(cloud, patient, share)
    registry = Registry(backend, table="provisioner-registry")
    before = cloud.left_over()

    def phase() -> Phase | None:
        record = registry.get("lab-1", "proj-1")
        return record.phase if record else None

    # Up: each thing was made once, and there is nothing left to do.
    wanted = str(spec("efs"))
    weathered.run("apply", wanted, "--yes")
    assert phase() is Phase.READY
    assert problems(cloud, "efs") == []
    engine.run("plan", wanted, "--detailed-exitcode").ok()

    # Changed, in place.
    wanted = str(spec("efs", compute={"max_nodes": 16}))
    weathered.run("apply", wanted, "--yes")
    assert phase() is Phase.READY
    assert problems(cloud, "efs") == []
    engine.run("plan", wanted, "--detailed-exitcode").ok()

    # Given back, the data kept.
    backend.s3.put_object(Bucket=_bucket(cloud), Key="private/result.txt", Body=b"42")
    weathered.run("release", PROJECT, "--yes")
    assert phase() is Phase.PARKED
    assert backend.s3.get_object(Bucket=_bucket(cloud), Key="private/result.txt")["Body"].read() == b"42"
    # A deletion may be asked for twice, as its answer may be lost; nothing is there twice, or still there.
    left = {one["type"] for one in cloud.inventory() if not one["seeded"]}
    assert not left & {"subnet", "instance", "stack"}

    # Gone.
    weathered.run("destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT)
    assert phase() is None
    assert cloud.left_over() == before
    print(f"{share:.0%}: {weathered.runs} commands, {weathered.failures} of them failed")


def _bucket(cloud: LocalCloud) -> str:
    return next(
        one["name"]
        for one in cloud.inventory()
        if one["type"] == "bucket" and not one["seeded"] and "state" not in one["name"]
    )
