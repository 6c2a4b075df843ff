"""What passes by itself and is therefore tried again: the one list, with where each entry comes from.

Three decide by it: the AWS calls of the engine (`aws/retrying.py`), the word for an answer that came all the
same (`aws/failures.py`), and whether a Terraform that failed is run again (`terraform/failures.py`).
What is not in it is told at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why it passes."""

    THROTTLED = "throttled"
    """Too many requests for the moment."""
    ILL = "ill"
    """AWS's own error: 5xx."""
    SETTLING = "settling"
    """Another write to the same thing is not over yet."""
    EXPIRED = "expired"
    """The credentials were valid; new ones come from where these came from."""
    LOST = "lost"
    """No answer came, so nobody knows whether the call was carried out."""


@dataclass(frozen=True)
class Passing:
    """code: as AWS sends it; for LOST, a part of the text with which Go's HTTP client tells it."""

    code: str
    why: Why
    source: str


_BOTOCORE = "botocore, retries/standard.py"
_COMMON = "AWS API references, 'Common Errors'"
_EC2 = "EC2 API reference, 'Error codes'"
_S3 = "S3 API reference, 'Error responses'"
_DYNAMODB = "DynamoDB developer guide, 'Error handling'"
_LAMBDA = "Lambda API reference, 'Invoke'"
_CLOUDFORMATION = "CloudFormation API reference, 'Common errors'"
_GO = "Go's net and net/http, as AWS provider 5.100.0 prints them"
_SEEN = "AWS provider 5.100.0 against a proxy that spoils answers (tests/faults)"


def _entries(why: Why, source: str, *codes: str) -> tuple[Passing, ...]:
    return tuple(Passing(code, why, source) for code in codes)


PASSING: tuple[Passing, ...] = (
    *_entries(
        Why.THROTTLED,
        _BOTOCORE,
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    *_entries(Why.THROTTLED, _DYNAMODB, "ThrottlingError"),
    *_entries(Why.THROTTLED, _CLOUDFORMATION, "Rate exceeded"),
    *_entries(Why.ILL, _BOTOCORE, "RequestTimeout", "RequestTimeoutException"),
    *_entries(Why.ILL, _COMMON, "InternalFailure", "ServiceUnavailable"),
    *_entries(Why.ILL, _EC2, "InternalError", "Unavailable"),
    *_entries(Why.ILL, _DYNAMODB, "InternalServerError", "ServiceUnavailableException"),
    *_entries(Why.ILL, _LAMBDA, "ServiceException", "EC2UnexpectedException"),
    *_entries(Why.ILL, "Secrets Manager API reference, 'GetSecretValue'", "InternalServiceError"),
    *_entries(Why.SETTLING, _S3, "OperationAborted"),
    *_entries(Why.SETTLING, "Route 53 API reference", "PriorRequestNotComplete"),
    *_entries(Why.SETTLING, _DYNAMODB, "TransactionInProgressException"),
    *_entries(Why.EXPIRED, _COMMON, "ExpiredToken", "ExpiredTokenException", "RequestExpired"),
    *_entries(Why.EXPIRED, _S3, "TokenRefreshRequired"),
    *_entries(
        Why.LOST,
        _GO,
        "connection refused",
        "no such host",
        "network is unreachable",
        "no route to host",
        "connection reset by peer",
        "broken pipe",
        "i/o timeout",
        "TLS handshake timeout",
        "Client.Timeout exceeded",
        "server misbehaving",
        "EOF",
    ),
    *_entries(Why.LOST, _SEEN, "request send failed", "StatusCode: 0,"),
)

# Not in the list, as it is no code: an answer of S3 to HEAD has no body, and botocore gives its status
# instead. Credentials that have expired are told so (S3 API reference, "HeadObject": "400 Bad Request").
HEAD_SAYS_NO_MORE = "400"


def codes(*why: Why) -> frozenset[str]:
    """The entries that pass for one of these reasons; all of them when none is named."""
    return frozenset(one.code for one in PASSING if not why or one.why in why)


EXPIRED = codes(Why.EXPIRED) | {HEAD_SAYS_NO_MORE}
"""The codes of answers that mean expired credentials."""


def pattern(*why: Why) -> str:
    """A regular expression that finds one of these entries in the text of a tool.

    A code stands by itself there ("api error Throttling: Rate exceeded"); it is no part of another word.
    """
    found = sorted(codes(*why), key=lambda code: (-len(code), code))
    return "|".join(rf"(?<!\w){re.escape(code)}(?!\w)" for code in found)
