"""Who signed a request: AWS Signature Version 4, recomputed by botocore's own signer and compared.

For the local server alone. In AWS, IAM authorization of API Gateway does this before our code runs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as Signing

from engine.aws.session import Credentials

SERVICE = "execute-api"
SKEW = timedelta(minutes=5)
_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} +Credential=(?P<key>[^/,\s]+)/(?P<day>\d{{8}})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request *, *SignedHeaders=(?P<signed>[a-z0-9;-]+) *, *Signature=(?P<signature>[0-9a-f]{64})"
)
# Words of API Gateway and of SigV4's errors, as callers meet them in AWS.
_NO_TOKEN = "Missing Authentication Token"
_MALFORMED = "The Authorization header is not one of AWS Signature Version 4."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method."
)


class Refused(Exception):
    """The request is not let in; the text is what the caller is told."""


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came over the wire.

    path, query   raw, percent-encoded
    headers       (name, value) in their order, repeated ones too
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name]


class Gatekeeper:
    """Lets in what the holder of one pair of keys has signed, once, within five minutes.

    Two requests that are alike in every signed byte within a second have one signature. While the first of
    them is being answered the others are let in too: those are concurrent callers with one wish. Once
    all of them are answered, the same signature is a replay.
    """

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._key = credentials.access_key_id
        self._region = region
        token = credentials.session_token
        self._token = token.reveal() if token else None
        signing = Signing(self._key, credentials.secret_access_key.reveal(), self._token)
        self._signer = _Signer(signing, SERVICE, region)
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._answering: Counter[str] = Counter()

    def admit(self, request: SignedRequest, *, now: datetime) -> str:
        """Let the request in; call `leave` with what this gives when it has been answered.

        Raises   Refused
        """
        given = _authorization(request)
        sent_at = _date(request, given["day"])
        if given["service"] != SERVICE or given["region"] != self._region:
            raise Refused(
                f"Credential should be scoped to a valid region and service: {self._region}, {SERVICE}."
            )
        if abs(now - sent_at) > SKEW:
            raise Refused(f"Signature expired or not yet current: signed at {sent_at.strftime(_DATE)}.")
        if not hmac.compare_digest(given["key"].encode(), self._key.encode()):
            raise Refused("The security token included in the request is invalid.")
        if request.values("x-amz-security-token") != ([self._token] if self._token else []):
            raise Refused("The security token included in the request is invalid.")
        signed = given["signed"].split(";")
        _require_signed(request, signed)
        expected = self._signer.expected(request, signed, sent_at.strftime(_DATE))
        if not hmac.compare_digest(expected, given["signature"]):
            raise Refused(_MISMATCH)
        self._enter(expected, now)
        return expected

    def leave(self, signature: str) -> None:
        with self._lock:
            self._answering[signature] -= 1

    def _enter(self, signature: str, now: datetime) -> None:
        with self._lock:
            if signature in self._seen and self._answering[signature] <= 0:
                raise Refused(
                    "This signature was used before. Sign each request anew, alike ones not in one second."
                )
            self._seen[signature] = now
            self._answering[signature] += 1
            # Older ones are refused for their date; up to twice the skew, since a clock may be ahead.
            for old in [one for one, at in self._seen.items() if now - at > 2 * SKEW]:
                del self._seen[old], self._answering[old]


class _Signer(SigV4Auth):
    """botocore's signer over exactly the headers that the caller has signed."""

    def expected(self, request: SignedRequest, signed: Sequence[str], timestamp: str) -> str:
        headers = [(name, value) for name, value in request.headers if name.lower() in signed]
        pairs: Any = _pairs(request)  # a list, since names may repeat
        unsigned: Any = AWSRequest(
            method=request.method, url=f"http://local{request.path}", data=request.body, params=pairs
        )
        for name in list(unsigned.headers):
            del unsigned.headers[name]
        for name, value in headers:
            unsigned.headers.add_header(name, value)
        unsigned.context["timestamp"] = timestamp
        canonical = self.canonical_request(unsigned)
        signature: str = self.signature(self.string_to_sign(unsigned, canonical), unsigned)
        return signature

    def headers_to_sign(self, request: Any) -> Any:
        # botocore leaves some out that others sign, User-Agent among them.
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            chosen.add_header(name.lower(), value)
        return chosen

    def payload(self, request: Any) -> str:
        return hashlib.sha256(request.body or b"").hexdigest()


def _authorization(request: SignedRequest) -> dict[str, str]:
    values = request.values("authorization")
    if not values:
        raise Refused(_NO_TOKEN)
    match = _AUTHORIZATION.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None:
        raise Refused(_MALFORMED)
    return match.groupdict()


def _date(request: SignedRequest, day: str) -> datetime:
    values = request.values("x-amz-date")
    try:
        (text,) = values
        moment = datetime.strptime(text, _DATE).replace(tzinfo=UTC)
    except ValueError:
        raise Refused("Authorization header requires one 'X-Amz-Date' header.") from None
    if not text.startswith(day):
        raise Refused("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    return moment


def _require_signed(request: SignedRequest, signed: Sequence[str]) -> None:
    """What decides over a request must be signed with it: the host, the date, and every x-amz- header."""
    must = {"host"} | {name.lower() for name, _ in request.headers if name.lower().startswith("x-amz-")}
    if missing := sorted(must - set(signed)):
        raise Refused(f"Not signed: {', '.join(missing)}.")
    absent = [name for name in signed if not request.values(name)]
    if absent or list(signed) != sorted(set(signed)):
        raise Refused(_MALFORMED)
    digest = hashlib.sha256(request.body).hexdigest()
    if any(value != digest for value in request.values("x-amz-content-sha256")):
        raise Refused("The body is not the one that was signed.")


def _pairs(request: SignedRequest) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in request.query.split("&") if part]
    try:
        return [(unquote(name, errors="strict"), unquote(value, errors="strict")) for name, _, value in pairs]
    except UnicodeDecodeError:
        raise Refused("The query is not UTF-8.") from None
