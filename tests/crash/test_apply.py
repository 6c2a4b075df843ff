"""An apply is killed, engine, Terraform and provider at once, and then simply run again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.local.server import LocalCloud
from tests.crash.killing import Operator, arrives, changing_call
from tests.crash.once import problems

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**6))
POINTS = int(os.environ.get("CRASH_POINTS") or 40)
# Changing calls of a whole apply, those on locks and records among them.
CALLS = {"efs": 60, "lustre": 90}


def check(engine: Operator, cloud: LocalCloud, wanted: Path, storage: str) -> None:
    """The next run reaches the wish, nothing was made twice, and there is nothing left to do."""
    engine.run("apply", str(wanted), "--yes").ok()
    assert problems(cloud, storage) == []
    engine.run("plan", str(wanted), "--detailed-exitcode").ok()


def test_one_project_is_killed_three_times(
    engine: Operator, cloud: LocalCloud, spec: Callable[..., Path], unlock: Callable[[], None]
) -> None:
    # GIVEN runs that die with a call on the wire: the file system, a mount target's and the cluster's
    wanted = spec("efs")
    for point in (
        arrives("efs", "CreateFileSystem"),
        arrives("ec2", "AuthorizeSecurityGroupEgress"),
        arrives("cloudformation", "DescribeStacks", times=6),
    ):
        assert engine.run_until(point, "apply", str(wanted), "--yes").killed
        unlock()

    # THEN the fourth ends what they began
    check(engine, cloud, wanted, "efs")


def _points(storage: str, share: int) -> list[int]:
    return random.Random(f"{SEED} {storage}").sample(range(1, CALLS[storage]), share)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("storage", "number"),
    [
        pytest.param(storage, number, id=f"{storage}-{number}")
        for storage, share in (("efs", POINTS - POINTS // 4), ("lustre", POINTS // 4))
        for number in _points(storage, share)
    ],
)
def test_a_killed_apply_goes_on(
    storage: str,
    number: int,
    engine: Operator,
    cloud: LocalCloud,
    spec: Callable[..., Path],
    unlock: Callable[[], None],
) -> None:
    print(f"CRASH_SEED={SEED}, at changing call {number}")
    wanted = spec(storage)
    engine.run_until(changing_call(number), "apply", str(wanted), "--yes")
    unlock()
    check(engine, cloud, wanted, storage)
