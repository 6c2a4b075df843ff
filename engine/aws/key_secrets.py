"""Private keys in Secrets Manager, each under one exact name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import BackendError
from engine.model.secret import Secret


@dataclass(frozen=True)
class KeptSecret:
    """A secret that is there. `going`: deleted, but still to be had back."""

    name: str
    arn: str
    going: bool


def find_secret(cloud: Cloud, name: str) -> KeptSecret | None:
    """The secret with exactly this name. Listing by name would match prefixes, and a name may also be
    taken for the beginning of an ARN, so what comes back is compared."""
    with aws_errors(f"looking for the secret {name}", secret=True):
        try:
            found = cloud.secretsmanager.describe_secret(SecretId=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
    if found["Name"] != name:
        return None
    return KeptSecret(name=name, arn=found["ARN"], going="DeletedDate" in found)


def read_secret(cloud: Cloud, kept: KeptSecret) -> Secret | None:
    """The text of a secret; None when it has none (yet)."""
    with aws_errors(f"reading the secret {kept.name}", secret=True):
        try:
            text = cloud.secretsmanager.get_secret_value(SecretId=kept.arn).get("SecretString")
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
    return Secret(text) if text else None


def create_secret(
    cloud: Cloud, name: str, text: Secret, *, description: str, tags: Mapping[str, str]
) -> bool:
    """Make the secret; False when one of that name is there, or is just being deleted."""
    with aws_errors(f"keeping the secret {name}", secret=True):
        try:
            cloud.secretsmanager.create_secret(
                Name=name,
                Description=description,
                SecretString=text.reveal(),
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )
        except ClientError as error:
            # InvalidRequestException: the name is taken by a deletion that is still under way.
            if error_code(error) in {"ResourceExistsException", "InvalidRequestException"}:
                return False
            raise
    return True


def restore_secret(cloud: Cloud, kept: KeptSecret) -> bool:
    """Take back the deletion of a secret; False when it is going for good, which takes a moment."""
    with aws_errors(f"restoring the secret {kept.name}", secret=True):
        try:
            cloud.secretsmanager.restore_secret(SecretId=kept.arn)
        except ClientError as error:
            if error_code(error) in {"ResourceNotFoundException", "InvalidRequestException"}:
                return False
            raise
    return True


def delete_secret(cloud: Cloud, kept: KeptSecret) -> None:
    """Delete for good, without the window in which it could be had back: the name is free at once."""
    with aws_errors(f"deleting the secret {kept.name}", secret=True):
        try:
            cloud.secretsmanager.delete_secret(SecretId=kept.arn, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return
            if error_code(error) != "InvalidRequestException" or not kept.going:
                raise
            # One that is scheduled for deletion may have to be had back before it can go at once.
            cloud.secretsmanager.restore_secret(SecretId=kept.arn)
            cloud.secretsmanager.delete_secret(SecretId=kept.arn, ForceDeleteWithoutRecovery=True)


def read_private_key(cloud: Cloud, secret_name: str) -> Secret:
    """The private key kept under exactly this name.

    Raises  BackendError when there is none, or it is deleted; AccessDenied; Unreachable
    """
    kept = find_secret(cloud, secret_name)
    text = read_secret(cloud, kept) if kept and not kept.going else None
    if text is None:
        state = "is scheduled for deletion" if kept and kept.going else "does not exist"
        raise BackendError(
            f"The secret {secret_name} with the private key {state}.",
            hint="`provisioner apply` of the project repairs it.",
            details={"secret": secret_name},
        )
    return text
