"""Which API call a request is, and how often each changing call succeeded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl

READING = re.compile(
    r"^(Describe|List|Get|Head|BatchGet|TransactGet|Query|Scan|Select|Lookup|Validate|Estimate|Detect|Search)"
)
# Access key with which functions that run here sign their requests.
FUNCTION_KEY = "local-function"
SIGNING_NAMES = {"elasticfilesystem": "efs"}


@dataclass(frozen=True)
class Request:
    """An AWS call as it arrives, whatever becomes of it.

    path      of its address, with bucket and key for S3
    query     parameters in its address
    headers   its headers that begin with x-amz-, by their names in small letters
    body      form, JSON or content, as the service takes it
    signer    id of the access key it was signed with
    """

    service: str
    operation: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    signer: str = ""


class Calls:
    """Counts of the changing calls that were answered without an error, by "service:Operation".

    listeners   told of every request before it is carried out, also of those that read or fail
    answered    told of every request once its answer has been sent
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.listeners: list[Callable[[Request], None]] = []
        self.answered: list[Callable[[Request], None]] = []

    def hear(self, call: tuple[str, str] | None, environ: Mapping[str, Any], body: bytes) -> Request | None:
        """Tell the listeners; gives what they were told, None when nobody listens.

        call   what call_name makes of the request; listeners get "?" for an operation it cannot tell
        """
        service = call[0] if call else _service(environ)
        if service is None or not (self.listeners or self.answered):
            return None
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        headers = {
            name[5:].lower().replace("_", "-"): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_X_AMZ_")
        }
        request = Request(
            service=service,
            operation=call[1] if call else "?",
            path=environ.get("PATH_INFO", "/"),
            query=query,
            headers=headers,
            body=body,
            signer=_credential(environ)[0],
        )
        for listener in self.listeners:
            listener(request)
        return request

    def sent(self, request: Request) -> None:
        """Its answer is with its caller."""
        for listener in self.answered:
            listener(request)

    def record(self, service: str, operation: str) -> None:
        if not READING.match(operation):
            self._counts[f"{service}:{operation}"] += 1

    def to_dict(self) -> dict[str, int]:
        return dict(sorted(self._counts.items()))

    def clear(self) -> None:
        self._counts.clear()


def call_name(environ: Mapping[str, Any], body: bytes) -> tuple[str, str] | None:
    """(service, operation) of an AWS request, e.g. ("ec2", "CreateSubnet"); None if it cannot be told."""
    service = _service(environ)
    if service is None:
        return None
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return service, str(target).rsplit(".", 1)[-1]
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body[:65536].decode("utf-8", "replace")).get("Action")
        return (service, action[0]) if action else None
    operation = _rest_operation(service, environ)
    return (service, operation) if operation else None


def signer_of(environ: Mapping[str, Any]) -> str:
    """The id of the access key that signed a request; "" when none did."""
    return _credential(environ)[0]


def _service(environ: Mapping[str, Any]) -> str | None:
    """The service a request was signed for."""
    name = _credential(environ)[1]
    return SIGNING_NAMES.get(name, name) or None


def _credential(environ: Mapping[str, Any]) -> tuple[str, str]:
    """(key, service) of a SigV4 request: Credential=KEY/date/region/SERVICE/aws4_request; empty without."""
    match = re.search(
        r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", "")
    )
    return (match[1], match[2]) if match else ("", "")


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    headers: frozenset[str]

    @property
    def weight(self) -> int:
        return len(self.query) + len(self.headers)


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    """How REST operations look on the wire, from botocore's service model; the most specific first."""
    import botocore.session
    from botocore.exceptions import UnknownServiceError

    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return ()
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, fixed = operation.http["requestUri"].partition("?")
        if service == "s3" and not path.startswith("/{Bucket}") and _needs_bucket(operation):
            path = "/{Bucket}" + path.rstrip("/")
        query, headers = set(parse_qs(fixed, keep_blank_values=True)), set()
        if operation.input_shape:
            for member in operation.input_shape.required_members:
                serialization = operation.input_shape.members[member].serialization
                if serialization.get("location") == "querystring":
                    query.add(serialization["name"])
                elif serialization.get("location") == "header":
                    headers.add("HTTP_" + serialization["name"].upper().replace("-", "_"))
        routes.append(
            _Route(name, operation.http["method"], _path_pattern(path), frozenset(query), frozenset(headers))
        )
    return tuple(sorted(routes, key=lambda route: -route.weight))


def _needs_bucket(operation: Any) -> bool:
    return operation.input_shape is not None and "Bucket" in operation.input_shape.required_members


def _path_pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", path.rstrip("/"))
    pattern = "".join(
        (".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(f"^{pattern}/?$")


def _rest_operation(service: str, environ: Mapping[str, Any]) -> str | None:
    path = environ.get("PATH_INFO", "/")
    query = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    for route in _routes(service):
        if (
            route.method == environ.get("REQUEST_METHOD")
            and route.query <= query
            and all(header in environ for header in route.headers)
            and route.path.match(path)
        ):
            return route.operation
    return None
