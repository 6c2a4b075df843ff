"""Whether state bucket and tables keep what they hold: versions, encryption, recovery, no public access."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.checks import Check, Level, Probe, Verdict, failed, fine, run_probes, warning
from engine.aws.doctor.asking import asking
from engine.aws.failures import aws_errors, error_code
from engine.aws.preflight import SUBJECT
from engine.aws.session import Cloud

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PublicAccessBlockConfigurationTypeDef

_BOOTSTRAP = "Run `provisioner bootstrap`: it puts this right."
_PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def examine_keeping(
    cloud: Cloud, *, state_bucket: str, lock_table: str, registry_table: str, standing: Collection[str]
) -> list[Check]:
    """One Check each, never an error.

    standing   names of the checks of `examine_backend` that were ok: what is not there is not looked at
    """
    with asking() as ask:
        versioning = ask(lambda: read_versioning(cloud, state_bucket))
        encryption = ask(lambda: read_encryption(cloud, state_bucket))
        public_access = ask(lambda: read_public_access_block(cloud, state_bucket))
        locks = ask(lambda: read_recovery(cloud, lock_table))
        registry = ask(lambda: read_recovery(cloud, registry_table))
    probes = {
        f"state bucket {state_bucket}": [
            Probe("state bucket versioning", lambda: judge_versioning(versioning())),
            Probe("state bucket encryption", lambda: judge_encryption(encryption())),
            Probe("state bucket public access", lambda: judge_public_access(public_access())),
        ],
        f"lock table {lock_table}": [
            Probe("lock table recovery", lambda: judge_recovery(locks()), Level.WARNING)
        ],
        f"registry table {registry_table}": [
            Probe("registry table recovery", lambda: judge_recovery(registry()), Level.WARNING)
        ],
    }
    return run_probes(
        SUBJECT, [probe for name, of_it in probes.items() if name in standing for probe in of_it]
    )


def read_versioning(cloud: Cloud, bucket: str) -> str:
    """ "Enabled", "Suspended", or "" where it was never switched on."""
    with aws_errors(f"asking for the versioning of {bucket}"):
        return cloud.s3.get_bucket_versioning(Bucket=bucket).get("Status", "")


def read_encryption(cloud: Cloud, bucket: str) -> str:
    """Algorithm by which new objects are encrypted: "AES256", "aws:kms"; "" for none."""
    with aws_errors(f"asking for the encryption of {bucket}"):
        try:
            found = cloud.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        except ClientError as error:
            if error_code(error) == "ServerSideEncryptionConfigurationNotFoundError":
                return ""
            raise
    rules = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in found["Rules"]]
    return next((rule["SSEAlgorithm"] for rule in rules if rule), "")


def read_public_access_block(cloud: Cloud, bucket: str) -> PublicAccessBlockConfigurationTypeDef:
    with aws_errors(f"asking for the public access block of {bucket}"):
        try:
            return cloud.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if error_code(error) == "NoSuchPublicAccessBlockConfiguration":
                return {}
            raise


def read_recovery(cloud: Cloud, table: str) -> bool:
    """Whether point-in-time recovery is on."""
    with aws_errors(f"asking for the backups of {table}"):
        found = cloud.dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = found.get("PointInTimeRecoveryDescription", {})
    return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"


def judge_versioning(status: str) -> Verdict:
    if status == "Enabled":
        return fine("on")
    return failed(
        f"is {status.lower() or 'off'}: a state that was overwritten or deleted is gone", _BOOTSTRAP
    )


def judge_encryption(algorithm: str) -> Verdict:
    return fine(algorithm) if algorithm else failed("new states are not encrypted", _BOOTSTRAP)


def judge_public_access(block: PublicAccessBlockConfigurationTypeDef) -> Verdict:
    missing = [name for name in _PUBLIC_ACCESS if not block.get(name)]
    if not missing:
        return fine("blocked")
    return failed(f"is not blocked: {', '.join(missing)} off", _BOOTSTRAP)


def judge_recovery(on: bool) -> Verdict:
    if on:
        return fine("to any second of the last 35 days")
    return warning("point-in-time recovery is off: what is deleted is gone", _BOOTSTRAP)
