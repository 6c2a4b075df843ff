"""Saved plans in the bucket and the table: whole or refused, applied once, gone with their project."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.aws.plan_store import PlanStore
from engine.aws.session import Cloud
from engine.errors import BackendError, PlanApplied, PlanTampered, UnknownPlan
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.saved_plan import Approval, MadeWith, Manifest, PlanRecord, sha256
from tests.functional.conftest import _make_backend

BUCKET = "provisioner-state-123456789012-us-east-1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTS = {"project.tfplan": b"\x00plan", "spec.json": b"{}", "plan.txt": b"Plan for lab-1/proj-1"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Cloud]:
    with LocalCloud(durations=INSTANT, seeded=False) as cloud:
        aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
        _make_backend(aws)
        yield aws


@pytest.fixture
def store(aws: Cloud) -> PlanStore:
    return PlanStore(aws, bucket=BUCKET, table="provisioner-registry")


def manifest(project_id: str) -> Manifest:
    return Manifest(
        vlab_id="lab-1",
        project_id=project_id,
        created_at=NOON,
        created_by="arn:aws:iam::123456789012:user/ada",
        expires_at=NOON + timedelta(days=7),
        has_changes=True,
        spec_digest="a",
        registered_digest="b",
        lineage="",
        serial=0,
        made_with=MadeWith("0.1.0", "a", "b", "terraform 1.11.4", "c"),
        parts={name: sha256(content) for name, content in PARTS.items()},
    )


def saved(store: PlanStore, project_id: str) -> PlanRecord:
    return store.save(manifest(project_id), PARTS, headline="2 to add", risk="low")


def keys(aws: Cloud, project_id: str) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"plans/lab-1/{project_id}/")
    return [one["Key"] for one in listed.get("Contents", [])]


def read(store: PlanStore, digest: str) -> dict[str, bytes]:
    record = store.require(digest)
    found = store.manifest(record)
    return {name: store.part(record, found, name) for name in found.parts}


def test_a_plan_comes_back_and_every_byte_of_it_counts(aws: Cloud, store: PlanStore) -> None:
    record = saved(store, "whole")
    assert read(store, record.digest) == PARTS
    assert read(store, record.digest.removeprefix("sha256:")) == PARTS
    assert len(keys(aws, "whole")) == len(PARTS) + 1
    s3: Any = aws.s3
    for key in keys(aws, "whole"):
        content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for position in range(len(content)):
            other = bytearray(content)
            other[position] ^= 1
            # A manifest has hundreds of bytes: its first and last ones, and some between.
            if len(content) < 50 or position % 97 == 0 or position == len(content) - 1:
                s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(other))
                with pytest.raises(PlanTampered):
                    read(store, record.digest)
        s3.delete_object(Bucket=BUCKET, Key=key)
        with pytest.raises(PlanTampered, match="not there any more"):
            read(store, record.digest)
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    assert read(store, record.digest) == PARTS


def test_a_plan_is_approved_and_applied_once(store: PlanStore) -> None:
    record = saved(store, "once")
    store.approve(record, Approval("arn:1", "ada", NOON))
    approved = store.approve(record, Approval("arn:2", "", NOON))
    assert [one.who for one in approved.approvals] == ["ada", "arn:2"]
    store.mark_applied(record, by="arn:1", operation_id="op-1", now=NOON)
    assert store.require(record.digest).operation_id == "op-1"
    with pytest.raises(PlanApplied, match="by arn:1"):
        store.mark_applied(record, by="arn:2", operation_id="op-2", now=NOON)
    with pytest.raises(PlanApplied):
        store.approve(record, Approval("arn:3", "", NOON))
    assert [one.digest for one in store.list("lab-1/once")] == [record.digest]


def test_a_write_whose_answer_was_lost_counts_once(
    aws: Cloud, store: PlanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 sends it again, and meets what it has written itself."""
    record = saved(store, "lost")
    once = aws.dynamodb.update_item

    def twice(**call: Any) -> Any:
        once(**call)
        return once(**call)

    monkeypatch.setattr(aws.dynamodb, "update_item", twice)
    store.approve(record, Approval("arn:1", "ada", NOON))
    approved = store.approve(record, Approval("arn:2", "", NOON))
    assert [one.who for one in approved.approvals] == ["ada", "arn:2"]
    applied = store.mark_applied(record, by="arn:1", operation_id="op-1", now=NOON)
    assert applied.operation_id == "op-1"
    with pytest.raises(PlanApplied, match="by arn:1"):
        store.mark_applied(record, by="arn:1", operation_id="op-2", now=NOON)


def test_what_is_no_plan_is_unknown(store: PlanStore) -> None:
    for digest in ("", "latest", "sha256:" + "0" * 64, "../../" + "0" * 64):
        with pytest.raises(UnknownPlan):
            store.require(digest)


def test_a_plan_is_named_by_the_beginning_of_its_digest(aws: Cloud, store: PlanStore) -> None:
    record, other = saved(store, "short"), saved(store, "short-not")
    for length in (len("sha256:") + 12, -1):
        assert store.require(record.digest[:length]) == record
    assert store.require(record.short_digest.removeprefix("sha256:")) == record
    for short in (record.digest[: len("sha256:") + 11], record.digest + "0", "sha256:"):
        with pytest.raises(UnknownPlan, match="No plan"):
            store.require(short)
    # GIVEN another one that begins in the same way THEN neither is taken, and each is there by its own digest
    last = "0" if record.digest[-1] != "0" else "1"
    item = aws.dynamodb.get_item(
        TableName="provisioner-registry",
        Key={"pk": {"S": "PLAN"}, "sk": {"S": other.digest.removeprefix("sha256:")}},
    )["Item"]
    twin = record.digest.removeprefix("sha256:")[:-1] + last
    aws.dynamodb.put_item(TableName="provisioner-registry", Item={**item, "sk": {"S": twin}})
    with pytest.raises(UnknownPlan, match="2 saved plans begin with") as refused:
        store.require(record.short_digest)
    assert refused.value.details["digests"] == sorted([record.digest, f"sha256:{twin}"])
    assert store.require(record.digest) == record
    # AND a record that was put there by hand is of no plan
    with pytest.raises(PlanTampered):
        store.manifest(store.require(f"sha256:{twin}"))


def test_a_project_s_plans_go_with_it(aws: Cloud, store: PlanStore) -> None:
    record, other = saved(store, "gone"), saved(store, "gone-not")
    assert store.remove_of("lab-1/gone") == len(PARTS) + 1
    assert keys(aws, "gone") == []
    with pytest.raises(UnknownPlan):
        store.require(record.digest)
    assert read(store, other.digest) == PARTS


def test_nothing_secret_is_left_in_a_bucket_that_does_not_encrypt(
    aws: Cloud, store: PlanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = aws.s3.put_object

    def plain(**call: Any) -> Any:
        return {name: value for name, value in put(**call).items() if name != "ServerSideEncryption"}

    monkeypatch.setattr(aws.s3, "put_object", plain)
    with pytest.raises(BackendError, match="does not encrypt"):
        saved(store, "plain")
    assert [key.rsplit("/", 1)[1] for key in keys(aws, "plain")] == ["manifest.json"]
