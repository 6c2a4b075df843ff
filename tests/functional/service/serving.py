"""`provisioner serve` as a process of its own, and somebody who calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS = {"AWS_ACCESS_KEY_ID": "workflow-service", "AWS_SECRET_ACCESS_KEY": "of-the-test"}
_COMMAND = [sys.executable, "-c", "from engine.cli.main import main; main()", "serve"]
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Served:
    """A service that runs. log: what it and its workers say."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of the answer to a signed request. path with its query, in alphabetical order."""
        # A nonce: two alike requests of one second would be a replay.
        headers = {"X-Request-Nonce": uuid.uuid4().hex, "Content-Type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        unsigned: Any = AWSRequest(method=method, url=self.url + path, data=content, headers=headers)
        SigV4Auth(Credentials(*KEYS.values()), "execute-api", "us-east-1").add_auth(unsigned)
        request = urllib.request.Request(
            self.url + path, data=content, headers=dict(unsigned.headers.items()), method=method
        )
        try:
            with _NO_PROXY.open(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def end(self) -> int:
        """Tell it to end, as whoever started it does; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextmanager
def serving(
    endpoint: str,
    terraform: str,
    folder: Path,
    *,
    workers: int = 1,
    niceness: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """`provisioner serve` on a local cloud that has its backend; its folders are below `folder`.

    niceness   of its workers; 0, since other tests that run beside it would never let them have their turn
    """
    environment = {
        **os.environ,
        **KEYS,
        "PROVISIONER_HOME": str(folder / "home"),
        "PROVISIONER_WORKSPACES_DIR": str(folder / "projects"),
        "PROVISIONER_ENDPOINT_URL": endpoint,
        "PROVISIONER_TERRAFORM": terraform,
        **{f"PROVISIONER_{name.upper()}": value for name, value in (settings or {}).items()},
    }
    log = folder / "serve.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*_COMMAND, "--workers", str(workers), "--nice", str(niceness)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            start_new_session=True,
        )
        drain = None
        try:
            assert process.stdout
            # Lines of the log come before the address, as JSON.
            url = next((line for line in process.stdout if line.startswith("http")), "").strip()
            assert url, log.read_text()
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=written)
            served = Served(url, process, log)
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(120)
            if drain is not None:
                drain.wait(30)
