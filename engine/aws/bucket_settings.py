"""The settings of a bucket that Terraform counts as resources of their own: whether one is set."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud

# Terraform's type -> the call that reads the setting, and S3's answer when there is none.
SETTINGS = {
    "aws_s3_bucket_ownership_controls": ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
    "aws_s3_bucket_public_access_block": ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    "aws_s3_bucket_versioning": ("get_bucket_versioning", "(it answers with nothing)"),
    "aws_s3_bucket_server_side_encryption_configuration": (
        "get_bucket_encryption",
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    "aws_s3_bucket_policy": ("get_bucket_policy", "NoSuchBucketPolicy"),
    "aws_s3_bucket_lifecycle_configuration": (
        "get_bucket_lifecycle_configuration",
        "NoSuchLifecycleConfiguration",
    ),
}


def is_set(cloud: Cloud, kind: str, bucket: str, *, account_id: str) -> bool:
    """Whether a bucket has that setting; kind is one of SETTINGS.

    The bucket must be there, and belong to the account.
    """
    operation, absent = SETTINGS[kind]
    with aws_errors(f"looking at the settings of the bucket {bucket}"):
        try:
            found: dict[str, Any] = getattr(cloud.s3, operation)(
                Bucket=bucket, ExpectedBucketOwner=account_id
            )
        except ClientError as error:
            if error_code(error) != absent:
                raise
            return False
    return bool(found.keys() - {"ResponseMetadata"})
