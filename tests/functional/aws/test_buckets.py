"""Buckets: located, looked into, emptied to the last version; and the states in one of them."""

from __future__ import annotations

import pytest
from botocore.stub import Stubber

from engine.aws.buckets import (
    BucketLocation,
    Emptied,
    count_objects,
    empty_bucket,
    find_object,
    keep_object,
    locate_bucket,
    remove_object,
)
from engine.aws.session import Cloud
from engine.aws.state_store import StateStore
from engine.errors import AccessDenied, BackendError
from tests.functional.conftest import make_table

BUCKET = "my-bucket"
ACCOUNT = "123456789012"


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A versioned bucket."""
    cloud.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return BUCKET


def test_a_bucket_is_located_wherever_it_stands(cloud: Cloud, bucket: str) -> None:
    assert locate_bucket(cloud, bucket) == BucketLocation(bucket, "eu-west-3")
    assert locate_bucket(Cloud(region="us-east-1"), bucket) == BucketLocation(bucket, "eu-west-3")
    assert locate_bucket(cloud, "not-there") is None


def test_a_redirect_without_a_body_still_tells_the_region(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_client_error(
            "head_bucket",
            "301",
            http_status_code=301,
            response_meta={"HTTPHeaders": {"x-amz-bucket-region": "ap-south-1"}},
        )
        assert locate_bucket(cloud, BUCKET) == BucketLocation(BUCKET, "ap-south-1")


def test_an_old_server_that_does_not_tell_the_region_is_asked(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_response("head_bucket", {})
        stub.add_response("get_bucket_location", {"LocationConstraint": "EU"})
        assert locate_bucket(cloud, BUCKET) == BucketLocation(BUCKET, "eu-west-1")


def test_a_bucket_of_somebody_else_is_refused(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_client_error(
            "head_bucket",
            "403",
            http_status_code=403,
            expected_params={"Bucket": BUCKET, "ExpectedBucketOwner": ACCOUNT},
        )
        with pytest.raises(AccessDenied, match=f"{BUCKET} exists"):
            empty_bucket(cloud, BUCKET, account_id=ACCOUNT)


def test_objects_are_counted_over_all_pages(cloud: Cloud, bucket: str) -> None:
    for number in range(1005):
        cloud.s3.put_object(Bucket=bucket, Key=f"{'a' if number % 2 else 'b'}/{number}")

    assert count_objects(cloud, bucket) == 1005
    assert count_objects(cloud, bucket, prefix="a/") == 502
    assert count_objects(cloud, bucket, limit=7) == 7
    assert count_objects(cloud, "not-there") == 0


def test_emptying_takes_versions_markers_and_uploads(cloud: Cloud, bucket: str) -> None:
    # GIVEN more than one batch of versions, some delete markers, and an unfinished upload
    for number in range(1100):
        cloud.s3.put_object(Bucket=bucket, Key=f"k{number % 600}")
    for number in range(5):
        cloud.s3.delete_object(Bucket=bucket, Key=f"k{number}")
    cloud.s3.create_multipart_upload(Bucket=bucket, Key="large")
    progress: list[Emptied] = []
    # WHEN it is emptied
    done = empty_bucket(cloud, bucket, account_id=ACCOUNT, on_progress=progress.append)
    # THEN nothing is left, and the bucket itself can go
    assert done == Emptied(versions=1100, delete_markers=5, uploads=1)
    assert len(progress) >= 2
    assert (progress[-1].versions, progress[-1].delete_markers) == (1100, 5)
    left = cloud.s3.list_object_versions(Bucket=bucket)
    assert "Versions" not in left and "DeleteMarkers" not in left
    cloud.s3.delete_bucket(Bucket=bucket)
    assert empty_bucket(cloud, bucket) == Emptied()


def test_objects_that_cannot_be_deleted_are_named(cloud: Cloud, bucket: str) -> None:
    listed = {"Versions": [{"Key": "locked", "VersionId": "v1"}]}
    refused = {"Errors": [{"Key": "locked", "Code": "AccessDenied", "Message": "object lock"}]}
    with Stubber(cloud.s3) as stub:
        stub.add_response("head_bucket", {"BucketRegion": "eu-west-3"})
        stub.add_response("list_object_versions", listed)
        stub.add_response("delete_objects", refused)
        with pytest.raises(BackendError, match=r"1 of 1 objects.*locked \(AccessDenied\)"):
            empty_bucket(cloud, bucket)


def test_an_object_is_kept_without_a_version_for_each_time(cloud: Cloud, bucket: str) -> None:
    assert keep_object(cloud, bucket, "a/keys", b"one") is True
    assert keep_object(cloud, bucket, "a/keys", b"one") is False
    assert keep_object(cloud, bucket, "a/keys", b"two") is True
    assert find_object(cloud, bucket, "a/keys") == b"two"
    assert len(cloud.s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    with pytest.raises(BackendError):
        keep_object(cloud, "not-there", "a/keys", b"one")


def test_what_others_read_and_states_take_no_key(cloud: Cloud, bucket: str) -> None:
    """The API reads reviews and may not use the key; a disabled key must not take a state with it."""
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "a-key"}}
    cloud.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})
    make_table(cloud, "locks", "LockID")

    def algorithm(key: str) -> str:
        return cloud.s3.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"]

    cloud.s3.put_object(Bucket=bucket, Key="plan", Body=b"plan")
    assert algorithm("plan") == "aws:kms"
    keep_object(cloud, bucket, "review", b"review")
    StateStore(cloud, bucket=bucket, lock_table="locks").write("state", b"state")
    assert algorithm("review") == algorithm("state") == "AES256"


def test_removing_an_object_can_be_repeated(cloud: Cloud, bucket: str) -> None:
    keep_object(cloud, bucket, "a/keys", b"one")
    for _ in range(2):
        remove_object(cloud, bucket, "a/keys")
        assert find_object(cloud, bucket, "a/keys") is None
    remove_object(cloud, "not-there", "a/keys")


def test_an_object_is_read(cloud: Cloud, bucket: str) -> None:
    cloud.s3.put_object(Bucket=bucket, Key="k", Body=b"content")

    assert find_object(cloud, bucket, "k") == b"content"
    assert find_object(cloud, bucket, "other") is None
    assert find_object(cloud, "not-there", "k") is None
