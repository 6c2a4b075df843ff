"""States in their bucket: taken away with their digests, and not while somebody holds the lock."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import EndpointConnectionError

from engine.aws.buckets import count_objects
from engine.aws.session import Cloud
from engine.aws.state_store import StateStore
from engine.errors import NotBootstrapped, StateLocked, Unreachable
from tests.functional.conftest import make_table

KEY = "projects/lab/p/terraform.tfstate"


@pytest.fixture
def state(cloud: Cloud) -> Cloud:
    """A state with its digest, as Terraform leaves them, and one of a project whose name begins alike."""
    # No bucket policy: plain moto takes a Deny for one whatever its condition says.
    cloud.s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    cloud.s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Enabled"})
    make_table(cloud, "locks", "LockID")
    for key in (KEY, f"{KEY}-other"):
        cloud.s3.put_object(Bucket="states", Key=key, Body=b"{}")
        cloud.dynamodb.put_item(
            TableName="locks", Item={"LockID": {"S": f"states/{key}-md5"}, "Digest": {"S": "d"}}
        )
    return cloud


def store(cloud: Cloud) -> StateStore:
    return StateStore(cloud, bucket="states", lock_table="locks")


def digests(cloud: Cloud) -> list[str]:
    return sorted(item["LockID"]["S"] for item in cloud.dynamodb.scan(TableName="locks")["Items"])


def test_a_state_goes_with_its_digest_and_nothing_else(state: Cloud) -> None:
    store(state).delete(KEY)
    store(state).delete(KEY)

    assert count_objects(state, "states") == 1
    assert digests(state) == [f"states/{KEY}-other-md5"]
    versions = state.s3.list_object_versions(Bucket="states", Prefix=KEY)["Versions"]
    assert len(versions) == 2, "what was deleted by mistake can be had back for a year"


def test_a_state_that_s3_keeps_has_lost_its_digest_before(
    state: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN S3, which does not answer once: Terraform takes a state without digest, not a digest without state
    with monkeypatch.context() as patch, pytest.raises(Unreachable):
        unreachable = EndpointConnectionError(endpoint_url="https://s3")
        patch.setattr(state.s3, "delete_object", Mock(side_effect=unreachable))
        store(state).delete(KEY)
    assert count_objects(state, "states") == 2
    assert f"states/{KEY}-md5" not in digests(state)
    # WHEN it is repeated THEN the state goes, too
    store(state).delete(KEY)
    assert count_objects(state, "states") == 1


def test_a_locked_state_stays(state: Cloud) -> None:
    info = {
        "ID": "1",
        "Operation": "OperationTypeApply",
        "Who": "ada@host",
        "Created": "2026-11-23T12:00:00Z",
    }
    lock: Any = {"LockID": {"S": f"states/{KEY}"}, "Info": {"S": json.dumps(info)}}
    state.dynamodb.put_item(TableName="locks", Item=lock)

    with pytest.raises(StateLocked, match="OperationTypeApply by ada@host since 2026-11-23"):
        store(state).delete(KEY)

    assert count_objects(state, "states") == 2
    assert f"states/{KEY}-md5" in digests(state)


def test_a_state_without_a_lock_table_is_not_touched(cloud: Cloud) -> None:
    with pytest.raises(NotBootstrapped):
        store(cloud).delete(KEY)
