"""Operations asked for and carried out by some workers, all but one of which are killed again and again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.aws.addresses import list_claims
from engine.aws.operation_store import OperationStore
from engine.aws.registry import Registry
from engine.aws.session import Cloud, Credentials
from engine.errors import OperationInProgress
from engine.local.calls import FUNCTION_KEY
from engine.local.server import LocalCloud
from engine.model.operation import Kind, Operation, Wish, requested
from engine.model.secret import Secret
from engine.model.settings import load_settings
from engine.model.spec import dump_spec, load_spec
from tests.crash.killing import kill_tree
from tests.functional.conftest import _make_backend
from tests.soak.model import Is, Kinds, Model, Project, Wishes, differences, kinds

ROOT = Path(__file__).parents[2]
# What memory may grow by from the second quarter of a run to its last: a cache that fills is no leak.
_GROWTH_MB, _GROWTH_SHARE = 20.0, 0.1
_RUNS = 200
_PHASES = {Is.READY: "READY", Is.PARKED: "PARKED"}


@dataclass
class Done:
    """One operation, from its request to its end.

    runs    how often a worker took it up; kills of those ended by SIGKILL
    code    of the failure; "" when it was fulfilled
    """

    wish: str
    project: str
    seconds: float
    runs: int
    kills: int
    code: str


class Worker:
    """A worker process; started anew when it has been killed."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._busy = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.worker", str(self._folder)],
            cwd=ROOT,
            env=dict(self._environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, operation: Operation) -> dict[str, Any] | None:
        """One run on an operation; None when the worker was killed in it. Another one is there then."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        with self._busy, contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(
                json.dumps({"project": operation.project, "operation": operation.id}) + "\n"
            )
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self.end()
        self._start()
        return None

    def kill(self) -> bool:
        """SIGKILL to the worker and all that it has started, if it is at work."""
        if not self._busy.locked():
            return False
        kill_tree(self._process.pid)
        return True

    def end(self) -> None:
        kill_tree(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@dataclass
class Soak:
    """One soak: see tests/soak/__main__.py. `done` and the other figures grow while it runs."""

    cloud: LocalCloud
    folder: Path
    terraform: str
    seed: int
    projects: int
    workers: int
    done: list[Done] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    refusals: int = 0
    weather: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    settled: int = 0
    unfulfilled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        environ = {
            **os.environ,
            **self.cloud.environment(),
            "PROVISIONER_HOME": str(self.folder / "home"),
            "PROVISIONER_WORKSPACES_DIR": str(self.folder / "projects"),
            "PROVISIONER_TERRAFORM": self.terraform,
            "PROVISIONER_AWS_ATTEMPTS": "8",
            "GOGC": "400",
        }
        # The driver sees clearly whatever the weather is: calls signed so meet none.
        self._cloud = Cloud(
            region=self.cloud.region,
            endpoint_url=self.cloud.endpoint,
            local=True,
            credentials=Credentials(FUNCTION_KEY, Secret("none")),
        )
        _make_backend(self._cloud)
        settings = load_settings(environ=environ).settings
        self._settings = settings
        self._store = OperationStore(self._cloud, settings.registry_table)
        self.model = Model([Project(f"lab-{number % 5}", f"p-{number}") for number in range(self.projects)])
        self._chance = random.Random(self.seed)
        self._free = list(self.model.projects)
        self._owed: dict[str, Wishes] = {}
        self._lock = threading.Lock()
        self._workers = [Worker(self.folder, environ) for _ in range(self.workers)]

    # -- from beginning to end -------------------------------------------------------------------------

    def prepare(self) -> None:
        """Learn from one project, in fair weather, what a project that is ready or parked consists of."""
        one = Project("lab-9", "reference")
        before = kinds(self.cloud.inventory())
        self._fulfil_now(one, Wishes.PROVISION)
        self._ready: Kinds = kinds(self.cloud.inventory()) - before
        self._fulfil_now(one, Wishes.RELEASE)
        self._parked: Kinds = kinds(self.cloud.inventory()) - before
        self._fulfil_now(one, Wishes.PURGE)
        assert kinds(self.cloud.inventory()) == before, "one project did not go without a trace"
        self._before = before
        with self.cloud.world.lock:
            self.cloud.world.calls.clear()

    def run(self, *, until: float, operations: int, weather: float, kill_every_s: float) -> None:
        """Ask for operations until the time (of time.monotonic) is up or there were enough of them."""
        self.cloud.weather(weather, seed=self.seed)
        self._began = time.monotonic()
        self._until, self._most = until, operations
        over = threading.Event()
        threads = [threading.Thread(target=self._work, args=(worker,)) for worker in self._workers]
        killer = threading.Thread(target=self._keep_killing, args=(self._workers[1:], over, kill_every_s))
        for thread in (*threads, killer):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        killer.join()
        self.seconds = time.monotonic() - self._began
        self.weather.update(self.cloud.weather_counts())

    def settle(self) -> None:
        """In fair weather, fulfil what has failed until now."""
        self.cloud.weather(0)
        for project in self.model.projects:
            if project.name in self._owed:
                self.settled += 1
                try:
                    self._fulfil_now(project, self._owed.pop(project.name))
                except AssertionError as error:
                    self.unfulfilled.append(str(error))

    def end(self) -> None:
        """Leave no process behind."""
        for worker in self._workers:
            worker.end()

    # -- while it runs ---------------------------------------------------------------------------------

    def _work(self, worker: Worker) -> None:
        while (project := self._next()) is not None:
            try:
                self._operation(worker, project)
            except AssertionError as error:
                self.unfulfilled.append(str(error))
            finally:
                with self._lock:
                    self._free.append(project)

    def _next(self) -> Project | None:
        with self._lock:
            if time.monotonic() > self._until or len(self.done) >= self._most:
                return None
            return self._free.pop(self._chance.randrange(len(self._free)))

    def _operation(self, worker: Worker, project: Project) -> None:
        with self._lock:
            wish = self._owed.pop(project.name, None) or self.model.choose(self._chance, project)
        operation = self._ask(project, wish)
        self._be_refused(project, wish)
        began = time.monotonic()
        runs, kills, outcome = self._carry_out(worker, operation)
        if worker is self._workers[0]:
            self.memory.append((time.monotonic() - self._began, outcome["memory_mb"]))
        code = str(outcome["code"])
        with self._lock:
            self.done.append(Done(wish, project.name, time.monotonic() - began, runs, kills, code))
            if code:
                self._owed[project.name] = wish
                print(f"{wish} {project.name}: {code}: {outcome.get('text', '')[:300]}", flush=True)
            else:
                self.model.fulfil(project, wish)

    def _carry_out(self, worker: Worker, operation: Operation) -> tuple[int, int, dict[str, Any]]:
        """Run after run, as a queue would start them; (runs, kills, outcome of the last run)."""
        kills = 0
        for runs in range(1, _RUNS):
            outcome = worker.run(operation)
            if outcome is None:
                kills += 1
                continue
            if outcome["state"] == "LOST":
                # The end was written, and the answer to that lost; or the killed run came to its end.
                now = self._store.require(operation.project, operation.id)
                outcome |= {"state": str(now.state), "code": now.failure.code if now.failure else ""}
            if outcome["state"] in ("SUCCEEDED", "FAILED"):
                return runs, kills, outcome
            time.sleep(0.5)
        raise AssertionError(f"{operation.id} of {operation.project} comes to no end: {outcome}")

    def _ask(self, project: Project, wish: Wishes) -> Operation:
        return self._store.submit(_requested(project, _wish(project, wish))).operation

    def _be_refused(self, project: Project, wish: Wishes) -> None:
        """Now and then somebody else asks for something else in between, and is told so."""
        if self._chance.random() > 0.1:
            return
        other = Wish(Kind.RELEASE, skip_export="another wish")
        try:
            self._store.submit(_requested(project, other))
        except OperationInProgress:
            self.refusals += 1
        else:
            raise AssertionError(f"another wish was taken while {wish} of {project.name} was under way")

    def _fulfil_now(self, project: Project, wish: Wishes) -> None:
        """In fair weather nothing may fail."""
        _, _, outcome = self._carry_out(self._workers[0], self._ask(project, wish))
        assert outcome["state"] == "SUCCEEDED", f"{wish} of {project.name}: {outcome}"
        if project in self.model.projects:
            self.model.fulfil(project, wish)

    def _keep_killing(self, workers: Sequence[Worker], over: threading.Event, every_s: float) -> None:
        """Every so many seconds in the mean, one of these workers."""
        chance = random.Random(self.seed + 1)
        while not over.wait(chance.uniform(0.2, 1.8) * every_s):
            chance.choice(workers).kill()

    # -- afterwards ------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """One line for all that is not as the model says."""
        expected = self._before + self.model.expected(self._ready, self._parked)
        calls = self.cloud.calls()
        wanted = self.model.expected_calls()
        found = [f"there is {one}" for one in differences(expected, kinds(self.cloud.inventory()))]
        found += [
            f"carried out {one}" for one in differences(wanted, {name: calls.get(name, 0) for name in wanted})
        ]
        return [*self.unfulfilled, *found, *self._left_over(), *self._grown()]

    def _left_over(self) -> Iterator[str]:
        settings = self._settings
        states = {project.name: project.state for project in self.model.projects}
        phases = {
            one.project: str(one.phase) for one in Registry(self._cloud, settings.registry_table).list()
        }
        for name, state in states.items():
            if phases.get(name) != _PHASES.get(state):
                yield f"{name} is {state} in the model, {phases.get(name, 'absent')} in the registry"
        claims = {claim.project for claim in list_claims(self._cloud, settings.registry_table)}
        up = {name for name, state in states.items() if state is Is.READY}
        if claims != up:
            yield f"address blocks are held by {sorted(claims)}, not by {sorted(up)}"
        yield from (f"an operation of {project} is not over" for project, _ in self._store.unfinished())
        items = self._cloud.dynamodb.scan(TableName=settings.lock_table, ConsistentRead=True)["Items"]
        yield from (f"locked: {item['LockID']['S']}" for item in items if "Info" in item)

    def quarters(self) -> tuple[float, float]:
        """Median memory (MB) of the worker that lived on, in the second and in the last quarter."""
        samples = [megabytes for _, megabytes in self.memory]
        quarter = max(1, len(samples) // 4)
        return statistics.median(samples[quarter : 2 * quarter] or samples), statistics.median(
            samples[-quarter:]
        )

    def _grown(self) -> Iterator[str]:
        if len(self.memory) < 8:
            return
        early, late = self.quarters()
        if late - early > max(_GROWTH_MB, _GROWTH_SHARE * early):
            yield f"the worker's memory grew from {early:.0f} to {late:.0f} MB"


def _wish(project: Project, wish: Wishes) -> Wish:
    match wish:
        case Wishes.RELEASE:
            return Wish(Kind.RELEASE)
        case Wishes.PURGE:
            return Wish(Kind.DESTROY, purge_data=True, purge_now=True)
    return Wish(Kind.PROVISION, dump_spec(load_spec(json.dumps(project.spec()), source="soak")))


def _requested(project: Project, wish: Wish) -> Operation:
    now = datetime.now(UTC)
    return requested(
        vlab_id=project.vlab_id, project_id=project.project_id, wish=wish, requested_by="soak", now=now
    )
