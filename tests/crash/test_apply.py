"""An apply is killed, engine, Terraform and provider at once, and then simply run again."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.local.calls import Request
from engine.local.server import LocalCloud
from tests.crash.killing import Operator, arrives, changing_call
from tests.crash.once import problems

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

# Test processes that share a run must choose the same points.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
SEED = int(os.environ.get("CRASH_SEED") or int(RUN[:5], 16))
POINTS = int(os.environ.get("CRASH_POINTS") or 40)
# Changing calls of a whole apply, those on locks and records among them.
CALLS = {"efs": 55, "lustre": 85}
# In the middle of the cluster's creation: engine and provider ask for its stack before and after CreateStack.
WHILE_THE_CLUSTER_COMES_UP = ("cloudformation", "DescribeStacks", 6)


def check(engine: Operator, cloud: LocalCloud, wanted: Path, storage: str) -> None:
    """The next run reaches the wish, nothing was made twice, and there is nothing left to do."""
    engine.run("apply", str(wanted), "--yes").ok()
    assert problems(cloud, storage) == []
    engine.run("plan", str(wanted), "--detailed-exitcode").ok()


def _points(storage: str, share: int) -> list[int]:
    # Text, since a tuple's hash differs from process to process.
    return random.Random(f"{SEED} {storage}").sample(range(1, CALLS[storage]), share)


def test_one_project_is_killed_twice(engine: Operator, cloud: LocalCloud, spec: Callable[..., Path]) -> None:
    """The short random part of the suite, in one project: killed anywhere, and once more while its cluster
    comes up, or shortly before that."""
    chance = random.Random(SEED)
    number, looks = chance.randrange(1, CALLS["efs"]), chance.randrange(3, 9)
    print(f"CRASH_SEED={SEED}: killed at changing call {number} and at look {looks} at a stack")
    wanted = spec("efs")
    for point in (changing_call(number), arrives("cloudformation", "DescribeStacks", times=looks)):
        engine.run_until(point, "apply", str(wanted), "--yes")
    check(engine, cloud, wanted, "efs")


@pytest.mark.crash
@pytest.mark.parametrize(
    ("storage", "service", "operation", "times"),
    [
        ("efs", "s3", "CreateBucket", 1),
        ("efs", "efs", "CreateFileSystem", 1),
        ("efs", "ec2", "RevokeSecurityGroupEgress", 1),
        ("efs", *WHILE_THE_CLUSTER_COMES_UP),
        ("lustre", "fsx", "CreateFileSystem", 1),
        ("lustre", "fsx", "CreateDataRepositoryAssociation", 1),
        ("lustre", "fsx", "CreateDataRepositoryAssociation", 2),
    ],
)
def test_a_killed_creation_is_found_again(
    storage: str,
    service: str,
    operation: str,
    times: int,
    engine: Operator,
    cloud: LocalCloud,
    spec: Callable[..., Path],
) -> None:
    wanted = spec(storage)
    assert engine.run_until(arrives(service, operation, times=times), "apply", str(wanted), "--yes").killed
    check(engine, cloud, wanted, storage)


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
) -> None:
    print(f"CRASH_SEED={SEED}: killed at changing call {number}")
    wanted = spec(storage)
    engine.run_until(changing_call(number), "apply", str(wanted), "--yes")
    check(engine, cloud, wanted, storage)


@pytest.mark.crash
@pytest.mark.parametrize("cluster_fails", [False, True])
def test_a_killed_apply_is_destroyed_whole(
    cluster_fails: bool,
    engine: Operator,
    cloud: LocalCloud,
    spec: Callable[..., Path],
) -> None:
    """A workspace without the cluster says nothing of one that no state knows; it goes all the same."""
    if cluster_fails:
        cloud.fail("create")
    before = cloud.left_over()
    service, operation, times = WHILE_THE_CLUSTER_COMES_UP
    wanted = spec("efs")
    assert engine.run_until(arrives(service, operation, times=times), "apply", str(wanted), "--yes").killed
    engine.run("destroy", "lab-1/proj-1", "--purge-data", "--now", "--confirm", "lab-1/proj-1").ok()
    assert cloud.left_over() == before


@pytest.mark.crash
def test_a_killed_replacement_goes_on(engine: Operator, cloud: LocalCloud, spec: Callable[..., Path]) -> None:
    """The old object is still in the state, tainted; the new one is at AWS alone."""
    # GIVEN a cluster that failed
    cloud.fail("create")
    wanted = spec("efs")
    assert engine.run("apply", str(wanted), "--yes").code != 0

    # WHEN the run that makes it anew dies while the new one comes up
    looks = -1

    def point(request: Request) -> bool:
        nonlocal looks
        looks = 0 if request.operation == "CreateStack" else looks
        looks += looks >= 0 and request.operation == "DescribeStacks"
        return looks == 2

    assert engine.run_until(point, "apply", str(wanted), "--yes").killed

    # THEN the next one goes on with it: one stack failed, one stands
    engine.run("apply", str(wanted), "--yes").ok()
    calls = cloud.calls()
    assert calls["cloudformation:CreateStack"] - calls.get("cloudformation:DeleteStack", 0) == 1
    assert calls["cloudformation:CreateStack"] == 2
    engine.run("plan", str(wanted), "--detailed-exitcode").ok()
