"""Lambda functions that run here, with their own code: the accounting function.

Other functions are moto's. Source: Lambda API reference, Invoke; developer guide, "Defined runtime
environment variables", "Lambda function handler in Python" (how an exception becomes an answer) and
"Giving Lambda functions access to resources in an Amazon VPC" (idle functions).
"""

from __future__ import annotations

import json
import logging
import re
import traceback
import uuid
from typing import Any
from urllib.parse import parse_qs

from engine.accounting.handler import HANDLER, serve
from engine.local.accounting import AccountingDatabase
from engine.local.world import World

log = logging.getLogger(__name__)
Answer = tuple[str, list[tuple[str, str]], bytes]
WAKING_S = 1.0
_PATH = re.compile(r"^/2015-03-31/functions/(?P<name>.+)/invocations/?$")


class Functions:
    """The functions of this cloud whose handler is the engine's own."""

    def __init__(self, world: World, accounting: AccountingDatabase) -> None:
        self._world = world
        self._accounting = accounting

    def find(self, region: str, environ: dict[str, Any]) -> Any | None:
        """The function (moto's) that a request invokes, if its code is run here; hold the world's lock."""
        found = _PATH.match(str(environ.get("PATH_INFO", "")))
        if environ["REQUEST_METHOD"] != "POST" or found is None:
            return None
        qualifier = parse_qs(environ.get("QUERY_STRING", "")).get("Qualifier", [None])[0]
        from moto.awslambda.exceptions import LambdaClientError

        try:
            function = self._world.backends.lambdas(region).get_function(found["name"], qualifier)
        except LambdaClientError:
            return None
        return function if function.handler == HANDLER else None

    def invoke(self, function: Any, environ: dict[str, Any], body: bytes) -> Answer:
        """Run it and wait. Never with the world's lock held: the function calls this cloud in turn."""
        if function.state != "Active":
            return self._not_ready(function)
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        if kind == "DryRun":
            return _answer("204 No Content", None)
        try:
            event = json.loads(body or b"{}")
        except ValueError:
            return _refusal(
                "400 Bad Request", "InvalidRequestContentException", "Could not parse request body into json"
            )
        endpoint = f"http://{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        try:
            result: Any = serve(
                event, _environment(function, endpoint), connect=self._accounting.way_of(function)
            )
        except Exception as error:  # noqa: BLE001 - every error of a function becomes its answer
            log.warning("function %s failed: %s", function.function_name, error)
            return _answer("200 OK", _failure(error), ("X-Amz-Function-Error", "Unhandled"))
        return _answer("202 Accepted", None) if kind == "Event" else _answer("200 OK", result)

    def _not_ready(self, function: Any) -> Answer:
        """A call for a function that was idle for weeks fails, and has its network made anew."""
        with self._world.lock:
            if function.state != "Inactive":
                return _refusal(
                    "409 Conflict",
                    "ResourceConflictException",
                    "The operation cannot be performed at this time. The function is currently in the "
                    f"following state: {function.state}",
                )
            function.state = "Pending"
            self._world.after(WAKING_S, lambda _: setattr(function, "state", "Active"))
        return _refusal(
            "502 Bad Gateway",
            "ResourceNotReadyException",
            "The function is inactive and its VPC connection is no longer available.",
        )


def _environment(function: Any, endpoint: str) -> dict[str, str]:
    return {
        **function.environment_vars,
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": endpoint,
    }


def _failure(error: Exception) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": str(uuid.uuid4()),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def _refusal(status: str, code: str, message: str) -> Answer:
    return _answer(status, {"Type": "User", "message": message}, ("x-amzn-ErrorType", code))


def _answer(status: str, content: Any, *headers: tuple[str, str]) -> Answer:
    text = b"" if content is None else json.dumps(content).encode()
    fixed = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(text))),
        ("X-Amz-Executed-Version", "$LATEST"),
    ]
    return status, [*fixed, *headers], text
