"""Project records: conditional writes, and what a refused one says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from engine.aws.registry import Phase, ProjectRecord, Registry
from engine.aws.session import Cloud
from engine.errors import BackendError, ItemUnreadable, NotBootstrapped, OperationInProgress
from tests.functional.conftest import make_table

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def registry(cloud: Cloud) -> Iterator[Registry]:
    make_table(cloud, "registry", "pk", "sk")
    yield Registry(cloud, "registry")


def put(registry: Registry, project_id: str = "proj-1", vlab_id: str = "lab-1") -> ProjectRecord:
    return registry.put_new(
        vlab_id=vlab_id,
        project_id=project_id,
        spec_json='{"tier":"debug"}',
        spec_digest="ab" * 32,
        phase=Phase.PLANNED,
        cluster="pc-lab-1-proj-1-abc",
        now=NOON,
    )


def test_a_record_comes_back_as_it_was_written(registry: Registry) -> None:
    record = put(registry)

    assert registry.get("lab-1", "proj-1") == record
    assert record.version == 1
    assert (record.created_at, record.updated_at) == (NOON, NOON)
    assert registry.get("lab-1", "proj-2") is None


def test_times_are_kept_in_utc(registry: Registry) -> None:
    paris = NOON.astimezone(timezone(timedelta(hours=1)))

    registry.replace(put(registry), now=paris)

    found = registry.get("lab-1", "proj-1")
    assert found is not None
    assert found.updated_at.isoformat() == "2026-11-23T12:00:00+00:00"


def test_a_second_new_record_is_refused_and_says_what_is_there(registry: Registry) -> None:
    registry.replace(put(registry), now=NOON + timedelta(minutes=5), phase=Phase.APPLYING)

    with pytest.raises(OperationInProgress, match=r"lab-1/proj-1.*APPLYING") as refused:
        put(registry)

    assert refused.value.details["phase"] == "APPLYING"
    assert refused.value.details["version"] == 2


def test_replacing_changes_what_is_said_and_nothing_else(registry: Registry) -> None:
    first = put(registry)
    later = NOON + timedelta(hours=1)

    second = registry.replace(first, now=later, phase=Phase.READY, message="up")

    assert registry.get("lab-1", "proj-1") == second
    assert (second.phase, second.message, second.version, second.updated_at) == (Phase.READY, "up", 2, later)
    assert (second.spec_json, second.created_at) == (first.spec_json, first.created_at)
    assert registry.replace(second, now=later, message="").message == ""


def test_a_stale_replace_is_refused_and_changes_nothing(registry: Registry) -> None:
    # GIVEN two workers that have read the same version
    record = put(registry)
    winner = registry.replace(record, now=NOON, phase=Phase.APPLYING)
    # WHEN the second one writes
    with pytest.raises(OperationInProgress) as refused:
        registry.replace(record, now=NOON, phase=Phase.DESTROYING)
    # THEN the first one's record stands
    assert registry.get("lab-1", "proj-1") == winner
    assert refused.value.exit_code == 4
    assert refused.value.retryable


def test_replacing_a_removed_record_does_not_bring_it_back(registry: Registry) -> None:
    record = put(registry)
    assert registry.remove(record)

    with pytest.raises(OperationInProgress, match="no longer in the registry"):
        registry.replace(record, now=NOON)

    assert registry.get("lab-1", "proj-1") is None


def test_a_record_made_anew_is_safe_from_who_knew_the_one_before(registry: Registry) -> None:
    # GIVEN a worker that has kept version 3, and a project that was removed and planned anew since
    kept = registry.replace(registry.replace(put(registry), now=NOON), now=NOON)
    registry.remove(kept)
    anew = put(registry)
    # WHEN it writes THEN the new record, which counts from 1 again, stands
    with pytest.raises(OperationInProgress, match="version 1"):
        registry.replace(kept, now=NOON, phase=Phase.DESTROYING)
    with pytest.raises(OperationInProgress, match="version 1"):
        registry.remove(kept)
    assert registry.get("lab-1", "proj-1") == anew


def test_removing_is_conditional_and_safe_to_repeat(registry: Registry) -> None:
    record = put(registry)
    newer = registry.replace(record, now=NOON)

    with pytest.raises(OperationInProgress):
        registry.remove(record)
    assert registry.remove(newer) is True
    assert registry.remove(newer) is False


def test_of_many_writers_of_one_version_one_wins(registry: Registry, atomic_writes: None) -> None:
    record = put(registry)

    def write(number: int) -> int:
        try:
            registry.replace(record, now=NOON, message=str(number))
        except OperationInProgress:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(write, range(32))) == 1


def test_a_write_repeated_because_its_answer_was_lost_counts_as_done(
    registry: Registry, cloud: Cloud
) -> None:
    """boto3 repeats a call on a broken connection; the repeat meets our own item."""
    real = cloud.dynamodb.put_item

    def put_twice(**arguments: Any) -> Any:
        real(**arguments)
        return real(**arguments)

    cloud.dynamodb.put_item = put_twice  # type: ignore[method-assign]
    record = put(registry)
    registry.replace(record, now=NOON, phase=Phase.READY)

    found = registry.get("lab-1", "proj-1")
    assert found is not None
    assert (found.phase, found.version) == (Phase.READY, 2)


def test_listing_follows_every_page_and_sees_projects_only(registry: Registry, cloud: Cloud) -> None:
    # GIVEN more text than DynamoDB gives in one page (1 MB), and items of another kind
    long = "x" * 200_000
    for number in range(8):
        record = put(registry, f"proj-{number}")
        registry.replace(record, now=NOON, spec_json=long)
    cloud.dynamodb.put_item(TableName="registry", Item={"pk": {"S": "BLOCK"}, "sk": {"S": "10.0.0.0/24"}})
    queries: list[Any] = []
    cloud.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params)
    )
    # WHEN they are listed
    found = list(registry.list())
    # THEN all are there, in order
    assert [record.project_id for record in found] == [f"proj-{number}" for number in range(8)]
    assert len(queries) > 1


def test_a_record_nobody_can_read_is_named(registry: Registry, cloud: Cloud) -> None:
    put(registry)
    cloud.dynamodb.update_item(
        TableName="registry",
        Key={"pk": {"S": "PROJECT"}, "sk": {"S": "lab-1/proj-1"}},
        UpdateExpression="SET phase = :phase",
        ExpressionAttributeValues={":phase": {"S": "DREAMING"}},
    )

    with pytest.raises(BackendError, match=r"lab-1/proj-1.*DREAMING"):
        registry.get("lab-1", "proj-1")
    # AND what goes through all of them says beforehand whether one may stop it
    put(registry, "proj-2")
    with pytest.raises(ItemUnreadable):
        list(registry.list())
    passed_over: list[ItemUnreadable] = []
    (found,) = registry.list(passed_over=passed_over.append)
    (same,), _ = registry.page(limit=5, passed_over=passed_over.append)
    assert found == same and found.project == "lab-1/proj-2"
    assert [error.project for error in passed_over] == ["lab-1/proj-1"] * 2


def test_without_a_table_the_way_out_is_named(cloud: Cloud) -> None:
    with pytest.raises(NotBootstrapped, match="no table registry") as missing:
        Registry(cloud, "registry").get("lab-1", "proj-1")

    assert "provisioner bootstrap" in missing.value.hint
    with pytest.raises(NotBootstrapped):
        list(Registry(cloud, "registry").list())


def test_a_record_without_a_time_zone_is_refused(registry: Registry) -> None:
    with pytest.raises(ValueError, match="time zone"):
        registry.replace(put(registry), now=datetime(2026, 11, 23))
