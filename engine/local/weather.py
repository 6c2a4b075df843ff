"""Bad weather on the way to AWS: a share of all calls is throttled, fails, comes late, or loses its answer.

Which call meets what follows from the seed, the operation and how often that operation was called, so that
threads that overtake each other change nothing of it. Calls of functions that run in the cloud are left
alone: they have an endpoint of their own.
"""

from __future__ import annotations

import io
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from xml.sax.saxutils import escape

from engine.local.calls import FUNCTION_KEY, call_name, signer_of
from engine.local.http_server import Dropped, read_body

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

SLOW_S = 0.5
HUNG_S = 2.0
EXPIRED_S = 0.5


class Trouble(StrEnum):
    """What a call meets."""

    THROTTLED = "throttled"
    ILL = "ill"
    """An error 500 or 503 of AWS's own; the call was not carried out."""
    EXPIRED = "expired"
    """The credentials are expired, for this call and all others for a moment."""
    SLOW = "slow"
    HUNG = "hung"
    """Nothing comes for a while, then the connection is gone; the call was not carried out."""
    RESET = "reset"
    """The connection is reset; the call was not carried out."""
    LOST = "lost"
    """The call was carried out, and the connection is reset before the answer comes."""


# Of a hundred troubles. Expired credentials are an event, not a property of each call.
WEIGHTS = {
    Trouble.THROTTLED: 29,
    Trouble.ILL: 25,
    Trouble.EXPIRED: 1,
    Trouble.SLOW: 15,
    Trouble.HUNG: 5,
    Trouble.RESET: 10,
    Trouble.LOST: 15,
}


@dataclass(frozen=True)
class Forecast:
    """share: of the calls that meet trouble, 0 to 1."""

    share: float
    seed: int
    weights: Mapping[Trouble, int]

    def trouble(self, operation: str, number: int) -> Trouble | None:
        """What the call of that number (of this operation, from 0) meets; None: nothing."""
        chance = random.Random(f"{self.seed} {operation} {number}")  # noqa: S311
        if chance.random() >= self.share:
            return None
        return chance.choices(list(self.weights), list(self.weights.values()))[0]


class Weather:
    """A WSGI application around the cloud's own one."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._forecast: Forecast | None = None
        self._numbers: Counter[str] = Counter()
        self._met: Counter[str] = Counter()
        self._expired_until = 0.0

    def become(self, share: float, *, seed: int = 0, weights: Mapping[Trouble, int] = WEIGHTS) -> None:
        """From now on a share (0 to 1) of the calls meets trouble; 0 is fair weather. Counts begin anew.

        Raises   ValueError
        """
        if isinstance(share, bool) or not 0 <= share <= 1:
            raise ValueError(f"share is from 0 to 1, not {share!r}")
        with self._lock:
            self._forecast = Forecast(share, seed, weights) if share else None
            self._numbers.clear()
            self._met.clear()
            self._expired_until = 0.0

    def counts(self) -> dict[str, int]:
        """How many calls there were since the weather changed ("calls"), and how many met each trouble."""
        with self._lock:
            return {"calls": sum(self._numbers.values()), **dict(sorted(self._met.items()))}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if self._forecast is None or signer_of(environ) in ("", FUNCTION_KEY):
            return self._app(environ, start_response)
        body = read_body(environ)
        environ = environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        service, operation = call_name(environ, body) or ("unknown", "unknown")
        match self._next(f"{service}:{operation}"):
            case Trouble.SLOW:
                time.sleep(SLOW_S)
            case Trouble.HUNG:
                time.sleep(HUNG_S)
                raise Dropped
            case Trouble.RESET:
                raise Dropped
            case Trouble.LOST:
                self._app(environ, lambda *_: None)
                raise Dropped
            case Trouble.THROTTLED | Trouble.ILL | Trouble.EXPIRED as trouble:
                return _refuse(trouble, service, environ, start_response)
        return self._app(environ, start_response)

    def _next(self, operation: str) -> Trouble | None:
        with self._lock:
            if self._forecast is None:
                return None
            number = self._numbers[operation]
            self._numbers[operation] += 1
            trouble = self._forecast.trouble(operation, number)
            now = time.monotonic()
            if trouble is Trouble.EXPIRED:
                self._expired_until = now + EXPIRED_S
            elif now < self._expired_until:
                trouble = Trouble.EXPIRED
            if trouble is not None:
                self._met[str(trouble)] += 1
            return trouble


# How AWS says it: (status, code) by service, else by protocol. Sources: each service's API reference, "Common
# errors"; EC2 "Error codes"; S3 "Error responses"; DynamoDB "Error handling"; Lambda "Invoke".
_SAID: dict[Trouble, dict[str, tuple[int, str]]] = {
    Trouble.THROTTLED: {
        "ec2": (503, "RequestLimitExceeded"),
        "s3": (503, "SlowDown"),
        "dynamodb": (400, "ProvisionedThroughputExceededException"),
        "lambda": (429, "TooManyRequestsException"),
        "query": (400, "Throttling"),
        "": (400, "ThrottlingException"),
    },
    Trouble.ILL: {
        "ec2": (500, "InternalError"),
        "s3": (500, "InternalError"),
        "dynamodb": (500, "InternalServerError"),
        "lambda": (500, "ServiceException"),
        "query": (500, "InternalFailure"),
        "": (503, "ServiceUnavailableException"),
    },
    Trouble.EXPIRED: {
        "ec2": (400, "RequestExpired"),
        "s3": (400, "ExpiredToken"),
        "query": (403, "ExpiredToken"),
        "": (400, "ExpiredTokenException"),
    },
}
_MESSAGE = {
    Trouble.THROTTLED: "Rate exceeded",
    Trouble.ILL: "An internal error occurred.",
    Trouble.EXPIRED: "The security token included in the request is expired",
}


def _refuse(
    trouble: Trouble, service: str, environ: Mapping[str, Any], start_response: StartResponse
) -> list[bytes]:
    """The error as the service's protocol writes it."""
    is_query = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    said = _SAID[trouble]
    status, code = said.get(service) or (said["query"] if is_query else said[""])
    kind, text = "text/xml", ""
    error = f"<Code>{code}</Code><Message>{escape(_MESSAGE[trouble])}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>weather</RequestID></Response>"
    elif service == "s3":
        text = f"<Error>{error}<RequestId>weather</RequestId></Error>"
    elif is_query:
        text = f"<ErrorResponse><Error>{error}</Error><RequestId>weather</RequestId></ErrorResponse>"
    else:
        kind = "application/x-amz-json-1.1"
        text = json.dumps({"__type": code, "code": code, "message": _MESSAGE[trouble]})
    content = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
    start_response(
        f"{status} Spoiled",
        [("Content-Type", kind), ("x-amzn-ErrorType", code), ("Content-Length", str(len(content)))],
    )
    return [content]
