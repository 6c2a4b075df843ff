"""Start, stop and look at the local cloud of a home folder. Knows nothing of moto; cheap to import."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import engine
from engine.errors import BackendError
from engine.local.connection import environment_for
from engine.local.durations import Durations
from engine.local.run_file import RunFiles, RunRecord
from engine.local.shared_names import SharedNames

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 10.0
ANSWER_WITHIN_S = 2.0
LOG_TAIL_LINES = 15
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


class Start(Protocol):
    """Starts a program that outlives us; gives its process id (engine.terraform.programs.start_detached)."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], log_path: Path) -> int: ...


@dataclass(frozen=True)
class CloudStatus:
    """state   running: it answers as the instance of the run file
            stopped: no run file
            stale: a run file is left but its cloud is gone or is another one
    record  the run file, None when stopped
    detail  why it is stale
    """

    state: Literal["running", "stopped", "stale"]
    record: RunRecord | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"state": self.state, "detail": self.detail} | (vars(self.record) if self.record else {})


def up(
    home: Path,
    *,
    port: int = 0,
    durations: Durations | None = None,
    names: SharedNames | None = None,
    empty: bool = False,
    start: Start | None = None,
) -> CloudStatus:
    """Have a local cloud running for this home; one that runs already is kept as it is.

    port       0 takes a free one
    names      of the seeded shared infrastructure; its region is the cloud's
    empty      an account with nothing in it: no shared infrastructure
    Raises     BackendError with the end of the log when it does not come up
    """
    files = RunFiles(home)
    found = status(home)
    if found.state == "running":
        return found
    if not files.held():
        files.remove()
    files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    argv = [sys.executable, "-m", "engine.local", "--home", str(home.resolve()), "--port", str(port)]
    argv += ["--durations", (durations or Durations()).to_json()]
    if names:
        argv += ["--seed", names.to_json()]
    if empty:
        argv += ["--empty"]
    begin = files.log.stat().st_size if files.log.exists() else 0
    pid = (start or _starter())(argv, env=_environment(), log_path=files.log)
    return _await_ready(home, files, pid, begin)


def down(home: Path) -> CloudStatus:
    """Stop the local cloud of this home; its state is gone. Nothing to do when none runs.

    Raises  BackendError when the process does not end
    """
    files = RunFiles(home)
    record = files.read()
    if record and files.held() and _alive(record.pid):
        _stop(record.pid, files)
    if not files.held():
        files.remove()
    return status(home)


def status(home: Path) -> CloudStatus:
    """What the run file says, checked against the endpoint itself."""
    record = RunFiles(home).read()
    if record is None:
        return CloudStatus("stopped")
    answered = _instance_at(record.endpoint)
    if answered == record.instance_id:
        return CloudStatus("running", record)
    if answered is not None:
        return CloudStatus("stale", record, f"{record.endpoint} is another instance now")
    if not _alive(record.pid):
        return CloudStatus("stale", record, f"its process {record.pid} is gone")
    return CloudStatus("stale", record, f"{record.endpoint} does not answer")


def environment(status: CloudStatus) -> dict[str, str]:
    """Environment variables that point boto3, Terraform and the engine at a running cloud.

    Raises  BackendError when it is not running
    """
    if status.state != "running" or status.record is None:
        raise BackendError(
            f"The local cloud is {status.state}.", hint="Start it with `provisioner local up`."
        )
    return environment_for(status.record.endpoint, status.record.region, status.record.account_id)


def write_to_lustre(endpoint: str, file_system_id: str, path: str, content: bytes) -> None:
    """A job writes a file on a simulated Lustre file system.

    path    inside the file system, e.g. /project/private/result.txt
    Raises  BackendError when the cloud refuses or does not answer
    """
    url = f"{endpoint}/_local/lustre/{file_system_id}/{urllib.parse.quote(path.lstrip('/'))}"
    request = urllib.request.Request(url, data=content, method="PUT")  # noqa: S310 - our own address
    try:
        with _opener().open(request, timeout=ANSWER_WITHIN_S):
            pass
    except OSError as error:
        raise BackendError(f"{path} could not be written to {file_system_id}: {error}") from error


def _starter() -> Start:
    from engine.terraform.programs import start_detached

    return start_detached


def _environment() -> dict[str, str]:
    """A clean environment: no credentials, no proxy, nothing that changes moto's behaviour."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    package_parent = str(Path(engine.__file__).resolve().parent.parent)
    return kept | {"PYTHONPATH": package_parent, "PYTHONUNBUFFERED": "1"}


def _await_ready(home: Path, files: RunFiles, pid: int, log_begin: int) -> CloudStatus:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        found = status(home)
        if found.state == "running":
            return found
        # When two come up at once, one daemon gives way; then the other one is waited for.
        if not _alive(pid) and not files.held() and status(home).state != "running":
            break
        time.sleep(0.05)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    raise BackendError(
        "The local cloud did not start." + _log_tail(files.log, log_begin),
        hint=f"The whole log is {files.log}.",
        details={"log": str(files.log)},
    )


def _log_tail(log: Path, begin: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(begin)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-LOG_TAIL_LINES:])


def _stop(pid: int, files: RunFiles) -> None:
    for number, patience_s in ((signal.SIGTERM, STOPPED_WITHIN_S), (signal.SIGKILL, 3.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            # The lock goes a moment before the process does, and "down" means that it is gone.
            if not files.held() and not _alive(pid):
                return
            time.sleep(0.02)
    raise BackendError(f"The local cloud (process {pid}) does not end.", hint=f"End process {pid} by hand.")


def _alive(pid: int) -> bool:
    """Whether a process lives. One that we started ourselves and that ended is collected on the way."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _opener() -> urllib.request.OpenerDirector:
    """Never through a proxy: the cloud is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _instance_at(endpoint: str) -> str | None:
    """The instance id an endpoint answers with; "" when something else answers, None when nothing does."""
    try:
        with _opener().open(f"{endpoint}/_local/status", timeout=ANSWER_WITHIN_S) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError):
        return None
    return str(found.get("instance_id", "")) if isinstance(found, dict) else ""
