"""A project's key pairs: the public half in EC2, the private half in Secrets Manager and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import PassingFailure, aws_errors, error_code
from engine.aws.key_secrets import (
    KeptSecret,
    create_secret,
    delete_secret,
    find_secret,
    read_private_key,
    read_secret,
    restore_secret,
)
from engine.aws.openssh import PublicKey, UnreadableKey, parse_public_line, public_half
from engine.aws.session import Cloud
from engine.aws.steps import Outcome
from engine.errors import BackendError
from engine.model.secret import Secret

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef, TagTypeDef

__all__ = ["KeyPair", "delete_key_pair", "ensure_key_pair", "offer_key_pair", "read_private_key"]

_TRIES = 8
_PAUSE_S = 0.25


@dataclass(frozen=True)
class KeyPair:
    """fingerprint: SHA-256 in base64, as EC2 and `ssh-keygen -l` show it for ED25519 keys.
    public_line: as in authorized_keys, without a comment."""

    name: str
    public_line: str
    fingerprint: str
    secret_arn: str
    outcome: Outcome


@dataclass(frozen=True)
class _Ec2Key:
    public: PublicKey | None


def ensure_key_pair(
    cloud: Cloud,
    *,
    key_name: str,
    secret_name: str,
    tags: Mapping[str, str],
    in_use: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> KeyPair:
    """Make an ED25519 key pair, or put right what an interrupted or concurrent run has left.

    Creating the secret is the one write that only one worker can win, so the secret is the truth, and the
    key in EC2 follows it:

        EC2 key    secret                   what is done
        -          -                        EC2 makes the pair, the private half becomes the secret
        there      -                        the private half is lost: the key is made anew
        -          there                    the public half, read from the secret, is imported again: people
                                            who hold the private key keep their access
        there      there, another key       as above, after the key is removed
        any        scheduled for deletion   the secret is restored first

    in_use   a cluster was made with this key. Then a key whose private half is lost, or doesn't match, is
             reported and left alone: a new one would not open the head node that runs.
    Returns  outcome `created`, `repaired` or `unchanged`
    Raises   BackendError for a mismatch in use, or for a secret that is no OpenSSH private key (it may be
             somebody's, so it is left alone); AccessDenied; Unreachable; PassingFailure
    """
    outcome = Outcome.UNCHANGED
    for attempt in range(_TRIES):
        if attempt > 2:
            # Another worker is at it, or EC2 does not show yet what it has just taken.
            sleep(_PAUSE_S * attempt)
        key = _find_key(cloud, key_name)
        kept = find_secret(cloud, secret_name)
        if kept is not None and kept.going:
            if restore_secret(cloud, kept):
                outcome = _worse(outcome, Outcome.REPAIRED)
            continue
        private = read_secret(cloud, kept) if kept else None
        if kept is None or private is None:
            if key is not None:
                _refuse_if_used(in_use, f"its private half, the secret {secret_name}, is gone", key_name)
                _delete_key(cloud, key_name)
            if kept is not None:
                # A secret without any text: there is nothing in it to lose.
                delete_secret(cloud, kept)
            repaired = key is not None or kept is not None
            if _create(cloud, key_name, secret_name, tags):
                outcome = _worse(outcome, Outcome.REPAIRED if repaired else Outcome.CREATED)
            continue
        public = _public_half(private, kept)
        if key is not None and key.public == public:
            return KeyPair(key_name, public.line(), public.fingerprint(), kept.arn, outcome)
        if key is not None:
            _refuse_if_used(in_use, f"it does not match the secret {secret_name}", key_name)
            _delete_key(cloud, key_name)
        _import(cloud, key_name, public, tags)
        outcome = _worse(outcome, Outcome.REPAIRED)
    raise PassingFailure(
        f"The key pair {key_name} and its secret did not settle; other commands seem to work on them.",
        hint="Run this again.",
    )


def offer_key_pair(cloud: Cloud, *, key_name: str, secret_name: str, tags: Mapping[str, str]) -> str | None:
    """ARN of the secret with the private half; both are made where neither is there.

    Any number of callers at once make one key: EC2 lets one of them have the name. Nothing is mended, and
    no private key is read: `ensure_key_pair` does that before a cluster is made.
    Returns  None while another caller is between the two halves, or where one is to be mended
    Raises   AccessDenied; Unreachable; PassingFailure
    """
    kept = find_secret(cloud, secret_name)
    if kept is None:
        _create(cloud, key_name, secret_name, tags)
    elif kept.going:
        restore_secret(cloud, kept)
    else:
        return kept.arn
    kept = find_secret(cloud, secret_name)
    return kept.arn if kept and not kept.going else None


def delete_key_pair(cloud: Cloud, *, key_name: str, secret_name: str) -> bool:
    """Delete both halves for good. Repeating it is safe; False when there was nothing to delete."""
    key = _find_key(cloud, key_name)
    if key is not None:
        _delete_key(cloud, key_name)
    kept = find_secret(cloud, secret_name)
    if kept is not None:
        delete_secret(cloud, kept)
    return key is not None or kept is not None


def _find_key(cloud: Cloud, name: str) -> _Ec2Key | None:
    with aws_errors(f"looking for the key pair {name}"):
        try:
            pairs = cloud.ec2.describe_key_pairs(KeyNames=[name], IncludePublicKey=True)["KeyPairs"]
        except ClientError as error:
            if error_code(error) == "InvalidKeyPair.NotFound":
                return None
            raise
    if not pairs:
        return None
    try:
        return _Ec2Key(parse_public_line(pairs[0].get("PublicKey", "")))
    except UnreadableKey:
        return _Ec2Key(None)


def _create(cloud: Cloud, key_name: str, secret_name: str, tags: Mapping[str, str]) -> bool:
    """Let EC2 make the pair and keep its private half; False when another worker was faster."""
    with aws_errors(f"creating the key pair {key_name}"):
        try:
            private = Secret(
                cloud.ec2.create_key_pair(
                    KeyName=key_name, KeyType="ed25519", KeyFormat="pem", TagSpecifications=_tagged(tags)
                )["KeyMaterial"]
            )
        except ClientError as error:
            if error_code(error) == "InvalidKeyPair.Duplicate":
                return False
            raise
    return create_secret(
        cloud, secret_name, private, description=f"Private half of the EC2 key pair {key_name}", tags=tags
    )


def _import(cloud: Cloud, name: str, public: PublicKey, tags: Mapping[str, str]) -> None:
    with aws_errors(f"importing the public half of the key pair {name}"):
        try:
            cloud.ec2.import_key_pair(
                KeyName=name, PublicKeyMaterial=public.line().encode(), TagSpecifications=_tagged(tags)
            )
        except ClientError as error:
            # Somebody else put one there just now; the next look decides whether it is the right one.
            if error_code(error) != "InvalidKeyPair.Duplicate":
                raise


def _tagged(tags: Mapping[str, str]) -> list[TagSpecificationTypeDef]:
    # EC2 refuses a specification without tags.
    if not tags:
        return []
    pairs: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    return [{"ResourceType": "key-pair", "Tags": pairs}]


def _delete_key(cloud: Cloud, name: str) -> None:
    with aws_errors(f"deleting the key pair {name}"):
        # EC2 API, DeleteKeyPair: succeeds as well when there is no such key.
        cloud.ec2.delete_key_pair(KeyName=name)


def _public_half(private: Secret, kept: KeptSecret) -> PublicKey:
    try:
        return public_half(private)
    except UnreadableKey as error:
        raise BackendError(
            f"The secret {kept.name} does not hold an OpenSSH private key ({error}).",
            hint="Somebody else has written it. Look at it in Secrets Manager; when it is not needed, "
            "delete it and run this again.",
            details={"secret": kept.name},
        ) from None


def _refuse_if_used(in_use: bool, problem: str, key_name: str) -> None:
    if in_use:
        raise BackendError(
            f"The key pair {key_name} of a running cluster is broken: {problem}.",
            hint="Put the right private key back into the secret, or release the project and apply it again "
            "to get a new key.",
            details={"key_pair": key_name},
        )


def _worse(one: Outcome, other: Outcome) -> Outcome:
    """Of two outcomes the one that says more: repaired before created before unchanged."""
    ranks = [Outcome.UNCHANGED, Outcome.CREATED, Outcome.REPAIRED]
    return max(one, other, key=ranks.index)
