"""Runs Terraform, which programs.py starts.

What stops a run, and what does not:

- Terraform has a session of its own, so a Ctrl-C at the terminal reaches the engine alone. The engine
  sends ONE SIGINT to Terraform's own process (never to the group: the providers must live to finish),
  waits for it, and raises TerraformInterrupted. Every further Ctrl-C only says what is being waited for;
  SIGTERM and SIGHUP count as Ctrl-C. There is no count of them at which Terraform is killed: that loses
  the state of everything made since it was last saved. Whoever wants that anyway is told the process id.
- If the engine itself is killed, Terraform gets that SIGINT too, if it has not had it (`start_stoppable`), so
  it still saves its state and releases its lock.
- Terraform writes to files without a name, not to pipes. With nobody left to read a pipe, the next line
  it prints would kill it by SIGPIPE, state unsaved and lock held (measured with Terraform 1.11.4).
- A provider that is kept for several commands (provider.py) is no child of Terraform's. It has a session of
  its own, ignores signals, and lives until both the engine and Terraform are gone: whoever is stopped first,
  Terraform can still finish what it asked of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

from engine.errors import TerraformError, TerraformMissing
from engine.terraform import diagnostics as reading
from engine.terraform.commands import Commands
from engine.terraform.diagnostics import Diagnostic
from engine.terraform.events import (
    CommandFinished,
    CommandStarted,
    Event,
    Interrupting,
)
from engine.terraform.failures import error_for, interrupted
from engine.terraform.initialised import Place, forget_init, is_initialised, one_at_a_time, record_init
from engine.terraform.listener import Listener
from engine.terraform.output import CommandLog, Tail
from engine.terraform.processes import RUN_VARIABLE
from engine.terraform.programs import Stoppable, start_helper, start_stoppable
from engine.terraform.provider import PrivateProvider, Reuse

_POLL_S = 0.03
# Commands that work with the provider; of these, the ones that may be asked again, since they change nothing.
_WITH_PROVIDER = ("apply", "import", "plan", "show", "validate")
_REPEATABLE = ("plan", "show", "validate")
# These must see the provider's package itself.
_WITHOUT_REUSE = ("init",)
_PROVIDER_TROUBLE = re.compile(r"(?i)plugin|schema|rpc error|reattach")
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_TAINTED = "is not currently tainted"
# The commands that write the state, and those that lock it.
_WRITING = ("apply", "import", "untaint", "state push", "state rm")
_LOCKING = ("plan", *_WRITING)


class StateLock(Protocol):
    """The lock on the state of a workspace, held by whoever drives Terraform instead of Terraform itself."""

    def held(self, command: str) -> AbstractContextManager[str]:
        """Hold it while a command runs; gives the id of the run. Raises what keeps it from being held."""


@dataclass(frozen=True)
class PlanResult:
    """A saved plan. has_changes: False when applying it would change nothing, outputs included."""

    path: Path
    has_changes: bool


@dataclass(frozen=True)
class _Ended:
    exit_code: int
    succeeded: bool
    stdout: str
    diagnostics: tuple[Diagnostic, ...]


class Runner:
    """Terraform in one folder, one command at a time.

    workdir    the Terraform root; must exist when a command runs
    binary     terraform or tofu
    env        the whole environment (environment.terraform_environment makes it)
    log_path   everything Terraform says is appended here, but for documents and session tokens; 0600
    on_event   told what happens, from the thread that runs the command. If it raises, Terraform still
               runs to its end, and the exception is raised then.
    project    as messages name it; the folder's name if not given
    lock       held around every command that locks the state, which then runs with -lock=false and
               carries the run's id in its environment (processes.RUN_VARIABLE); None: Terraform locks
    on_written called while the lock is held, after a command has written the state and ended well; when it
               raises, so does the command
    reuse      keep one provider for all commands of this runner; None: Terraform starts it each time
    init_lock  file that is locked while init runs, where inits share a plugin cache: Terraform must not
               write to one from two sides; None: they don't

    Every command raises TerraformMissing when the binary cannot be started, TerraformInterrupted after
    interrupt() or Ctrl-C, and otherwise the error that `failures.RULES` gives for Terraform's diagnostics.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        binary: Path,
        env: Mapping[str, str],
        log_path: Path,
        on_event: Callable[[Event], None] | None = None,
        project: str = "",
        lock: StateLock | None = None,
        on_written: Callable[[], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reuse: Reuse | None = None,
        init_lock: Path | None = None,
    ) -> None:
        self.workdir = workdir
        self.log_path = log_path
        self._binary = binary
        self._env = dict(env)
        self._on_event = on_event
        self._project = project or workdir.name
        self._lock = lock
        self._on_written = on_written
        self._now = now
        self._init_lock = init_lock
        self._commands = Commands(binary)
        self._provider = PrivateProvider(workdir, self._env, reuse, start_helper)
        self._process: Stoppable | None = None
        self._waits_for_lock = False
        # A list, since append is atomic and takes no lock that a signal handler could find taken.
        self._stops: list[None] = []

    def init(self, *, backend_config: Path | None = None) -> None:
        """Make the workspace ready: backend and providers. Not done again where nothing it read or left has
        changed since the last time.

        backend_config   file with what the configuration leaves open of its backend
        """
        place = Place(self.workdir, self._binary, self._env, backend_config)
        if self._stops or not is_initialised(place):
            self._provider.close()
            forget_init(self.workdir)
            with one_at_a_time(self._init_lock):
                self._run("init", self._commands.init_line(backend_config))
            record_init(place)
        self._provider.start()

    def close(self) -> None:
        """Let the provider go, if one is kept; the next command that needs it starts another."""
        self._provider.close()

    def go_on_from(self, other: Runner) -> None:
        """Take over the provider that another runner of the same workspace kept: one is enough for both.

        The other one starts another should it be used again.
        """
        if (other.workdir, other._env) == (self.workdir, self._env):
            self._provider, other._provider = other._provider, self._provider

    def migrate_state(self, *, backend_config: Path | None = None) -> None:
        """Copy the state from the backend of the last init into the one that is configured now.

        What stands there is overwritten; the old state stays where it was.
        backend_config   as for `init`
        """
        forget_init(self.workdir)
        self._run("init", self._commands.migrate_line(backend_config))

    def validate(self) -> tuple[Diagnostic, ...]:
        """Check the configuration without asking AWS; gives the warnings."""
        ended = self._run("validate", self._commands.validate_line(), document=True, check=False)
        found = ended.diagnostics
        if ended.stdout:
            found += tuple(map(reading.from_json, self._read(ended.stdout).get("diagnostics", ())))
        if ended.exit_code != 0:
            raise self._error("validate", ended.exit_code, found)
        return found

    def plan(
        self,
        out: Path,
        *,
        destroy: bool = False,
        refresh_only: bool = False,
        targets: Sequence[str] = (),
        replace: Sequence[str] = (),
    ) -> PlanResult:
        """Plan into a file (0600). When this raises, there is no such file.

        refresh_only   change nothing but the state: the plan says what is not as the state has it
        targets   addresses: nothing but these and what they need is planned
        replace   addresses that are made anew, whatever their configuration says
        """
        out = out.absolute()
        out.unlink(missing_ok=True)
        line = self._commands.plan_line(
            out,
            destroy=destroy,
            refresh_only=refresh_only,
            targets=targets,
            replace=replace,
        )
        try:
            ended = self._run("plan", line, check=False)
            if not (ended.succeeded and out.is_file()):
                raise self._error("plan", ended.exit_code, ended.diagnostics)
        except BaseException:
            out.unlink(missing_ok=True)
            raise
        return PlanResult(out, has_changes=ended.exit_code == 2)

    def show_plan(self, path: Path) -> dict[str, Any]:
        """A saved plan in Terraform's JSON plan format. It holds sensitive values: show it to nobody."""
        return self._read(self._run("show", self._commands.show_line(path.absolute()), document=True).stdout)

    def apply(self, plan_path: Path) -> None:
        """Apply exactly this saved plan.

        Raises   PlanIsStale when the state has changed since (nothing is changed then)
        """
        self._run("apply", self._commands.apply_line(plan_path.absolute()))

    def state(self) -> dict[str, Any]:
        """The state as it is stored (format version 4), read without starting a provider; {} if none.

        It holds sensitive values: show it to nobody.
        """
        text = self._run("state pull", self._commands.cmd("state pull"), document=True).stdout
        return self._read(text) if text.strip() else {}

    def push_state(self, path: Path) -> None:
        """Make a state file the stored state. Terraform refuses another lineage, and a serial that is not
        newer."""
        self._run("state push", self._commands.cmd("state push", str(path.absolute())), document=True)

    def take_over(self, address: str, found: str) -> None:
        """Write what exists into the state as it is, which changes nothing of it; an import block may.

        found   its import id
        """
        self._run("import", self._commands.cmd("import -input=false -no-color", address, found))

    def forget(self, address: str) -> None:
        """Take a resource out of the state; what exists of it stays as it is."""
        self._run("state rm", self._commands.cmd("state rm", address), document=True)

    def untaint(self, address: str) -> None:
        """Keep a resource that an interruption tainted. Ask AWS first whether it is complete. Whoever plans
        the project at the same moment may have kept it already."""
        ended = self._run("untaint", self._commands.cmd("untaint -no-color", address), check=False)
        kept = any(_NOT_TAINTED in diagnostic.text for diagnostic in ended.diagnostics)
        if ended.exit_code != 0 and not kept:
            raise self._error("untaint", ended.exit_code, ended.diagnostics)

    def interrupt(self) -> None:
        """Ask Terraform to stop: one SIGINT to its own process, however often this is called.

        Returns at once; the running command (or, between two commands, the next one) raises
        TerraformInterrupted once Terraform has saved its state, and the wish is then fulfilled.
        Safe in signal handlers and from other threads.
        """
        self._stops.append(None)
        process = self._process
        if process is not None:
            process.stop()

    def _run(
        self, command: str, argv: Sequence[str], *, document: bool = False, check: bool = True
    ) -> _Ended:
        """Run to the end, tell what happens, keep the log.

        document   stdout is one document, which is given back and not logged
        check      raise on an exit code other than 0
        """
        ended, listener = self._once(command, argv, document)
        if self._blames_reuse(command, ended):
            self._provider.give_up()
            ended, listener = self._once(command, argv, document)
        if check and ended.exit_code != 0:
            raise self._error(command, ended.exit_code, ended.diagnostics)
        if ended.succeeded:
            listener.raise_trouble()
        return ended

    def _blames_reuse(self, command: str, ended: _Ended) -> bool:
        """Whether a command may have failed only because its provider was one that is kept."""
        return (
            self._provider.in_use
            and command in _REPEATABLE
            and not ended.succeeded
            and any(_PROVIDER_TROUBLE.search(diagnostic.text) for diagnostic in ended.diagnostics)
        )

    def _once(self, command: str, argv: Sequence[str], document: bool) -> tuple[_Ended, Listener]:
        """Run one process to its end; raises when it was interrupted, not when it failed."""
        env = self._env
        if command not in _WITHOUT_REUSE and not self._stops:
            env = self._env | self._provider.environment(needed=command in _WITH_PROVIDER)
        if self._stops:
            raise self._stopped(command, 0, (), succeeded=False)
        self._require_startable()
        argv, lock = self._locked(command, argv)
        began = time.monotonic()
        self._waits_for_lock = True
        with (
            self._signals_stop(),
            lock as run,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            self._log() as log,
        ):
            self._waits_for_lock = False
            listener = Listener(self._on_event, log.line, document=document)
            listener.keep(log.header(argv, workdir=self.workdir))
            listener.tell(CommandStarted(command))
            exit_code = self._watch(argv, {**env, RUN_VARIABLE: run} if run else env, out, err, listener)
            elapsed_s = time.monotonic() - began
            listener.keep(log.footer(exit_code, elapsed_s=elapsed_s))
            if exit_code == 0 and command in _WRITING and self._on_written is not None:
                self._on_written()
        listener.tell(CommandFinished(command, exit_code, elapsed_s))
        # Go also ends with 2 when it dies of a fatal error; a plan with changes says what it came to.
        planned = command == "plan" and exit_code == 2 and listener.planned
        succeeded = exit_code == 0 or planned
        ended = _Ended(exit_code, succeeded, listener.document(), listener.diagnostics(failed=not succeeded))
        if self._stops:
            raise self._stopped(command, exit_code, ended.diagnostics, succeeded=succeeded)
        return ended, listener

    def _locked(
        self, command: str, argv: Sequence[str]
    ) -> tuple[Sequence[str], AbstractContextManager[str | None]]:
        """The command line, and the lock to hold around it."""
        if self._lock is None or command not in _LOCKING:
            return argv, nullcontext()
        words = 1 + len(command.split())
        return [*argv[:words], "-lock=false", *argv[words:]], self._lock.held(command)

    def _watch(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        out: IO[bytes],
        err: IO[bytes],
        listener: Listener,
    ) -> int:
        """Start, listen until the end, give the exit code."""
        process = self._start(argv, env, out, err)
        self._process = process
        if self._stops:  # asked between the check and the start
            process.stop()
        stdout, stderr = Tail(out), Tail(err)
        announced = 0
        exit_code: int | None = None
        while exit_code is None:
            try:
                exit_code = process.ended()
                ended = exit_code is not None
                listener.hear(stdout.lines(ended=ended), stderr.lines(ended=ended))
                if len(self._stops) > announced:
                    announced = len(self._stops)
                    listener.tell(Interrupting(process.pid, announced))
                if not ended:
                    time.sleep(_POLL_S)
            except KeyboardInterrupt:  # raised by a handler that is not ours
                exit_code = None
                self.interrupt()
        self._process = None
        return exit_code

    def _start(
        self, argv: Sequence[str], env: Mapping[str, str], out: IO[bytes], err: IO[bytes]
    ) -> Stoppable:
        return start_stoppable(
            argv,
            env=env,
            folder=self.workdir,
            out=out,
            err=err,
            descriptors=self._provider.descriptors() if "TF_REATTACH_PROVIDERS" in env else (),
        )

    @contextmanager
    def _signals_stop(self) -> Iterator[None]:
        """Make Ctrl-C, SIGTERM and a closed terminal call interrupt(), where nobody else handles them.

        Without this a SIGTERM (a pipeline that is cancelled) or SIGHUP would end the engine at once. After
        a Ctrl-C that would be Terraform's second SIGINT, on which it drops what it is making; and once
        Terraform has ended, the state's lock would stay.
        """
        replaced = {
            number: handler
            for number, handler in ((number, signal.getsignal(number)) for number in _STOPPING)
            if threading.current_thread() is threading.main_thread()
            and handler in (signal.default_int_handler, signal.SIG_DFL)
        }

        def handle(_number: int, _frame: FrameType | None) -> None:
            if self._waits_for_lock:  # nothing is under way yet, and the wait may be long
                raise KeyboardInterrupt
            self.interrupt()

        for number in replaced:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in replaced.items():
                signal.signal(number, handler)

    def _require_startable(self) -> None:
        if not os.access(self._binary, os.X_OK) or not self._binary.is_file():
            raise TerraformMissing(
                f"There is no program at {self._binary}, where Terraform should be.",
                hint="Run `provisioner setup`, or correct `terraform` in the settings.",
            )
        if not self.workdir.is_dir():
            raise TerraformError(
                f"The workspace of {self._project} is not at {self.workdir}.",
                hint="Generate it with `provisioner render` or `provisioner plan`.",
            )

    def _read(self, text: str) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise TerraformError(
                f"Terraform answered with something that is not JSON for {self._project}.",
                hint=f"See {self.log_path}.",
            ) from error
        return document

    def _log(self) -> CommandLog:
        return CommandLog(self.log_path, now=self._now)

    def _error(self, command: str, exit_code: int, found: Sequence[Diagnostic]) -> Exception:
        return error_for(command, exit_code, found, project=self._project, log_path=self.log_path)

    def _stopped(
        self, command: str, exit_code: int, found: Sequence[Diagnostic], *, succeeded: bool
    ) -> Exception:
        self._stops.clear()
        return interrupted(
            command, exit_code, found, succeeded=succeeded, project=self._project, log_path=self.log_path
        )
