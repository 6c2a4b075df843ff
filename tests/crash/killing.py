"""The engine in a process tree of its own, and its sudden death: SIGKILL to all of it at a chosen call."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.local.calls import READING, Request
from engine.local.server import LocalCloud
from engine.model.operation import Operation

WITHIN_S = 300.0
_CHECKOUT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-c", "import sys; from engine.cli.main import run; sys.exit(run())")
_WORKER = (sys.executable, "-m", "tests.crash.one_run")

Point = Callable[[Request], bool]
"""Whether this request is the one; asked once for each, in their order."""


class Moment(StrEnum):
    ARRIVED = "arrived"
    """The request is carried out, and nobody lives to hear its answer."""
    ANSWERED = "answered"
    """Its answer has just been sent."""
    LATER = "later"
    """Some time after it arrived, whatever the engine does then."""


@dataclass(frozen=True)
class Kill:
    """When the engine dies. later_s: seconds after the request, for Moment.LATER."""

    point: Point
    moment: Moment = Moment.ARRIVED
    later_s: float = 0.0


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

    def run(self, *arguments: str, within_s: float = WITHIN_S) -> Run:
        """Run to the end."""
        process = self._start(arguments)
        return ended(process, within_s)

    def elsewhere(self) -> Operator:
        """The operator on another machine: with a disk of its own, which knows the provider."""
        folder = self.folder / "elsewhere"
        shutil.copytree(self.environ["PROVISIONER_HOME"], folder / "home", symlinks=True)
        own = {
            "PROVISIONER_HOME": str(folder / "home"),
            "PROVISIONER_WORKSPACES_DIR": str(folder / "projects"),
        }
        return Operator(self.cloud, {**self.environ, **own}, folder)

    def work(self, operation: Operation, *arguments: str) -> subprocess.Popen[str]:
        """Start a worker's run on the operation (tests.crash.one_run)."""
        return self._start((operation.project, operation.id, *arguments), program=_WORKER)

    def run_until(self, kill: Kill | Point, *arguments: str) -> Run:
        """Run until a request is the one, and kill engine, Terraform and provider then.

        kill   a point alone: when that request arrives

        A run that never comes to such a request ends by itself.
        """
        if not isinstance(kill, Kill):
            kill = Kill(kill)
        process = self._start(arguments)
        met, one_by_one = threading.Event(), threading.Lock()
        timer = threading.Timer(kill.later_s, kill_tree, [process.pid])

        def hear(request: Request) -> None:
            with one_by_one:  # answers are sent by several threads
                if met.is_set() or not kill.point(request):
                    return
                met.set()
            if kill.later_s:
                timer.start()
            else:
                kill_tree(process.pid)

        with self.cloud.heard(hear, answered=kill.moment is Moment.ANSWERED):
            try:
                return ended(process)
            finally:
                timer.cancel()

    def _start(self, arguments: tuple[str, ...], program: Sequence[str] = _COMMAND) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*program, *arguments],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def ended(process: subprocess.Popen[str], within_s: float = WITHIN_S) -> Run:
    """Wait for its end; what it said is shown where a test fails."""
    try:
        output, _ = process.communicate(timeout=within_s)
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
    _send(signal.SIGKILL, freeze_tree(pid))


def kill_below() -> None:
    """SIGKILL to all that come from this process, and collect them."""
    _send(signal.SIGKILL, descendants(os.getpid()))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze_tree(pid: int) -> list[int]:
    """SIGSTOP to a process and all that come from it; gives their ids."""
    held: list[int] = []
    while new := [one for one in (pid, *descendants(pid)) if one not in held]:
        _send(signal.SIGSTOP, new)
        held += new
    return held


def wake(pids: list[int]) -> None:
    """SIGCONT to what was frozen, the last one first: a parent finds its children awake."""
    _send(signal.SIGCONT, pids[::-1])


def descendants(pid: int) -> list[int]:
    """Ids of all processes that come from one, and live."""
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
        "PYTHONPATH": str(_CHECKOUT),
        "PROVISIONER_HOME": str(folder / "home"),
        "PROVISIONER_WORKSPACES_DIR": str(folder / "projects"),
        "PROVISIONER_ENDPOINT_URL": cloud.endpoint,
        "PROVISIONER_TERRAFORM": terraform,
        # The lock of somebody who lives is not waited for.
        "PROVISIONER_LOCK_WAIT_S": "4",
    }
    return Operator(cloud, environ, folder)
