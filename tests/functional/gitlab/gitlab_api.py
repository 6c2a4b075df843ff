"""What python-gitlab asks of GitLab for one comment: its user, and the notes of a merge request, in pages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-test"
ME = 42
NOTES = "/api/v4/projects/7/merge_requests/3/notes"


@dataclass
class GitLabApi:
    """What it was asked, and what it holds.

    notes     as GitLab has them
    asked     "METHOD path" of each request
    failing   answers of 503 still to give
    """

    url: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failing: int = 0

    def add(self, body: str, *, author: int) -> None:
        self.notes.append({"id": len(self.notes) + 1, "body": body, "author": {"id": author}})


@contextmanager
def gitlab_api() -> Iterator[GitLabApi]:
    """GitLab's API on loopback while the block lasts."""
    api = GitLabApi()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int, value: Any, **headers: str) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _handle(self) -> None:
            asked = urlsplit(self.path)
            api.asked.append(f"{self.command} {asked.path}")
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length) or b"{}")
            if api.failing:
                api.failing -= 1
                self._answer(503, {"message": "no"}, Retry_After="0")
            elif self.headers.get("PRIVATE-TOKEN") != TOKEN:
                self._answer(401, {"message": "401 Unauthorized"})
            elif asked.path == "/api/v4/user":
                self._answer(200, {"id": ME, "username": "bot"})
            elif not asked.path.startswith(NOTES):
                self._answer(404, {"message": "404 Not found"})
            elif self.command == "GET":
                self._page(int(parse_qs(asked.query).get("page", ["1"])[0]))
            elif self.command == "POST":
                api.add(sent["body"], author=ME)
                self._answer(201, api.notes[-1])
            else:
                note = api.notes[int(asked.path.rsplit("/", 1)[1]) - 1]
                note["body"] = sent["body"]
                self._answer(200, note)

        do_GET = do_POST = do_PUT = _handle

        def _page(self, page: int, size: int = 20) -> None:
            more = len(api.notes) > page * size
            link = f'<{api.url}{NOTES}?page={page + 1}>; rel="next"' if more else ""
            self._answer(200, api.notes[(page - 1) * size : page * size], Link=link)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
