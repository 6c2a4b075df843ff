"""The engine in a process tree of its own, and its sudden death: SIGKILL to all of it at a chosen call."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.local.calls import READING, Request
from engine.local.server import LocalCloud

WITHIN_S = 300.0
_COMMAND = [sys.executable, "-c", "import sys; from engine.cli.main import run; sys.exit(run())"]

Point = Callable[[Request], bool]
"""Whether the engine dies when this request arrives; asked in the order of arrival."""


@dataclass(frozen=True)
class Run:
    """How a run of the engine ended. code: -9 when it was killed."""

    code: int
    output: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    def ok(self) -> Run:
        assert self.code == 0, f"exit code {self.code}\n{self.output}"
        return self


@dataclass(frozen=True)
class Operator:
    """Runs the command line as processes, against one local cloud.

    environ   of the processes: where the cloud is, and their folders
    """

    cloud: LocalCloud
    environ: Mapping[str, str]
    folder: Path

    def run(self, *arguments: str) -> Run:
        """Run to the end."""
        process = self._start(arguments)
        return _ended(process)

    def run_until(self, point: Point, *arguments: str) -> Run:
        """Run until a request is the one, and kill engine, Terraform and provider there.

        The request itself is carried out, and nobody lives to hear its answer. A run that never comes to
        such a request ends by itself.
        """
        process = self._start(arguments)
        dead = threading.Event()

        def hear(request: Request) -> None:
            if not dead.is_set() and point(request):
                dead.set()
                kill_tree(process.pid)

        with self.cloud.heard(hear):
            return _ended(process)

    def _start(self, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_COMMAND, *arguments],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def _ended(process: subprocess.Popen[str]) -> Run:
    """Wait for its end; what it said is shown where a test fails."""
    try:
        output, _ = process.communicate(timeout=WITHIN_S)
    except BaseException:
        kill_tree(process.pid)
        raise
    print(output)
    return Run(process.returncode, output)


def arrives(service: str, operation: str, *, times: int = 1) -> Point:
    """The point at which such a call arrives for the given time."""
    count = 0

    def point(request: Request) -> bool:
        nonlocal count
        count += (request.service, request.operation) == (service, operation)
        return count == times

    return point


def changing_call(number: int) -> Point:
    """The point at which the call with that number arrives, counting from 1 those that change something."""
    count = 0

    def point(request: Request) -> bool:
        nonlocal count
        count += not READING.match(request.operation)
        return count == number

    return point


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all that come from it. First all are held: none may see another one die."""
    tree = [pid, *_descendants(pid)]
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        for one in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, sign)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command's name, in brackets, may hold anything.
            fields = status.read_text("utf-8").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def operator(cloud: LocalCloud, terraform: str, folder: Path) -> Operator:
    """An operator whose disk is `folder`."""
    environ = {
        **os.environ,
        "PROVISIONER_HOME": str(folder / "home"),
        "PROVISIONER_WORKSPACES_DIR": str(folder / "projects"),
        "PROVISIONER_ENDPOINT_URL": cloud.endpoint,
        "PROVISIONER_TERRAFORM": terraform,
    }
    return Operator(cloud, environ, folder)
