"""What a caller is told when something cannot be done: RFC 9457 problem details with the engine's codes.

The status of an error is that of the nearest class above it in this table. A code is for programs, the
detail for people.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from engine.aws.failures import PassingFailure
from engine.errors import (
    AccessDenied,
    BackendError,
    BusyError,
    CapacityError,
    ClusterUpdateRefused,
    DataAtRisk,
    EngineError,
    IdempotencyConflict,
    InvalidSettings,
    KeysUnavailable,
    RequestError,
    UnknownOperation,
    UnknownProject,
    Unreachable,
)

PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:parallelcluster-provisioner:problem:"
RETRY_AFTER_S = 10


class UnknownAddress(RequestError):
    """The API has nothing at that address."""

    code = "UNKNOWN_ADDRESS"


class MethodNotAllowed(RequestError):
    """The address does not take that method."""

    code = "METHOD_NOT_ALLOWED"


class BodyTooLarge(RequestError):
    """The body of the request is larger than the API takes."""

    code = "BODY_TOO_LARGE"


class AddressTooLong(RequestError):
    """The address (URL) of the request is longer than the API takes."""

    code = "ADDRESS_TOO_LONG"


class UnsupportedBody(RequestError):
    """The body of the request is not sent as JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class NoPlanStored(RequestError):
    """No review of a plan is kept of the project: no operation has planned yet."""

    code = "NO_PLAN_STORED"


class InternalError(EngineError):
    """A bug, or an installation that is not set up. What it is stands in the log, not in the answer."""

    code = "INTERNAL_ERROR"


STATUS: dict[type[EngineError], HTTPStatus] = {
    EngineError: HTTPStatus.INTERNAL_SERVER_ERROR,
    RequestError: HTTPStatus.BAD_REQUEST,
    # The settings are the installation's, not the caller's.
    InvalidSettings: HTTPStatus.INTERNAL_SERVER_ERROR,
    UnknownProject: HTTPStatus.NOT_FOUND,
    UnknownOperation: HTTPStatus.NOT_FOUND,
    UnknownAddress: HTTPStatus.NOT_FOUND,
    NoPlanStored: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    AddressTooLong: HTTPStatus.REQUEST_URI_TOO_LONG,
    UnsupportedBody: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    DataAtRisk: HTTPStatus.CONFLICT,
    ClusterUpdateRefused: HTTPStatus.CONFLICT,
    IdempotencyConflict: HTTPStatus.UNPROCESSABLE_ENTITY,
    BusyError: HTTPStatus.CONFLICT,
    CapacityError: HTTPStatus.SERVICE_UNAVAILABLE,
    # What AWS refuses is refused to us, not to the caller.
    AccessDenied: HTTPStatus.INTERNAL_SERVER_ERROR,
    BackendError: HTTPStatus.INTERNAL_SERVER_ERROR,
    Unreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    PassingFailure: HTTPStatus.SERVICE_UNAVAILABLE,
    KeysUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: EngineError) -> HTTPStatus:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def shown(error: EngineError) -> EngineError:
    """The error as a caller may see it: what went wrong inside says no more than that, and its code."""
    if status_of(error) is not HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    told = InternalError(
        f"The provisioner could not do that ({error.code}).",
        hint="Its operators find the reason in the log, under the request's id.",
    )
    told.__cause__ = error
    return told


def problem(error: EngineError, *, instance: str) -> dict[str, Any]:
    """The body of an error's answer.

    instance   the request's id, under which the log has more
    """
    status = status_of(error)
    return {
        "type": TYPE_PREFIX + error.code.lower().replace("_", "-"),
        "title": status.phrase,
        "status": int(status),
        "detail": error.message,
        "instance": f"urn:request:{instance}",
        "code": error.code,
        "hint": error.hint,
        "retryable": error.retryable,
        **{name: error.details[name] for name in ("problems", "operation") if name in error.details},
    }


def old_problem(error: EngineError) -> dict[str, Any]:
    """The same for the old routes. Their clients take an answer for an error when it has a `message`, and
    some of them only when that is one word: so it is the code."""
    return {"message": error.code, "detail": error.message, "hint": error.hint}


def headers(error: EngineError) -> dict[str, str]:
    """Headers that belong to an error's answer."""
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.details.get("allowed", ()))}
    if status_of(error) is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}
