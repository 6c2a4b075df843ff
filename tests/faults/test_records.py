"""What the engine itself writes (records, claims, locks, leases) while answers get lost: nothing twice."""

from __future__ import annotations

import os
import random
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import botocore.endpoint
import pytest

from engine.aws.addresses import claim_block, list_claims, release_project
from engine.aws.operation_store import OperationStore
from engine.aws.registry import Phase, ProjectRecord, Registry
from engine.aws.session import Cloud
from engine.errors import BackendError
from engine.local.server import LocalCloud
from engine.model.operation import Kind, Operation, State, Wish, requested, succeeded
from engine.terraform.processes import this_process
from tests.functional.conftest import make_table

SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROJECT = "lab-1/proj-1"
# With this share and so many attempts one call in 300 000 fails for good.
SHARE, ATTEMPTS = 0.35, 12
T = TypeVar("T")


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(seeded=False) as cloud:
        yield cloud


@pytest.fixture
def way(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A patient way to AWS that does not wait between its tries."""
    monkeypatch.setattr(botocore.endpoint, "time", types.SimpleNamespace(sleep=lambda _: None))
    way = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True, attempts=ATTEMPTS)
    make_table(way, "registry", "pk", "sk")
    return way


def eventually(call: Callable[[], T]) -> T:
    """What a person does who is told that AWS did not answer."""
    for _ in range(20):
        try:
            return call()
        except BackendError as error:
            assert error.retryable, error
    raise AssertionError("not even after twenty tries")


def test_what_is_written_is_written_once(cloud: LocalCloud, way: Cloud) -> None:
    print(f"FAULT_SEED={SEED}")
    store, registry = OperationStore(way, "registry"), Registry(way, table="registry")
    cloud.weather(SHARE, seed=SEED, only=["throttled", "ill", "reset", "lost"])

    for number in range(6):
        operation = wished(number)
        # Recorded once, however often it is sent.
        submitted = eventually(lambda wanted=operation: store.submit(wanted)).operation
        assert submitted.id == operation.id
        lease, taken = eventually(
            lambda one=submitted: store.claim(
                PROJECT,
                one.id,
                this_process(),
                now=NOON,
                ttl=timedelta(seconds=60),
                # A claim whose answer was lost for good is our own.
                dead=lambda owner: owner == this_process(),
            )
        )
        # A record moves by one version with each write, whoever tried again.
        record = eventually(lambda: registry.get("lab-1", "proj-1"))
        if record is None:
            record = eventually(make_record(registry))
        before = record.version
        record = eventually(lambda one=record: registry.replace(one, now=NOON, phase=Phase.READY))
        assert record.version == before + 1
        # One block, given back, and no other one lost meanwhile.
        claim = eventually(
            lambda: claim_block(
                way, "registry", ranges=["10.42.64.0/22"], prefix_length=24, project=PROJECT, now=NOON
            )
        )
        assert [one.cidr for one in eventually(lambda: list(list_claims(way, "registry")))] == [claim.cidr]
        eventually(lambda: release_project(way, "registry", project=PROJECT))
        assert eventually(lambda: list(list_claims(way, "registry"))) == []
        eventually(lambda a=lease, b=taken: store.finish(a, succeeded(b, NOON)))

    print(cloud.weather_counts())
    met = cloud.weather_counts()
    assert met["lost"] > 0 and met["throttled"] > 0
    cloud.weather(0)
    listed = store.list(PROJECT).operations
    assert [one.state for one in listed] == [State.SUCCEEDED] * 6
    assert store.active(PROJECT) is None


def make_record(registry: Registry) -> Callable[[], ProjectRecord]:
    return lambda: registry.put_new(
        vlab_id="lab-1",
        project_id="proj-1",
        spec_json="{}",
        spec_digest="0",
        phase=Phase.PLANNED,
        cluster="pc",
        now=NOON,
    )


def wished(number: int) -> Operation:
    wish = Wish(Kind.RELEASE, skip_export=f"number {number}")
    return requested(
        vlab_id="lab-1",
        project_id="proj-1",
        wish=wish,
        requested_by="test",
        now=NOON + timedelta(seconds=number),
    )
