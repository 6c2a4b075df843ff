"""Many projects at once: `make test-load`. LOAD_PROJECTS and LOAD_WORKERS say how many.

As `provisioner serve` has it, on a local cloud in a process of its own. What is checked is the order of
things: whatever is asked for is accepted before any worker has touched it, and then all of it is made, by no
more workers than there are. Of the times one is checked, in the middle: nobody waits a second to be accepted.
The rest is told, since machines differ.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local import control
from tests.functional.conftest import QUICK, make_backend, terraform
from tests.functional.service.serving import Served, serving

__all__ = ["make_backend", "terraform"]

PROJECTS = int(os.environ.get("LOAD_PROJECTS") or 200)
WORKERS = int(os.environ.get("LOAD_WORKERS") or 4)
# All of them are asked for within so many seconds.
WITHIN_S = 10.0
# In the middle, where the machine has nothing else to do.
ACCEPTED_S = 1.0
# 192 subnets of the usual size fit into the usual ranges (docs/service.md): a quarter of it holds them all.
SETTINGS = {"address_prefix_length": "26"}
# A project costs about 15 s of one processor; machines are shared.
LIMIT_S = 300 + 90 * PROJECTS

pytestmark = [pytest.mark.load, pytest.mark.terraform, pytest.mark.timeout(LIMIT_S)]


@dataclass(frozen=True)
class Accepted:
    """An answer to PUT, and how long it took."""

    project: str
    status: int
    body: Any
    seconds: float


@pytest.fixture
def service(make_backend: Any, terraform: str, tmp_path: Path) -> Iterator[Served]:
    home = tmp_path / "home"
    running = control.up(home, durations=QUICK).record
    assert running
    try:
        make_backend(Cloud(region=running.region, endpoint_url=running.endpoint, local=True))
        with serving(
            running.endpoint, terraform, tmp_path, workers=WORKERS, niceness=10, settings=SETTINGS
        ) as service:
            yield service
    finally:
        control.down(home)


def test_all_are_accepted_at_once_and_made_in_time(service: Served) -> None:
    # WHEN so many projects are asked for in ten seconds
    began = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        accepted = list(pool.map(lambda number: ask(service, began, number), range(PROJECTS)))
    asked_s = time.monotonic() - began

    # THEN every one is accepted, and before any worker has touched it
    assert {one.status for one in accepted} == {202}, [one.body for one in accepted if one.status != 202][:3]
    operations = {one.project: one.body["operation"] for one in accepted}
    assert {(one["state"], one["slices"]) for one in operations.values()} == {("QUEUED", 0)}
    ended_meanwhile = len(finished(service))
    seconds = sorted(one.seconds for one in accepted)
    tell(
        "accepted",
        projects=PROJECTS,
        within_s=round(asked_s, 1),
        ended_meanwhile=ended_meanwhile,
        **spread(seconds),
    )
    assert statistics.median(seconds) < ACCEPTED_S

    # AND all of them come up, each once, in a subnet of its own
    while len(finished(service)) < PROJECTS:
        assert service.process.poll() is None, "the service has ended"
        # Each look lists every stack of the account.
        time.sleep(2 + PROJECTS / 20)
    tell("made", projects=PROJECTS, workers=WORKERS, after_s=round(time.monotonic() - began))
    listed = every_project(service)
    assert [one for one in listed if one["phase"] != "READY"] == []
    assert len(listed) == len({one["cluster"] for one in listed}) == PROJECTS
    shown = [get(service, f"/v1/projects/{name}")["project"] for name in operations]
    assert len({one["address_block"] for one in shown}) == PROJECTS
    assert {one["operation"]["id"] for one in shown} == {one["id"] for one in operations.values()}

    # AND never more at a time than there are workers
    spans = [span(service, one["operation"]) for one in shown]
    most = max(sum(begun <= at < ended for begun, ended in spans) for at, _ in spans)
    waited = sorted(
        (begun - moment(one["operation"]["created_at"])).total_seconds()
        for (begun, _), one in zip(spans, shown, strict=True)
    )
    took = sorted((ended - begun).total_seconds() for begun, ended in spans)
    tell("worked", at_once=most, waited=spread(waited), took=spread(took))
    assert most <= WORKERS


def ask(service: Served, began: float, number: int) -> Accepted:
    """Ask for a project at its moment within the ten seconds."""
    time.sleep(max(0.0, began + number * WITHIN_S / PROJECTS - time.monotonic()))
    project = f"lab-{number % 7}/proj-{number}"
    asked = time.monotonic()
    status, body = service.ask("PUT", f"/v1/projects/{project}", {"storage": {"kind": "efs"}})
    return Accepted(project, status, body, time.monotonic() - asked)


def get(service: Served, path: str) -> Any:
    status, body = service.ask("GET", path)
    assert status == 200, body
    return body


def every_project(service: Served) -> list[dict[str, Any]]:
    found, query = [], "limit=100"
    while query:
        page = get(service, f"/v1/projects?{query}")
        found += page["projects"]
        query = f"limit=100&next={page['next']}" if page["next"] else ""
    return found


def finished(service: Served) -> list[str]:
    """Projects whose operation has ended, one way or the other."""
    return [one["project_id"] for one in every_project(service) if one["phase"] in ("READY", "FAILED")]


def span(service: Served, operation: dict[str, Any]) -> tuple[datetime, datetime]:
    """From the first thing that a worker told of an operation to its end."""
    path = f"/v1/projects/{operation['vlab_id']}/{operation['project_id']}/operations/{operation['id']}"
    (first,) = get(service, f"{path}/events?limit=1")["events"]
    return moment(first["at"]), moment(operation["finished_at"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and most of sorted seconds."""
    return {
        "median_s": round(statistics.median(values), 3),
        "p99_s": round(values[min(len(values) - 1, int(len(values) * 0.99))], 3),
        "max_s": round(values[-1], 3),
    }


def tell(what: str, **figures: Any) -> None:
    print(f"{what}: {json.dumps(figures)}")
