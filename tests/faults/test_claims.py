"""More workers than subnets, all at once: no subnet twice, as many winners as subnets, clear refusals."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from engine.aws.addresses import list_claims
from engine.aws.blocks import BlockPlan
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.faults.claimants import Outcome, claim_all
from tests.functional.conftest import make_table

ROUNDS = 10
PROCESSES = 5
SIXTY = ("10.42.64.0/19", "10.42.128.0/20", "10.42.160.0/21", "10.42.176.0/22")
FIFTEEN = ("10.42.64.0/21", "10.42.128.0/22", "10.42.160.0/23", "10.42.176.0/24")


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(seeded=False) as cloud:
        yield cloud


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Where groups of workers run: beside each other in this process, or in processes of their own."""
    if request.param == "threads":
        with ThreadPoolExecutor(PROCESSES) as pool:
            yield pool
        return
    # A fork of this process would hold locks of the local cloud's threads; the fork server has none.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.claimants"])
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        yield pool


def one_round(cloud: LocalCloud, workers: Executor, table: str, ranges: tuple[str, ...], count: int) -> None:
    # GIVEN a registry of its own
    way = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    make_table(way, table, "pk", "sk")
    blocks = BlockPlan(ranges, 24).count
    # WHEN all want a block at once
    projects = [f"lab/p-{number}" for number in range(count)]
    groups = [projects[first::PROCESSES] for first in range(PROCESSES)]
    running = [workers.submit(claim_all, cloud.endpoint, table, ranges, group) for group in groups]
    outcomes: list[Outcome] = [outcome for group in running for outcome in group.result(timeout=240)]
    # THEN as many have one as there are, each its own, and the registry says the same
    won = {outcome.cidr: outcome.project for outcome in outcomes if outcome.cidr}
    assert len(won) == sum(1 for outcome in outcomes if outcome.cidr) == blocks
    assert sum(1 for outcome in outcomes if not outcome.cidr) == count - blocks
    assert {claim.cidr: claim.project for claim in list_claims(way, table)} == won
    way.dynamodb.delete_table(TableName=table)


# The same as threads: tests/functional/aws/test_addresses.py.
@pytest.mark.parametrize("workers", ["processes"], indirect=True)
def test_twenty_five_want_fifteen(cloud: LocalCloud, workers: Executor) -> None:
    one_round(cloud, workers, "registry", FIFTEEN, 25)


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", ["threads", "processes"], indirect=True)
def test_a_hundred_want_sixty(cloud: LocalCloud, workers: Executor) -> None:
    for number in range(ROUNDS):
        one_round(cloud, workers, f"registry-{number}", SIXTY, 100)
