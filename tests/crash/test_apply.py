"""Every operation is killed, engine, Terraform and provider at once, and then simply run again."""

from __future__ import annotations

import os
import random

import pytest

from tests.crash.cases import (
    SCENARIOS,
    WHILE_THE_CLUSTER_COMES_UP,
    DestroyedWhole,
    KilledAt,
    KilledOnce,
    KilledTwice,
    LustreFails,
    LustreGrows,
    Replaced,
    StuckUpdate,
    points,
)
from tests.crash.conftest import SEED, Play
from tests.crash.stage import Prepared

# The first case of a process waits until its stage is prepared.
pytestmark = [pytest.mark.terraform, pytest.mark.timeout(1200)]

POINTS = int(os.environ.get("CRASH_POINTS") or 204)
# How the points are shared out. Making Lustre takes the provider two minutes of waiting.
SHARES = {
    "provision-efs": 26,
    "update-efs": 11,
    "release-efs": 14,
    "again-efs": 14,
    "destroy-efs": 6,
    "purge-efs": 9,
    "provision-lustre": 5,
    "release-lustre": 12,
    "destroy-lustre": 3,
}


def chosen() -> list[KilledOnce]:
    whole = sum(SHARES.values())
    return [
        case
        for name, share in SHARES.items()
        for case in points(SCENARIOS[name], max(1, round(POINTS * share / whole)), SEED)
    ]


def test_one_project_is_killed_twice(play: Play) -> None:
    """The short random part of the suite: killed anywhere, and once more while its cluster comes up, or
    shortly before that."""
    chance = random.Random(SEED)
    case = KilledTwice(chance.randrange(1, SCENARIOS["provision-efs"].calls), chance.randrange(3, 9))
    print(f"CRASH_SEED={SEED}: {case}")
    play("efs", Prepared.NEW, case)


@pytest.mark.crash
@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in chosen()])
def test_a_killed_operation_goes_on(case: KilledOnce, play: Play) -> None:
    print(f"CRASH_SEED={SEED}: {case!r}")
    scenario = SCENARIOS[case.scenario]
    play(scenario.storage, scenario.prepared, case)


@pytest.mark.crash
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case))
        for case in (
            KilledAt("provision-efs", "s3", "CreateBucket"),
            KilledAt("provision-efs", "efs", "CreateFileSystem"),
            KilledAt("provision-efs", "ec2", "RevokeSecurityGroupEgress"),
            KilledAt("provision-efs", *WHILE_THE_CLUSTER_COMES_UP),
            KilledAt("provision-lustre", "fsx", "CreateFileSystem"),
            KilledAt("provision-lustre", "fsx", "CreateDataRepositoryAssociation", 1),
            KilledAt("provision-lustre", "fsx", "CreateDataRepositoryAssociation", 2),
            KilledAt("release-lustre", "fsx", "CreateDataRepositoryTask"),
            KilledAt("release-lustre", "fsx", "DeleteFileSystem"),
        )
    ],
)
def test_a_kill_on_the_wire(case: KilledAt, play: Play) -> None:
    """The call that makes something, or gives data up, is carried out, and nobody hears the answer."""
    scenario = SCENARIOS[case.scenario]
    play(scenario.storage, scenario.prepared, case)


@pytest.mark.crash
@pytest.mark.parametrize("cluster_fails", [False, True])
def test_a_killed_apply_is_destroyed_whole(cluster_fails: bool, play: Play) -> None:
    play("efs", Prepared.NOTHING, DestroyedWhole(cluster_fails))


@pytest.mark.crash
def test_a_killed_replacement_goes_on(play: Play) -> None:
    play("efs", Prepared.NOTHING, Replaced())


@pytest.mark.crash
def test_a_file_system_that_fails_while_it_is_made(play: Play) -> None:
    play("lustre", Prepared.NOTHING, LustreFails())


@pytest.mark.crash
def test_a_file_system_that_grows_while_the_engine_dies(play: Play) -> None:
    play("lustre", Prepared.READY, LustreGrows())


@pytest.mark.crash
def test_an_update_that_gets_stuck(play: Play) -> None:
    play("efs", Prepared.READY, StuckUpdate())
