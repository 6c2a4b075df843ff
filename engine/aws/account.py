"""Whose account it is that we work in, and as whom."""

from __future__ import annotations

from engine.aws.failures import aws_errors
from engine.aws.session import Cloud
from engine.errors import BackendError


def account_of(cloud: Cloud) -> str:
    """Id of the account the credentials belong to, 12 digits.

    Raises  AccessDenied, Unreachable
    """
    with aws_errors("asking who we are (sts:GetCallerIdentity)"):
        return cloud.sts.get_caller_identity()["Account"]


def caller_of(cloud: Cloud) -> str:
    """ARN of whoever the credentials belong to.

    Raises  AccessDenied, Unreachable
    """
    with aws_errors("asking who we are (sts:GetCallerIdentity)"):
        return cloud.sts.get_caller_identity()["Arn"]


def require_account(account: str, expected: str) -> None:
    """Stop before anything is made in a wrong account. Raises BackendError."""
    if account != expected:
        raise BackendError(
            f"These credentials belong to account {account}, the settings say {expected}.",
            hint="Use the profile of the right account, or correct account_id in the settings.",
            details={"found": account, "expected": expected},
        )
