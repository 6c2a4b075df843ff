"""The runtime API of Lambda, as far as a function's process uses it: events out, answers in.

Source   Lambda developer guide, "Using the Lambda runtime API"
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PREFIX = "/2018-06-01/runtime/"


class Function:
    """A function's process under AWS's own runtime interface client. `function(event)` gives its answer."""

    def __init__(self, server: _Server, process: subprocess.Popen[bytes]) -> None:
        self._server = server
        self._process = process

    def __call__(self, event: Mapping[str, Any], *, timeout_s: float = 60) -> Any:
        self._server.events.put(event)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                return self._server.answers.get(timeout=0.5)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise AssertionError(f"the function ended with {self._process.returncode}") from None
        raise AssertionError("the function gave no answer")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[Any] = queue.Queue()
        self.answers: queue.Queue[Any] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert self.path == f"{_PREFIX}invocation/next"
        body = json.dumps(self.server.events.get()).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "11111111-2222-4333-8444-555555555555")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 90_000))
        arn = "arn:aws:lambda:us-east-1:123456789012:function:service"
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = json.loads(body)
        self.server.answers.put(answer if self.path.endswith("/response") else {"runtime_error": answer})
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running(handler: str, *, environment: Mapping[str, str], log: Path) -> Iterator[Function]:
    """The function with that handler, started by awslambdaric; what it prints goes to `log`."""
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables = kept | {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "service",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "LAMBDA_TASK_ROOT": str(Path.cwd()),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        **environment,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler], env=variables, stdout=out, stderr=out
        )
        try:
            yield Function(server, process)
        finally:
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()
