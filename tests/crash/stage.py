"""A local cloud in which something was prepared once, and copies of it: one for each case.

    test ──── case ────> stage: prepared, at rest ── fork ──> copy: wakes the cloud, kills, runs, looks
      <── how it ended ──                         <── its end ──

Making a project takes longer than most cases do. A fork copies moto's memory as it is, in milliseconds; the
engine's folders are copied beside it. The stage is a process of its own with one thread, since a process with
several is not safely forked.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.aws.operation_store import OperationStore
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import Names, names_for
from engine.model.operation import Kind, Operation, Wish, requested
from engine.model.spec import dump_spec, load_spec
from tests.crash.killing import Operator, kill_below, operator
from tests.functional.conftest import QUICK, _make_backend

PROJECT = "lab-1/proj-1"
RESULT = ("private/result.txt", b"42")
"""What a job left in the bucket: key and content."""
UNSAVED = ("/project/private/run/field.dat", "private/run/field.dat", b"7" * 1000)
"""What a job left on Lustre alone: its path, the key it is exported under, and its content."""
_CASE_S = 600.0
_PR_SET_CHILD_SUBREAPER = 36
_KEPT = ("home", "projects")


class Prepared(StrEnum):
    """What stands when a case begins."""

    NEW = "new"
    """Nothing, and the engine's home is empty."""
    NOTHING = "nothing"
    """Nothing; the home knows the provider, as it does from its second run on."""
    READY = "ready"
    PARKED = "parked"

    @property
    def empty(self) -> bool:
        """Whether there is no project yet."""
        return self in (Prepared.NEW, Prepared.NOTHING)


@dataclass(frozen=True)
class Site:
    """An installation with the project lab-1/proj-1, as a case finds it.

    storage   "efs" or "lustre"
    facts     what was there when it was prepared, and must stay: the home's id, the private key's text
    """

    cloud: LocalCloud
    aws: Cloud
    engine: Operator
    folder: Path
    storage: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def lustre(self) -> str | None:
        """Id of the project's Lustre file system."""
        found = self.aws.fsx.describe_file_systems()["FileSystems"]
        return found[0]["FileSystemId"] if found else None

    @property
    def names(self) -> Names:
        return names_for("lab-1", "proj-1", account_id=self.cloud.account_id)

    def spec(self, **more: Any) -> str:
        """Path of the project's spec; more: other fields of it."""
        return self._written("proj-1", more)

    def _written(self, project_id: str, more: Mapping[str, Any]) -> str:
        document = {
            "vlab_id": "lab-1",
            "project_id": project_id,
            "tier": "debug",
            "storage": {"kind": self.storage},
            **more,
        }
        path = self.folder / f"{project_id}.yaml"
        path.write_text(json.dumps(document))
        return str(path)

    def ask_to_provision(self) -> Operation:
        """Have the wish for the project recorded, as the service does, for workers to take up."""
        wish = Wish(Kind.PROVISION, dump_spec(load_spec(Path(self.spec()).read_text(), source="test")))
        asked = requested(
            vlab_id="lab-1", project_id="proj-1", wish=wish, requested_by="test", now=datetime.now(UTC)
        )
        return self.operations.submit(asked).operation

    @property
    def operations(self) -> OperationStore:
        return OperationStore(self.aws, table="provisioner-registry")

    def prepare(self, prepared: Prepared) -> None:
        if prepared is Prepared.NEW:
            return
        if prepared is Prepared.NOTHING:
            self.engine.run("plan", self._written("known", {})).ok()
            self.engine.run("destroy", "lab-1/known", "--confirm", "lab-1/known").ok()
            return
        self.engine.run("apply", self.spec(), "--yes").ok()
        self.aws.s3.put_object(Bucket=self.names.bucket, Key=RESULT[0], Body=RESULT[1])
        if self.lustre:
            self.cloud.write_lustre(self.lustre, UNSAVED[0], UNSAVED[2])
        if prepared is Prepared.PARKED:
            self.engine.run("release", PROJECT, "--yes").ok()

    def seen(self) -> dict[str, str]:
        """What must be the same after a case."""
        homes = self.aws.efs.describe_file_systems()["FileSystems"]
        kept = {"home": homes[0]["FileSystemId"]} if homes else {}
        secrets = {one["Name"] for one in self.aws.secretsmanager.list_secrets()["SecretList"]}
        for name in {self.names.key_secret, self.names.user_key_secret} & secrets:
            kept[name] = self.aws.secretsmanager.get_secret_value(SecretId=name)["SecretString"]
        return kept


