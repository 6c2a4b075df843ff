"""Many projects at once, without Terraform: all are accepted, and each is worked on once, by few workers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.model.operation import Operation, Owner, State, succeeded
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.requests import Desk
from engine.service.local_worker import Shift
from engine.service.worker import Worker
from tests.functional.service.gateway import Gateway

PROJECTS, WORKERS = 24, 4


class Work:
    """A worker's part that claims, counts and ends; never more than `most` at a time, as it was seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work = 0
        self.most = 0
        self.done: list[str] = []

    def __call__(self, engine: Engine, project: str, operation_id: str, **more: Any) -> Operation:
        owner: Owner = more["owner"]
        lease, operation = engine.operations.claim(
            project, operation_id, owner, now=engine.now(), ttl=engine.lease_ttl
        )
        with self._lock:
            self._at_work += 1
            self.most = max(self.most, self._at_work)
        ended = succeeded(operation, engine.now())
        engine.operations.finish(lease, ended)
        with self._lock:
            self._at_work -= 1
            self.done.append(project)
        return ended


def test_many_at_once_are_accepted_before_anybody_works(gateway: Gateway, desk: Desk, tmp_path: Path) -> None:
    # WHEN many projects are asked for at once, and no worker is there
    names = [f"lab-{number % 7}/proj-{number}" for number in range(PROJECTS)]

    def ask(name: str) -> tuple[int, str]:
        answer = gateway("PUT", f"/v1/projects/{name}", body={"storage": {"kind": "efs"}})
        return answer.status, answer.body["operation"]["state"]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, names))
    # THEN every one is accepted
    assert set(answers) == {(202, "QUEUED")}

    # WHEN a few workers come
    engine = open_engine(desk.place.settings, base=tmp_path, environ={}, reporter=Silent())
    work = Work()
    shifts = [Shift(desk.queue, Worker(engine, carry_out=work)) for _ in range(WORKERS)]
    threads = [threading.Thread(target=shift.run, daemon=True) for shift in shifts]
    for thread in threads:
        thread.start()
    while desk.store.unfinished():
        time.sleep(0.2)
    for shift in shifts:
        shift.end()
    for thread in threads:
        thread.join()
    # THEN each project was worked on once, and as many at a time as there are workers
    assert sorted(work.done) == sorted(names) and 1 < work.most <= WORKERS
    assert {desk.store.list(name).operations[0].state for name in names} == {State.SUCCEEDED}
    assert desk.queue.receive() is None
