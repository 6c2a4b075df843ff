"""The HTTP side of the local cloud's server: moto's request handling, on connections that stay open."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import HTTPServer as _Server
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

logger = logging.getLogger(__name__)
IDLE_S = 600
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Dropped(Exception):
    """Raised by an application that wants the connection reset in place of an answer."""


def read_body(environ: dict[str, Any]) -> bytes:
    """The whole body of a WSGI request.

    Raises   Dropped when its sender died in the middle of it: AWS carries out no half of a request
    """
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body = bytes(stream.read(int(length)))
        if len(body) < int(length):
            raise Dropped
        return body
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    return b""


class HttpServer(ThreadedWSGIServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, app: Any):
        self.connections: set[socket.socket] = set()
        super().__init__(host, port, app, handler=RequestHandler)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Until `shutdown`, after which it may be called again; werkzeug's own closes the server."""
        _Server.serve_forever(self, poll_interval)

    def server_close(self) -> None:
        """Stop for good: connections that wait for a next request get no answer any more."""
        super().server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connections; new ones may still be made."""
        for connection in list(self.connections):
            with suppress(OSError):  # its client was faster
                connection.shutdown(socket.SHUT_RDWR)


class RequestHandler(MotoRequestHandler):
    """Serves request after request on a connection, as AWS does; werkzeug's own handler closes it after one.

    That is more than a matter of speed: a Go client that is told to close a connection now and then loses
    the answer it has just read, and the AWS SDK sends the call again. Terraform then met the state lock it
    had itself taken a moment before (seen once in two thousand plans).
    Source: aws/aws-sdk-go-v2 issues 1825 and 2935
    """

    server: HttpServer

    # The gateway reads every request to its end, so the next one starts where this one stops.
    timeout = IDLE_S
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def handle_expect_100(self) -> bool:
        """Let the body come at once: boto3 waits a second for that word with each object it writes to S3."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def run_wsgi(self) -> None:
        try:
            status, headers, body, close = self._answer()
        except Dropped:
            self._drop()
            return
        code = int(status.split(" ", 1)[0])
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        measured = any(name.lower() == "content-length" for name, _ in headers)
        if not measured and code not in WITHOUT_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        close()

    def _answer(self) -> tuple[str, list[tuple[str, str]], bytes, Callable[[], object]]:
        """Status, headers, body, and what to call when they are sent."""
        started: list[Any] = []
        parts: list[bytes] = []
        chunks: Any = ()

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], object]:
            started[:] = [status, headers]
            return parts.append

        try:
            chunks = self.server.app(self.make_environ(), start_response)
            parts.extend(chunks)
        except Dropped:
            raise
        except Exception:
            logger.exception("%s failed", self.requestline)
            self.close_connection = True
            return "500 Internal Server Error", [("Content-Type", "text/plain")], b"see the log\n", _nothing
        return started[0], started[1], b"".join(parts), getattr(chunks, "close", _nothing)

    def _drop(self) -> None:
        """Have the connection reset: without lingering, closing it sends no orderly end."""
        self.close_connection = True
        with suppress(OSError):  # its client was faster
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        logger.info("%s %s", self.requestline, code)

    def log(self, type: str, message: str, *args: Any) -> None:
        logger.log(logging.ERROR if type == "error" else logging.INFO, message, *args)


def _nothing() -> None:
    pass
