"""The service's worker is stopped at random moments, gracefully or not: its operations end well all the same.

`provisioner serve` with two workers, and a queue that hands a message out again when nobody finished it, as
SQS does. One project after the other goes from nothing to nothing; each step of that is an operation, and
in each a worker is stopped once or twice. CRASH_SEED=N repeats a run, CRASH_OPERATIONS says how many.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.aws.operation_store import OperationStore
from engine.aws.session import Cloud
from engine.local.calls import Request
from engine.local.server import LocalCloud
from tests.crash.conftest import SEED
from tests.crash.killing import kill_tree
from tests.crash.once import problems
from tests.functional.service.serving import Served, serving
from tests.policies.permissions import CALLER

OPERATIONS = int(os.environ.get("CRASH_OPERATIONS") or 30)
WITHIN_S = 900
pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300 + OPERATIONS * WITHIN_S)]

SPEC: dict[str, Any] = {"storage": {"kind": "efs"}}
# Calls of a whole operation without those on records, locks and messages, which whoever looks makes as well.
CALLS = {"provision": 180, "change": 150, "release": 330, "purge": 125}


@dataclass(frozen=True)
class Stop:
    """A worker is stopped so many seconds after the call of that number, counted from the request on."""

    call: int
    after_s: float
    sign: signal.Signals


def stops(chance: random.Random, kind: str) -> list[Stop]:
    """One, or two of which the second may find nothing left to stop."""
    calls = sorted(chance.sample(range(1, CALLS[kind]), chance.choice((1, 1, 2))))
    signs = (signal.SIGTERM, signal.SIGKILL)
    return [Stop(call, round(chance.uniform(0, 0.5), 2), chance.choice(signs)) for call in calls]


class Counter:
    """Counts the calls of whoever works, and wakes up who waits for one of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def hear(self, request: Request) -> None:
        if request.signer == CALLER and request.service not in ("dynamodb", "sqs", "sts"):
            with self._changed:
                self.count += 1
                self._changed.notify_all()

    def wait(self, number: int, within_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= number, within_s)


@dataclass
class Bench:
    """The service under test; struck: how often a worker was stopped while it worked, by signal."""

    cloud: LocalCloud
    service: Served
    store: OperationStore
    struck: dict[str, int]

    def carry_out(self, kind: str, project: str, planned: list[Stop]) -> None:
        """Ask for it, stop whoever works on it at those moments, and see it end well."""
        counter = Counter()
        with self.cloud.heard(counter.hear):
            operation = self._ask(kind, project)
            for stop in planned:
                while not counter.wait(stop.call, 0.5) and not self._ended(project, operation):
                    pass
                time.sleep(stop.after_s)
                self._stop(project, stop.sign)
            deadline = time.monotonic() + WITHIN_S
            while not self._ended(project, operation):
                assert time.monotonic() < deadline, f"{operation} of {project} does not end"
                time.sleep(1)
        print(f"  {counter.count} calls")
        ended = self.store.require(project, operation)
        assert str(ended.state) == "SUCCEEDED", ended.failure

    def _ask(self, kind: str, project: str) -> str:
        path = f"/v1/projects/{project}"
        match kind:
            case "provision":
                status, body = self.service.ask("PUT", path, SPEC)
            case "change":
                status, body = self.service.ask("PUT", path, SPEC | {"compute": {"max_nodes": 16}})
            case "release":
                status, body = self.service.ask("DELETE", path)
            case _:
                confirm = project.replace("/", "%2F")
                status, body = self.service.ask(
                    "DELETE", f"{path}?confirm={confirm}&purge_data=true&purge_now=true"
                )
        assert status == 202, body
        return str(body["operation"]["id"])

    def _ended(self, project: str, operation: str) -> bool:
        return self.store.require(project, operation).state.finished

    def _stop(self, project: str, sign: signal.Signals) -> None:
        """The worker that has the operation in hand: gracefully itself alone, else with all it has started,
        as a Lambda function's sandbox goes."""
        owner = self.store.standing(project).owner
        if owner is None:
            return
        pid = int(owner.identity["pid"])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            self.struck[sign.name] = self.struck.get(sign.name, 0) + 1
            if sign is signal.SIGKILL:
                kill_tree(pid)
            else:
                os.kill(pid, sign)


@contextmanager
def running(cloud: LocalCloud, backend: Cloud, terraform: str, folder: Path) -> Iterator[Bench]:
    with serving(cloud.endpoint, terraform, folder, workers=2) as service:
        store = OperationStore(backend, "provisioner-registry")
        yield Bench(cloud, service, store, {})
        assert service.end() == 0


def worked_through(bench: Bench, chance: random.Random, count: int) -> None:
    """So many operations: nothing is made twice, and at a project's end nothing of it is left."""
    kinds = list(CALLS)
    for number in range(count):
        kind, project = kinds[number % len(kinds)], f"lab-1/proj-{number // len(kinds)}"
        planned = stops(chance, kind)
        print(f"{number + 1}. {kind} {project}: " + ", ".join(map(str, planned)))
        if kind == "provision":
            with bench.cloud.world.lock:
                bench.cloud.world.calls.clear()
        bench.carry_out(kind, project, planned)
        if kind == "provision":
            assert problems(bench.cloud, "efs") == []
        if kind == "purge":
            left = [line for line in bench.cloud.left_over() if "pc-" in line or project in line]
            assert left == []


@pytest.mark.crash
def test_every_operation_ends_well_whenever_its_worker_is_stopped(
    cloud: LocalCloud, backend: Cloud, terraform: str, tmp_path: Path
) -> None:
    print(f"CRASH_SEED={SEED} CRASH_OPERATIONS={OPERATIONS}")
    with running(cloud, backend, terraform, tmp_path) as bench:
        worked_through(bench, random.Random(f"{SEED} worker"), OPERATIONS)
        print(f"stopped at work: {bench.struck}")
        assert bench.struck, "no worker was ever stopped while it worked"
        # AND the queue is empty: what was given back was finished by somebody
        counts = backend.sqs.get_queue_attributes(
            QueueUrl=backend.sqs.get_queue_url(QueueName="provisioner-operations.fifo")["QueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        assert set(counts.values()) == {"0"}
