"""The WSGI application at the cloud's front: one lock, then our own services or moto's."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from engine.local.api_error import ApiError
from engine.local.calls import call_name
from engine.local.console import Console
from engine.local.fsx_api import FsxApi
from engine.local.functions import Functions
from engine.local.http_server import read_body
from engine.local.world import World

log = logging.getLogger(__name__)
Answer = tuple[str, list[tuple[str, str]], bytes]
# Where the environment of a request keeps what listeners were told of it.
_HEARD = "local.request"


class Sent(list[bytes]):
    """The body of an answer; whoever has sent it calls `close`, as PEP 3333 demands."""

    def __init__(self, parts: list[bytes], close: Callable[[], None]) -> None:
        super().__init__(parts)
        self.close = close


class Gateway:
    """Serves one request at a time: the body is read first, then the world is locked, brought up to
    date, and asked. A slow client can therefore not hold the lock. A Lambda function that runs here is
    outside of it, since it calls the cloud itself.
    """

    def __init__(
        self,
        world: World,
        moto: Callable[..., Iterable[bytes]],
        fsx: FsxApi,
        functions: Functions,
        console: Console,
    ):
        self._world = world
        self._moto = moto
        self._fsx = fsx
        self._functions = functions
        self._console = console

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = read_body(environ)
        with self._world.lock:
            self._world.tick()
            function = self._functions.find(_region(environ) or self._world.region, environ)
            answer = self._answer(environ, body) if function is None else None
            self._world.tick()
        status, headers, content = answer or self._invoke(function, environ, body)
        start_response(status, headers)
        parts = [] if environ["REQUEST_METHOD"] == "HEAD" else [content]
        heard = environ.get(_HEARD)
        return parts if heard is None else Sent(parts, lambda: self._world.calls.sent(heard))

    def _invoke(self, function: Any, environ: dict[str, Any], body: bytes) -> Answer:
        call = ("lambda", "Invoke")
        with self._world.lock:
            environ[_HEARD] = self._world.calls.hear(call, environ, body)
        answer = self._functions.invoke(function, environ, body)
        with self._world.lock:
            if answer[0] < "400":
                self._world.calls.record(*call)
        return answer

    def _answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        path = environ.get("PATH_INFO", "/")
        if path.startswith("/_local/"):
            return self._console.answer(
                environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body
            )
        call = call_name(environ, body)
        environ[_HEARD] = self._world.calls.hear(call, environ, body)
        if call and call[0] == "fsx":
            answer = self._fsx_answer(environ, call[1], body)
        else:
            answer = self._moto_answer(environ, body)
        if call and answer[0] < "400":
            self._world.calls.record(*call)
        return answer

    def _fsx_answer(self, environ: dict[str, Any], operation: str, body: bytes) -> Answer:
        region = _region(environ) or self._world.region
        try:
            content: dict[str, Any] = self._fsx.call(region, operation, json.loads(body or b"{}"))
            status = "200 OK"
        except ApiError as error:
            content = {
                "__type": error.code,
                "Message": error.message,
                "message": error.message,
                **error.members,
            }
            status = "400 Bad Request"
        text = json.dumps(content).encode()
        return (
            status,
            [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(text)))],
            text,
        )

    def _moto_answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        caught: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            caught[:] = [status, headers]

        environ = environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        chunks = self._moto(environ, start_response)
        try:
            content = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return caught[0], caught[1], content


def _region(environ: dict[str, Any]) -> str | None:
    parts = str(environ.get("HTTP_AUTHORIZATION", "")).split("/")
    return parts[2] if len(parts) > 4 else None
