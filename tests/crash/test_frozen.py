"""A worker that is frozen past its lease and woken again changes nothing: another has taken over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from engine.local.calls import Request
from engine.model.operation import Operation, State
from tests.crash.conftest import Play
from tests.crash.killing import arrives, ended, freeze_tree, wake
from tests.crash.once import Goal, wrong
from tests.crash.one_run import LOST
from tests.crash.stage import PROJECT, Prepared, Site

pytestmark = [pytest.mark.crash, pytest.mark.terraform, pytest.mark.timeout(1200)]

LEASE_S = 6


@dataclass(frozen=True)
class Frozen:
    """The worker, its Terraform and the provider stop when a call arrives.

    locked   whether Terraform holds the state's lock then
    """

    service: str
    operation: str
    locked: bool

    def __call__(self, site: Site) -> None:
        site.cloud.set_durations(cluster_create_s=45)
        store, operation = site.operations, site.ask_to_provision()

        # GIVEN a worker that is frozen in the middle of its work
        frozen, held = self._until_it_stands_still(site, operation)
        token = store.standing(PROJECT).token

        # WHEN its lease has run out and another one, on another machine, takes over
        second = site.engine.elsewhere()
        while store.standing(PROJECT).held(datetime.now(UTC)):
            time.sleep(0.2)
        if self.locked:
            # The lock is of somebody who lives: the second one says so and waits for its next turn.
            assert "CONTINUES" in ended(second.work(operation)).output
            texts = [event.text for event in store.events(operation.id)]
            assert any("holds its state lock" in text for text in texts), texts
        else:
            assert "SUCCEEDED" in ended(second.work(operation)).output, store.events(operation.id)
        assert store.standing(PROJECT).token > token
        before = _changes(site)
        told = store.events(operation.id, limit=1000)

        # THEN the first one, woken, finds that it has lost the lease, and writes nothing more
        wake(held)
        assert ended(frozen).code == LOST
        assert _changes(site) == before
        assert store.events(operation.id, limit=1000) == told

        # AND whoever has it now comes to the end
        if self.locked:
            assert "SUCCEEDED" in ended(second.work(operation)).output, store.events(operation.id)
        assert store.require(PROJECT, operation.id).state is State.SUCCEEDED
        assert wrong(site, Goal.RUNNING, Prepared.NOTHING) == []

    def _until_it_stands_still(self, site: Site, operation: Operation) -> tuple[Any, list[int]]:
        worker = site.engine.work(operation, "--lease", str(LEASE_S))
        point, met = arrives(self.service, self.operation), Event()
        held: list[int] = []

        def hear(request: Request) -> None:
            if not met.is_set() and point(request):
                held.extend(freeze_tree(worker.pid))
                met.set()

        with site.cloud.heard(hear):
            assert met.wait(120), "it never came so far"
        return worker, held


def _changes(site: Site) -> dict[str, int]:
    """Calls that changed anything but the state, its lock and the registry."""
    return {
        name: count
        for name, count in site.cloud.calls().items()
        if not name.startswith(("dynamodb:", "s3:PutObject"))
    }


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Frozen("ec2", "CreateKeyPair", locked=False), id="between-two-steps"),
        pytest.param(Frozen("cloudformation", "CreateStack", locked=True), id="while-terraform-applies"),
    ],
)
def test_a_frozen_worker_changes_nothing(case: Frozen, play: Play) -> None:
    play("efs", Prepared.NOTHING, case)
