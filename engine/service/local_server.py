"""API Gateway on the loopback address: signatures verified, HTTP turned into proxy events."""

from __future__ import annotations

import base64
import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from engine.aws.signatures import Gatekeeper, SignedRequest
from engine.aws.signatures import Refused as NotAdmitted
from engine.service.answers import Refused

HOST = "127.0.0.1"
STAGE = "production"
# API Gateway takes 10 MB; what the API itself takes is far less, and it says so in its own words.
_MAX_BODY_BYTES = 1_048_576
_IDLE_S = 30
_CODES = {HTTPStatus.FORBIDDEN: "ACCESS_DENIED", HTTPStatus.BAD_GATEWAY: "INTERNAL_ERROR"}
_log = logging.getLogger(__name__)

Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Caller:
    """Who the accepted keys stand for, as IAM would say it."""

    account_id: str
    access_key_id: str
    arn: str


class LocalServer(ThreadingHTTPServer):
    """Serves until `stop`. `answer` gets proxy events, from several threads at once.

    port   0 takes a free one
    """

    daemon_threads = True
    # 200 callers at once are part of the job; the default queue holds five.
    request_queue_size = 256

    def __init__(self, *, port: int, gatekeeper: Gatekeeper, caller: Caller, answer: Answer) -> None:
        super().__init__((HOST, port), _Handler)
        self.gatekeeper = gatekeeper
        self.caller = caller
        self.answer = answer

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.1,), name="api", daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        try:
            body = self._body()
        except ValueError as error:
            self.close_connection = True
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        request = SignedRequest(self.command, path, query, list(self.headers.items()), body)
        try:
            signature = self.server.gatekeeper.admit(request, now=datetime.now(UTC))
        except NotAdmitted as refused:
            self._refuse(HTTPStatus.FORBIDDEN, str(refused))
            return
        try:
            event = proxy_event(request, self.server.caller, source_ip=self.client_address[0])
            answer = self.server.answer(event)
        except Exception:  # noqa: BLE001 - a bug of one request must not end the server
            _log.exception("%s %s failed", self.command, path)
            self._refuse(HTTPStatus.BAD_GATEWAY, "Internal server error")
            return
        finally:
            self.server.gatekeeper.leave(signature)
        headers = {name: values[-1] for name, values in answer.get("multiValueHeaders", {}).items()}
        self._send(HTTPStatus(answer["statusCode"]), headers, str(answer["body"]).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = _serve

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the standard library refuses by itself, ill-formed requests and the like, as JSON too."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        # It answers 501 to a method that it does not know; API Gateway knows no such thing.
        status = HTTPStatus.FORBIDDEN if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._refuse(status, message or status.phrase, {"Connection": "close"})

    def _body(self) -> bytes:
        """The body to its end, so that the next request on the connection begins where it stops."""
        if self.headers.get("Transfer-Encoding"):
            raise ValueError("Chunked bodies are not taken: send a Content-Length.")
        lengths = set(self.headers.get_all("Content-Length", ["0"]))
        (length,) = lengths if len(lengths) == 1 else ("",)
        if not (length.isascii() and length.isdigit()) or int(length) > _MAX_BODY_BYTES:
            raise ValueError(f"A body has at most {_MAX_BODY_BYTES} bytes.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ValueError("The body is shorter than its Content-Length.")
        return body

    def _refuse(self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> None:
        """In the shape that modules/service gives API Gateway's own refusals."""
        code = _CODES.get(status, "BAD_REQUEST")
        body: Refused = {
            "type": "about:blank",
            "title": code,
            "status": int(status),
            "code": code,
            "detail": text,
            "message": text,
        }
        self._send(status, headers or {}, json.dumps(body).encode())

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        # The API writes a line for each request itself; this is for those that were not let in.
        _log.debug(format, *args)

    def version_string(self) -> str:
        return "provisioner"


def proxy_event(request: SignedRequest, caller: Caller, *, source_ip: str) -> dict[str, Any]:
    """The event that API Gateway's REST API makes of a request, in its format 1.0.

    A path may begin with the stage, as in production, or not.
    Source   API Gateway developer guide, "Set up Lambda proxy integrations", input format
    """
    path = unquote(request.path, errors="replace")
    if path.startswith(f"/{STAGE}/"):
        path = path.removeprefix(f"/{STAGE}")
    several: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True, errors="replace"):
        several.setdefault(name, []).append(value)
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    body, encoded = _text(request.body)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": caller.account_id,
            "apiId": "local",
            "httpMethod": request.method,
            "path": f"/{STAGE}{path}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "resourcePath": "/{proxy+}",
            "stage": STAGE,
            "identity": {
                "accountId": caller.account_id,
                "accessKey": caller.access_key_id,
                "sourceIp": source_ip,
                "userArn": caller.arn,
            },
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def _text(body: bytes) -> tuple[str | None, bool]:
    if not body:
        return None, False
    try:
        return body.decode("utf-8"), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
