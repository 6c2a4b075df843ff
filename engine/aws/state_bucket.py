"""The S3 bucket that holds Terraform's state: made once, and put right whenever it has drifted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from engine.aws.buckets import locate_bucket
from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.steps import Outcome, Step
from engine.errors import BackendError, WrongRegion

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType

_TLS_STATEMENT = "RefuseUnencryptedTransport"
_PUBLIC_ACCESS = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_OWNERSHIP: Final = "BucketOwnerEnforced"
_KEEP_OLD_STATES_DAYS = 365
# Old states are what a bad apply is repaired from, so they stay for a year after they were replaced.
# No rule here touches a current version: a state must never expire.
_LIFECYCLE: list[dict[str, Any]] = [
    {
        "ID": "expire-old-states",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _KEEP_OLD_STATES_DAYS},
    },
    {
        "ID": "abort-incomplete-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    },
]


def ensure_state_bucket(cloud: Cloud, *, name: str, account_id: str) -> list[Step]:
    """Make the state bucket, or put right what is not as it must be; repeating it changes nothing.

    Versioned, encrypted (another kind of encryption than AES256 is kept), not public, TLS only (further
    policy statements are kept), owned by its account alone, old versions kept for a year. The lifecycle
    rules belong to the engine: others are removed, since one of them could expire a current state.

    Returns  one Step per item
    Raises   WrongRegion when it stands elsewhere; BackendError when the name belongs to another
             account; AccessDenied, Unreachable
    """
    bucket = _ensure_bucket(cloud, name, account_id)
    steps = [Step(f"state bucket {name}", bucket)]
    for what, ensure in (
        ("ownership", _ensure_ownership),
        ("no public access", _ensure_no_public_access),
        ("versioning", _ensure_versioning),
        ("encryption", _ensure_encryption),
        ("TLS only", _ensure_tls_only),
        ("lifecycle", _ensure_lifecycle),
    ):
        with aws_errors(f"setting up {what} of the state bucket {name}"):
            changed = ensure(cloud, name, account_id)
        # Settings of a bucket made a moment ago were not broken, they are new like the bucket.
        outcome = Outcome.REPAIRED if changed and bucket is Outcome.UNCHANGED else bucket
        steps.append(Step(f"state bucket {name}: {what}", outcome))
    return steps


def _ensure_bucket(cloud: Cloud, name: str, account_id: str) -> Outcome:
    found = locate_bucket(cloud, name, account_id=account_id)
    if found is None:
        return _create(cloud, name, account_id)
    if found.region != cloud.region:
        raise WrongRegion(
            f"The state bucket {name} stands in {found.region}, the settings say {cloud.region}.",
            hint="Set the region to where the bucket is, or name another state bucket.",
            details={"bucket": name, "found": found.region, "expected": cloud.region},
        )
    return Outcome.UNCHANGED


def _create(cloud: Cloud, name: str, account_id: str) -> Outcome:
    with aws_errors(f"creating the state bucket {name}"):
        try:
            # us-east-1 is the default and S3 refuses it as a LocationConstraint (S3 API, CreateBucket).
            if cloud.region == "us-east-1":
                cloud.s3.create_bucket(Bucket=name, ObjectOwnership=_OWNERSHIP)
            else:
                location: BucketLocationConstraintType = cloud.region  # type: ignore[assignment]
                cloud.s3.create_bucket(
                    Bucket=name,
                    ObjectOwnership=_OWNERSHIP,
                    CreateBucketConfiguration={"LocationConstraint": location},
                )
        except ClientError as error:
            # Somebody ran bootstrap at the same moment: the bucket is ours all the same.
            if error_code(error) == "BucketAlreadyOwnedByYou":
                return Outcome.UNCHANGED
            if error_code(error) == "BucketAlreadyExists":
                raise BackendError(
                    f"The bucket name {name} is taken by another AWS account.",
                    hint=f"Name another state bucket in the settings (state_bucket); "
                    f"account {account_id} cannot use this one.",
                    details={"bucket": name},
                ) from error
            raise
    return Outcome.CREATED


def _ensure_ownership(cloud: Cloud, name: str, account_id: str) -> bool:
    try:
        found = cloud.s3.get_bucket_ownership_controls(Bucket=name, ExpectedBucketOwner=account_id)
        rules = [rule["ObjectOwnership"] for rule in found["OwnershipControls"]["Rules"]]
    except ClientError as error:
        if error_code(error) != "OwnershipControlsNotFoundError":
            raise
        rules = []
    if rules == [_OWNERSHIP]:
        return False
    cloud.s3.put_bucket_ownership_controls(
        Bucket=name,
        ExpectedBucketOwner=account_id,
        OwnershipControls={"Rules": [{"ObjectOwnership": _OWNERSHIP}]},
    )
    return True


def _ensure_no_public_access(cloud: Cloud, name: str, account_id: str) -> bool:
    try:
        found = cloud.s3.get_public_access_block(Bucket=name, ExpectedBucketOwner=account_id)
        block: dict[str, Any] = dict(found["PublicAccessBlockConfiguration"])
    except ClientError as error:
        if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    if block == _PUBLIC_ACCESS:
        return False
    cloud.s3.put_public_access_block(
        Bucket=name,
        ExpectedBucketOwner=account_id,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    return True


def _ensure_versioning(cloud: Cloud, name: str, account_id: str) -> bool:
    found = cloud.s3.get_bucket_versioning(Bucket=name, ExpectedBucketOwner=account_id)
    if found.get("Status") == "Enabled":
        return False
    cloud.s3.put_bucket_versioning(
        Bucket=name, ExpectedBucketOwner=account_id, VersioningConfiguration={"Status": "Enabled"}
    )
    return True


def _ensure_encryption(cloud: Cloud, name: str, account_id: str) -> bool:
    try:
        found = cloud.s3.get_bucket_encryption(Bucket=name, ExpectedBucketOwner=account_id)
        if found["ServerSideEncryptionConfiguration"]["Rules"]:
            return False
    except ClientError as error:
        if error_code(error) != "ServerSideEncryptionConfigurationNotFoundError":
            raise
    cloud.s3.put_bucket_encryption(
        Bucket=name,
        ExpectedBucketOwner=account_id,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    return True


def _ensure_tls_only(cloud: Cloud, name: str, account_id: str) -> bool:
    try:
        found = cloud.s3.get_bucket_policy(Bucket=name, ExpectedBucketOwner=account_id)
        policy: dict[str, Any] = json.loads(found["Policy"])
    except ClientError as error:
        if error_code(error) != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    statements = policy.get("Statement", [])
    # IAM takes a lone statement without its list.
    statements = statements if isinstance(statements, list) else [statements]
    wanted = _tls_statement(name, cloud.region)
    if wanted in statements:
        return False
    others = [statement for statement in statements if statement.get("Sid") != _TLS_STATEMENT]
    policy["Statement"] = [*others, wanted]
    cloud.s3.put_bucket_policy(Bucket=name, ExpectedBucketOwner=account_id, Policy=json.dumps(policy))
    return True


def _tls_statement(name: str, region: str) -> dict[str, Any]:
    arn = f"arn:{_partition(region)}:s3:::{name}"
    return {
        "Sid": _TLS_STATEMENT,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _ensure_lifecycle(cloud: Cloud, name: str, account_id: str) -> bool:
    try:
        found = cloud.s3.get_bucket_lifecycle_configuration(Bucket=name, ExpectedBucketOwner=account_id)
        rules: list[Any] = list(found["Rules"])
    except ClientError as error:
        if error_code(error) != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    if _by_id(rules) == _by_id(_LIFECYCLE):
        return False
    configuration: Any = {"Rules": _LIFECYCLE}
    cloud.s3.put_bucket_lifecycle_configuration(
        Bucket=name, ExpectedBucketOwner=account_id, LifecycleConfiguration=configuration
    )
    return True


def _by_id(rules: list[Any]) -> dict[str, Any]:
    return {str(rule.get("ID")): {**rule, "Filter": rule.get("Filter") or {"Prefix": ""}} for rule in rules}
