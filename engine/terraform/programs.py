"""Starts programs. The only file of the engine that does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

Process: TypeAlias = subprocess.Popen[bytes]

# Becomes the wanted program, and leaves a child that waits for a byte on a pipe, or for the end of all who
# could write one, and then sends the program a SIGINT: one, whatever comes first. The signal that Linux sends
# at a parent's death (PR_SET_PDEATHSIG) would not do: it may come again with the death of each thread of the
# parent, and at the second one Terraform forgets what it is making.
#
# SIGINT gets its plain meaning, so that one that comes early ends the program instead of raising inside it.
# The child keeps no other file open, and dies with the program. It is not forked in the engine: that has
# threads, beside which code between fork and exec may deadlock.
_LAUNCHER = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
line, *others = map(int, sys.argv[1].split(","))
program = os.getpid()
try:
    if not os.fork():
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        for one in others:
            os.close(one)
        if os.getppid() == program:
            os.read(line, 1)
            if os.getppid() == program:
                os.kill(program, signal.SIGINT)
        os._exit(0)
    os.close(line)
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]} cannot be started: {error.strerror}")
"""


@dataclass(frozen=True)
class Finished:
    """A process that has ended: its exit code (negative: killed by that signal) and its output."""

    exit_code: int
    stdout: str
    stderr: str


class Stoppable:
    """A program that gets one SIGINT: when it is told to stop, or when we are gone."""

    def __init__(self, process: Process, line: int) -> None:
        self._process = process
        self._line = [line]  # whoever pops it, a thread or a signal handler, uses and closes it

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """Its exit code (negative: killed by that signal); None while it runs."""
        exit_code = self._process.poll()
        if exit_code is not None:
            with suppress(IndexError):
                os.close(self._line.pop())
        return exit_code

    def stop(self) -> None:
        """Have it get its SIGINT, unless it has; returns at once."""
        try:
            line = self._line.pop()
        except IndexError:
            return
        try:
            os.write(line, b"x")
        except BrokenPipeError:  # whoever was to send it is gone, or the program is
            self._process.send_signal(signal.SIGINT)
        finally:
            os.close(line)


def start_stoppable(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    out: IO[bytes],
    err: IO[bytes],
    descriptors: Sequence[int] = (),
) -> Stoppable:
    """Start a program that a Ctrl-C at the terminal does not reach, and that gets a SIGINT if we are killed.

    env           the whole environment, nothing is inherited
    descriptors   open files that it gets under their numbers
    Raises        OSError when it cannot be started
    """
    heard, line = os.pipe()
    try:
        numbers = ",".join(map(str, (heard, 0, 1, 2, *descriptors)))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, numbers, *argv],
            cwd=folder,
            env=env,
            pass_fds=(heard, *descriptors),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            # Plans, crash files and errored.tfstate hold what the state holds.
            umask=0o077,
        )
    except BaseException:
        os.close(line)
        raise
    finally:
        os.close(heard)
    _pass_niceness_on(process.pid)
    return Stoppable(process, line)


def start_detached(argv: Sequence[str], *, env: Mapping[str, str], log_path: Path) -> int:
    """Start a program that outlives us, in a session of its own; gives its process id.

    env        the whole environment, nothing is inherited
    log_path   stdout and stderr are appended here; made (0600) with its folder if absent
    Raises     OSError when the program cannot be started
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    # Should it end before we do, it must not stay behind as a zombie, which looks alive to os.kill(pid, 0).
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{process.pid}").start()
    return process.pid


class Companion:
    """A program that runs beside us, in our process group, and is to end with us."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Send SIGTERM; returns at once."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, or None when it still runs after timeout_s."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def start_companion(argv: Sequence[str], *, env: Mapping[str, str], niceness: int = 0) -> Companion:
    """Start a program that shares our process group, standard output and error.

    env        the whole environment, nothing is inherited
    niceness   by how much it, and all that it starts, comes behind us when processors are short: 0 to 19
    Raises     OSError when it cannot be started
    """
    process = subprocess.Popen(list(argv), env=dict(env), stdin=subprocess.DEVNULL)
    if niceness:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, min(19, ours + niceness))
    return Companion(process)


def start_helper(argv: Sequence[str], env: Mapping[str, str], stdin: int) -> Process:
    """Start a program that answers on its stdout and ends when its stdin does, in a session of its own.

    Raises     OSError when the program cannot be started
    """
    process = subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o077,
    )
    _pass_niceness_on(process.pid)
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{process.pid}").start()
    return process


def _pass_niceness_on(pid: int) -> None:
    """Have a process that was started into a session of its own come behind others as we do.

    Where Linux divides processors among sessions, the niceness that it has from us counts inside its own
    alone, and each new session gets as much as any other.
    Source: sched(7), "The autogroup feature"
    """
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    if ours > 0:
        # The kernel may have no such feature, or refuse it for being asked too often: then it is as it was.
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(ours))


def run_briefly(argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Finished:
    """Run a program that only answers a question, and give its answer.

    Raises   OSError when it cannot be started, TimeoutError when it takes longer than timeout_s
    """
    try:
        done = subprocess.run(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{argv[0]} gave no answer within {timeout_s:g} s") from error
    return Finished(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
