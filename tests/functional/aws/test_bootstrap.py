"""The state bucket and the tables: made, found unchanged, and put right after drift."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from engine.aws.bootstrap import ensure_backend
from engine.aws.session import Cloud
from engine.aws.state_bucket import ensure_state_bucket
from engine.aws.steps import Outcome, Step
from engine.aws.tables import ensure_lock_table, ensure_registry_table
from engine.errors import AccessDenied, BackendError, WrongRegion

ACCOUNT = "123456789012"
BUCKET = "provisioner-state-test"
NAMES: dict[str, Any] = {
    "account_id": ACCOUNT,
    "state_bucket": BUCKET,
    "lock_table": "locks",
    "registry_table": "registry",
}


def outcomes(steps: list[Step]) -> Counter[Outcome]:
    return Counter(step.outcome for step in steps)


def changed(steps: list[Step]) -> dict[str, Outcome]:
    return {step.name: step.outcome for step in steps if step.outcome is not Outcome.UNCHANGED}


def test_an_empty_account_gets_everything(cloud: Cloud) -> None:
    steps = ensure_backend(cloud, tags={"provisioner:managed-by": "me"}, **NAMES)

    assert outcomes(steps).keys() == {Outcome.CREATED}
    s3 = cloud.s3
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == cloud.region
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    [statement] = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert not any("Expiration" in rule for rule in rules), "a current state must never expire"
    assert max(rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0) for rule in rules) >= 365
    for table, key in (("locks", ["LockID"]), ("registry", ["pk", "sk"])):
        found = cloud.dynamodb.describe_table(TableName=table)["Table"]
        assert [item["AttributeName"] for item in found["KeySchema"]] == key
        assert found["DeletionProtectionEnabled"]
        assert found["SSEDescription"]["Status"] == "ENABLED"
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        backups = cloud.dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        tags = cloud.dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
        assert tags == [{"Key": "provisioner:managed-by", "Value": "me"}]


def test_repeating_it_changes_nothing(cloud: Cloud) -> None:
    first = ensure_backend(cloud, **NAMES)
    second = ensure_backend(cloud, **NAMES)

    assert outcomes(second).keys() == {Outcome.UNCHANGED}
    assert [step.name for step in first] == [step.name for step in second]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "cn-north-1"])
def test_the_bucket_is_made_in_every_region(cloud: Cloud, region: str) -> None:
    there = Cloud(region=region)

    ensure_state_bucket(there, name=BUCKET, account_id=ACCOUNT)

    assert there.s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == region
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    assert f"arn:{partition}:s3:::{BUCKET}" in there.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]


def drift_versioning(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def drift_public(s3: Any) -> None:
    s3.put_public_access_block(
        Bucket=BUCKET,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": True,
        },
    )


def drift_ownership(s3: Any) -> None:
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )


def drift_lifecycle(s3: Any) -> None:
    rule = {"ID": "oops", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})


@pytest.mark.parametrize(
    ("drift", "what"),
    [
        (drift_versioning, "versioning"),
        (drift_public, "no public access"),
        (drift_ownership, "ownership"),
        (drift_lifecycle, "lifecycle"),
        (lambda s3: s3.delete_bucket_lifecycle(Bucket=BUCKET), "lifecycle"),
        (lambda s3: s3.delete_bucket_policy(Bucket=BUCKET), "TLS only"),
        (lambda s3: s3.delete_bucket_encryption(Bucket=BUCKET), "encryption"),
        (lambda s3: s3.delete_public_access_block(Bucket=BUCKET), "no public access"),
        (lambda s3: s3.delete_bucket_ownership_controls(Bucket=BUCKET), "ownership"),
    ],
)
def test_drift_of_the_bucket_is_repaired_and_named(cloud: Cloud, drift: Any, what: str) -> None:
    # GIVEN a bucket of which one setting was changed by hand
    ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
    drift(cloud.s3)
    # WHEN bootstrap runs again
    steps = ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
    # THEN that setting, and only that, is repaired
    assert changed(steps) == {f"state bucket {BUCKET}: {what}": Outcome.REPAIRED}
    assert not changed(ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT))


def test_statements_of_others_stay_in_the_policy(cloud: Cloud) -> None:
    ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
    theirs = {
        "Sid": "Audit",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteBucket",
        "Resource": "*",
    }
    cloud.s3.put_bucket_policy(
        Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]})
    )

    ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)

    statements = json.loads(cloud.s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert theirs in statements
    assert len(statements) == 2


def test_stronger_encryption_is_kept(cloud: Cloud) -> None:
    ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
    rules: Any = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
    cloud.s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": rules})

    assert not changed(ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT))


def test_a_bucket_in_another_region_is_refused_untouched(cloud: Cloud) -> None:
    Cloud(region="us-east-1").s3.create_bucket(Bucket=BUCKET)

    with pytest.raises(WrongRegion, match=r"us-east-1.*eu-west-3"):
        ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)

    assert "Status" not in cloud.s3.get_bucket_versioning(Bucket=BUCKET)


def test_a_bucket_of_somebody_else_is_refused(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(AccessDenied, match="belongs to another account"):
            ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)


def test_a_name_taken_between_look_and_creation_is_refused(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_client_error("head_bucket", "404", http_status_code=404)
        stub.add_client_error("create_bucket", "BucketAlreadyExists", http_status_code=409)
        with pytest.raises(BackendError, match="taken by another AWS account") as refused:
            ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
    assert "state_bucket" in refused.value.hint


def test_drift_of_a_table_is_repaired_and_named(cloud: Cloud) -> None:
    # GIVEN a provisioned table without any protection
    cloud.dynamodb.create_table(
        TableName="locks",
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    updates: list[Any] = []
    cloud.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.UpdateTable", lambda params, **_: updates.append(params)
    )
    # WHEN bootstrap runs
    steps = ensure_lock_table(cloud, name="locks")
    # THEN the table stays and each protection is put in place
    assert steps[0] == Step("lock table locks", Outcome.UNCHANGED)
    assert {step.outcome for step in steps[1:]} == {Outcome.REPAIRED}
    assert {"TableName": "locks", "SSESpecification": {"Enabled": True}} in updates
    # AND not again, but for the encryption: moto does not keep that of an update
    assert set(changed(ensure_lock_table(cloud, name="locks"))) == {"lock table locks: encryption"}


def test_a_table_with_another_key_is_left_alone(cloud: Cloud) -> None:
    ensure_lock_table(cloud, name="mixed-up")

    with pytest.raises(BackendError, match="another kind of table"):
        ensure_registry_table(cloud, name="mixed-up")


def test_a_table_still_being_created_is_waited_for(cloud: Cloud) -> None:
    pauses: list[float] = []
    real: Any = cloud.dynamodb.describe_table
    answers = iter(["CREATING", "CREATING", "UPDATING"])

    def describe(**arguments: Any) -> Any:
        found = real(**arguments)
        found["Table"]["TableStatus"] = next(answers, "ACTIVE")
        return found

    ensure_registry_table(cloud, name="registry")
    cloud.dynamodb.describe_table = describe  # type: ignore[method-assign]
    ensure_registry_table(cloud, name="registry", sleep=pauses.append)

    assert len(pauses) == 2, "the first answer only tells that there is a table"


def test_other_accounts_see_their_own_bucket_only() -> None:
    """The guard that every S3 call carries: ExpectedBucketOwner."""
    with mock_aws():
        cloud = Cloud(region="us-east-1")
        seen: list[Any] = []
        cloud.s3.meta.events.register(
            "provide-client-params.s3", lambda params, model, **_: seen.append((model.name, params))
        )
        ensure_state_bucket(cloud, name=BUCKET, account_id=ACCOUNT)
        assert boto3.client("s3", "us-east-1").head_bucket(Bucket=BUCKET)
    unguarded = {name for name, params in seen if params.get("ExpectedBucketOwner") != ACCOUNT}
    assert unguarded == {"CreateBucket"}
