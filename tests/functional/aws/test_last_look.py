"""Drift by the clock goes on where the last run stopped, whatever happened in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.last_look import read_last_look, write_last_look
from engine.aws.session import Cloud
from engine.errors import EngineError, ItemUnreadable, NotBootstrapped, UnknownProject
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.operations import records, watch
from engine.operations.engine import Engine
from engine.operations.reporting import Silent
from engine.review.drift import DriftReport, ProjectDrift, Standing
from tests.functional.aws.conftest import ACCOUNT, REGION
from tests.functional.conftest import make_table

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TABLE = "provisioner-registry"
A_RUN = 10
Run = Callable[..., list[str]]


@pytest.fixture
def engine(cloud: Cloud, tmp_path: Path) -> Engine:
    make_table(cloud, TABLE, "pk", "sk")
    return Engine(
        settings=Settings(cloud="aws", account_id=ACCOUNT, region=REGION),
        cloud=cloud,
        now=lambda: NOW,
        environ={},
        home=tmp_path,
        workspaces=tmp_path,
        reporter=Silent(),
    )


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """One run, which has time for ten looks; gives the projects that it looked at."""
    told: list[EngineError] = []

    def once(
        *, looks: int = A_RUN, gone: str = "", unkept: Callable[[EngineError], None] = told.append
    ) -> Any:
        looked: list[str] = []

        def look(_: Engine, projects: Any) -> DriftReport:
            project = "/".join(*projects)
            looked.append(project)
            if project == gone:
                raise UnknownProject("There is none.", hint="")
            return DriftReport(NOW, ACCOUNT, REGION, (ProjectDrift(project, Standing.CLEAN),))

        # Each look takes a second.
        seconds = iter(range(1_000))
        with monkeypatch.context() as patch:
            patch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
            patch.setattr(watch, "_A_LOOK_S", 1)
            seen = list(watch.watch(engine, deadline=looks, look=look, unkept=unkept))
        assert [one.project for one in seen] == [one for one in looked if one != gone]
        return looked

    yield once
    assert not told


def projects(engine: Engine, *numbers: int) -> list[str]:
    specs = [ProjectSpec(vlab_id="lab", project_id=f"p{number:02}") for number in numbers]
    return [records.note_planned(engine, spec).project for spec in specs]


def test_three_runs_see_thirty_projects_once_each(engine: Engine, run: Run) -> None:
    everyone = projects(engine, *range(30))
    seen = [run() for _ in range(3)]
    assert [len(one) for one in seen] == [10, 10, 10]
    assert sorted(one for looked in seen for one in looked) == everyone
    # AND the fourth begins anew
    assert run() == seen[0]


def test_a_run_with_time_left_looks_at_each_once(engine: Engine, run: Run) -> None:
    everyone = projects(engine, 0, 1, 2)
    assert run(looks=2) == everyone[:2]
    assert run(looks=50) == [everyone[2], *everyone[:2]]


def test_what_comes_and_goes_meanwhile_moves_nothing(engine: Engine, run: Run) -> None:
    everyone = projects(engine, *range(0, 30, 2))
    assert run() == everyone[:10]
    # WHEN the last one that was seen goes, and others come on both sides of it
    last = engine.registry.get(*everyone[9].split("/"))
    assert last is not None
    engine.registry.remove(last)
    projects(engine, 1, 19)
    assert run() == ["lab/p19", *everyone[10:], "lab/p00", "lab/p01", "lab/p02", "lab/p04"]


def test_one_that_is_removed_during_the_run_ends_nothing(engine: Engine, run: Run) -> None:
    everyone = projects(engine, 0, 1, 2)
    assert run(gone=everyone[1]) == everyone


def test_one_that_ends_the_process_is_not_the_first_again(engine: Engine) -> None:
    everyone = projects(engine, 0, 1, 2)

    def look(*_: Any) -> DriftReport:
        raise MemoryError

    with pytest.raises(MemoryError):
        list(watch.watch(engine, deadline=time.monotonic() + 900, look=look, unkept=lambda _: None))
    assert read_last_look(engine.cloud, TABLE) == everyone[0]


@pytest.mark.parametrize("broken", ["read_last_look", "write_last_look"])
def test_a_place_that_cannot_be_kept_is_told_once_and_stops_no_look(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    everyone = projects(engine, *range(5))

    def refuse(*_: Any) -> str:
        raise NotBootstrapped("no", hint="")

    told: list[EngineError] = []
    with monkeypatch.context() as patch:
        patch.setattr(watch, broken, refuse)
        seen = sorted(run(unkept=told.append))
    assert seen == everyone
    assert [type(error) for error in told] == [NotBootstrapped]


def test_a_place_of_another_make_is_unreadable(engine: Engine) -> None:
    assert not read_last_look(engine.cloud, TABLE)
    write_last_look(engine.cloud, TABLE, "lab/p00")
    assert read_last_look(engine.cloud, TABLE) == "lab/p00"
    engine.cloud.dynamodb.put_item(
        TableName=TABLE, Item={"pk": {"S": "DRIFT"}, "sk": {"S": "LAST"}, "project": {"N": "1"}}
    )
    with pytest.raises(ItemUnreadable):
        read_last_look(engine.cloud, TABLE)


def test_no_listing_takes_the_place_for_a_project(engine: Engine) -> None:
    everyone = projects(engine, 0, 1)
    write_last_look(engine.cloud, TABLE, everyone[0])
    assert [one.project for one in engine.registry.list()] == everyone