Case = Callable[[Site], None]
"""What is done with a copy; raises where something is wrong. It is pickled: a function of a module, or a
value with __call__."""


@dataclass(frozen=True)
class Ended:
    """How a case ended; said: all that was printed, by the engine too."""

    ok: bool
    said: str
    took_s: float


class Stage:
    """One thing prepared, for any number of cases. Use as a context manager."""

    def __init__(
        self, storage: str, prepared: Prepared, terraform: str, folder: Path, *, case_s: float = _CASE_S
    ) -> None:
        """case_s   how long a case may take"""
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, storage, prepared, terraform, folder, case_s), daemon=False
        )

    def __enter__(self) -> Stage:
        self._process.start()
        return self

    def stop(self) -> None:
        """End the case that is being played, and the stage, from another thread: `play` raises there."""
        self._process.terminate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()  # it ends when nobody is left to ask, and the case with it
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def play(self, case: Case) -> Ended:
        """Have the case done in a copy.

        Raises   EOFError when the stage has died
        """
        self._ours.send(case)
        ended: Ended = self._ours.recv()
        return ended


def _serve(asked: Any, storage: str, prepared: Prepared, terraform: str, folder: Path, case_s: float) -> None:
    """The life of a stage: prepare, rest, and fork for each case, until nobody is left to ask."""
    # A Ctrl-C is for whoever asks. A handler and not SIG_IGN, which the engine would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        _play_cases(asked, storage, prepared, terraform, folder, case_s)
    finally:
        kill_below()


def _play_cases(
    asked: Any, storage: str, prepared: Prepared, terraform: str, folder: Path, case_s: float
) -> None:
    log = folder / "said.txt"
    log.touch()
    _say_to(log)
    with LocalCloud(durations=QUICK) as cloud:
        began = time.monotonic()
        try:
            site = _prepared(cloud, storage, prepared, terraform, folder)
        except BaseException:  # noqa: BLE001 - every case tells of it
            traceback.print_exc()
            site = None
        cloud.rest()
        while threading.active_count() > 1:
            time.sleep(0.01)
        print(f"{storage} {prepared}: {time.monotonic() - began:.1f} s to prepare", flush=True)
        while True:
            try:
                case = asked.recv()
            except EOFError:
                return
            asked.send(_played(site, case, case_s, asked) if site else Ended(False, log.read_text(), 0.0))


def _prepared(cloud: LocalCloud, storage: str, prepared: Prepared, terraform: str, folder: Path) -> Site:
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    _make_backend(aws)
    site = Site(cloud, aws, operator(cloud, terraform, folder), folder, storage)
    cloud.begin_here()
    site.prepare(prepared)
    for name in _KEPT:
        (folder / name).mkdir(exist_ok=True)
        shutil.copytree(folder / name, folder / "prepared" / name, symlinks=True)
    return Site(cloud, aws, site.engine, folder, storage, site.seen())


def _played(site: Site, case: Case, case_s: float, asked: Any) -> Ended:
    """Do the case in a copy of this process, and wait for its end."""
    shutil.rmtree(site.folder / "elsewhere", ignore_errors=True)
    for name in _KEPT:
        shutil.rmtree(site.folder / name, ignore_errors=True)
        shutil.copytree(site.folder / "prepared" / name, site.folder / name, symlinks=True)
    log = site.folder / "case.txt"
    log.write_text("")
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        _play(site, case, log)
    status = _waited(pid, case_s, asked)
    kill_below()
    took_s = time.monotonic() - began
    late = "" if status is not None else f"\nnot done after {case_s:.0f} s"
    return Ended(status == 0, log.read_text(errors="replace") + late, took_s)


def _play(site: Site, case: Case, log: Path) -> None:
    """In the copy: never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _say_to(log)
        with site.cloud.world.lock:
            site.cloud.world.calls.clear()
        site.cloud.wake()
        case(site)
        code = 0
    except BaseException:  # noqa: BLE001 - it is in what the case has said
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _waited(pid: int, patience_s: float, asked: Any) -> int | None:
    """The status the copy ended with; None when it was killed: too late, or nobody is left to tell."""
    deadline = time.monotonic() + patience_s
    # While a case is played nothing is asked: what can be read is the end of who asks.
    while time.monotonic() < deadline and not asked.poll():
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


def _say_to(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
