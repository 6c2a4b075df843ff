"""What is there already is found under the ids that Terraform imports; what cannot be adopted is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from engine.aws.existing_backend import MODULE, find_existing_backend
from engine.aws.session import Cloud
from engine.errors import AccessDenied, BackendError, WrongRegion

ACCOUNT = "123456789012"
BUCKET = "provisioner-state-test"
NAMES: dict[str, Any] = {"state_bucket": BUCKET, "lock_table": "locks", "registry_table": "registry"}
MAIN = (Path(__file__).parents[3] / "modules" / "state-backend" / "main.tf").read_text("utf-8")
RESOURCES = {".".join(found) for found in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', MAIN)}


def find(cloud: Cloud, **changes: str) -> dict[str, str]:
    return find_existing_backend(cloud, account_id=ACCOUNT, **{**NAMES, **changes})


def make_everything(cloud: Cloud, make_backend: Callable[..., None]) -> str:
    """All that the module makes, by hand; gives the key's id."""
    make_backend(cloud, **NAMES)
    s3: Any = cloud.s3
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    s3.put_bucket_policy(Bucket=BUCKET, Policy='{"Version": "2012-10-17", "Statement": []}')
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    s3.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={
            "Rules": [{"ID": "abort", "Status": "Enabled", "Filter": {"Prefix": ""}, **abort}]
        },
    )
    kms: Any = cloud.kms
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/provisioner", TargetKeyId=key)
    ecr: Any = cloud.ecr
    ecr.create_repository(repositoryName="provisioner")
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    ecr.put_lifecycle_policy(repositoryName="provisioner", lifecyclePolicyText=json.dumps({"rules": [rule]}))
    return str(key)


def test_an_empty_account_holds_nothing(cloud: Cloud) -> None:
    assert find(cloud) == {}


def test_everything_that_the_module_makes_is_found(cloud: Cloud, make_backend) -> None:
    key = make_everything(cloud, make_backend)

    found = find(cloud)

    assert found.keys() == RESOURCES
    assert found["aws_kms_key.this"] == key
    assert found["aws_kms_alias.this"] == "alias/provisioner"
    assert {found[name] for name in found if name.startswith("aws_s3_")} == {BUCKET}
    assert (found["aws_dynamodb_table.lock"], found["aws_dynamodb_table.registry"]) == ("locks", "registry")
    assert {found[name] for name in found if name.startswith("aws_ecr_")} == {"provisioner"}


def test_a_bare_bucket_has_no_settings_to_take_over(cloud: Cloud) -> None:
    cloud.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})

    # moto, as S3 does, encrypts every new bucket.
    assert set(find(cloud)) - {"aws_s3_bucket_server_side_encryption_configuration.this"} == {
        "aws_s3_bucket.this"
    }


def test_looking_changes_nothing_and_asks_for_our_own_bucket_only(cloud: Cloud, make_backend) -> None:
    make_everything(cloud, make_backend)
    calls: list[tuple[str, Any]] = []
    for client in (cloud.s3, cloud.dynamodb, cloud.kms, cloud.ecr):
        made: Any = client
        made.meta.events.register(
            f"provide-client-params.{made.meta.service_model.service_id.hyphenize()}",
            lambda params, model, **_: calls.append((model.name, params)),
        )

    find(cloud)

    assert {name for name, _ in calls if not name.startswith(("Head", "Describe", "Get"))} == set()
    of_s3 = [params for name, params in calls if "Bucket" in name or "PublicAccess" in name]
    assert len(of_s3) == 7
    assert {params["ExpectedBucketOwner"] for params in of_s3} == {ACCOUNT}


def test_a_bucket_in_another_region_is_refused(cloud: Cloud) -> None:
    Cloud(region="us-east-1").s3.create_bucket(Bucket=BUCKET)

    with pytest.raises(WrongRegion, match=r"us-east-1.*eu-west-3"):
        find(cloud)


def test_a_bucket_of_somebody_else_is_refused(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(AccessDenied, match="belongs to another account"):
            find(cloud)


def test_settings_that_may_not_be_seen_are_not_taken_for_missing(cloud: Cloud, make_backend) -> None:
    make_backend(cloud, **NAMES)
    with Stubber(cloud.s3) as stub:
        stub.add_response("head_bucket", {"BucketRegion": cloud.region})
        stub.add_client_error("get_bucket_ownership_controls", "AccessDenied", http_status_code=403)
        with pytest.raises(AccessDenied, match="settings of the bucket"):
            find(cloud)


def test_a_table_with_another_key_is_refused(cloud: Cloud, make_backend) -> None:
    make_backend(cloud, **NAMES)

    with pytest.raises(BackendError, match=r"lock table registry is another kind of table.*LockID"):
        find(cloud, lock_table="registry")


def test_a_table_that_is_being_deleted_is_waited_for(cloud: Cloud, make_backend, monkeypatch) -> None:
    make_backend(cloud, **NAMES)
    real = cloud.dynamodb.describe_table

    def describe(**arguments: Any) -> Any:
        found = real(**arguments)
        found["Table"]["TableStatus"] = "DELETING"
        return found

    monkeypatch.setattr(cloud.dynamodb, "describe_table", describe)
    with pytest.raises(BackendError, match="is being deleted") as refused:
        find(cloud)
    assert refused.value.retryable


def test_a_key_that_is_about_to_be_deleted_is_refused(cloud: Cloud, make_backend) -> None:
    key = make_everything(cloud, make_backend)
    kms: Any = cloud.kms
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)

    with pytest.raises(BackendError, match="about to be deleted") as refused:
        find(cloud)
    assert f"cancel-key-deletion --key-id {key}" in refused.value.hint


def test_a_key_that_was_made_but_not_named_is_known_by_its_tag(cloud: Cloud) -> None:
    kms: Any = cloud.kms

    def key(value: str) -> str:
        tag = {"TagKey": "provisioner:address", "TagValue": value}
        return str(kms.create_key(Tags=[tag])["KeyMetadata"]["KeyId"])

    # GIVEN keys of others, one of ours that was given up, and one whose alias is still to come
    key("module.other.aws_kms_key.this")
    given_up = key(f"{MODULE}.aws_kms_key.this")
    kms.schedule_key_deletion(KeyId=given_up, PendingWindowInDays=30)
    ours = key(f"{MODULE}.aws_kms_key.this")

    assert find(cloud) == {"aws_kms_key.this": ours}


def test_keys_that_are_closed_to_us_are_passed_over(cloud: Cloud) -> None:
    kms: Any = cloud.kms
    with Stubber(kms) as stub:
        stub.add_client_error("describe_key", "NotFoundException")
        key = "1234abcd-12ab-34cd-56ef-1234567890ab"
        stub.add_response("list_keys", {"Keys": [{"KeyId": key}], "Truncated": False})
        stub.add_client_error("list_resource_tags", "AccessDeniedException")
        assert find(cloud) == {}
