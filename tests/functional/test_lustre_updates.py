"""A change of Lustre's size that outlives its run: waited for, asked for once, never in a release's way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TerraformError
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.model.spec import ProjectSpec, load_spec
from engine.operations.engine import Engine, open_engine
from engine.operations.plan_all import of_registry, plan_all
from engine.operations.planning import Purpose
from engine.operations.provision import plan, provision
from engine.operations.release import release
from engine.operations.reporting import Silent
from engine.operations.saved_plans import plan_and_save
from engine.terraform.failures import LustreBusy
from tests.functional.conftest import LeapingClock, interrupted_after

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

HOUR_S = 3600.0


@pytest.fixture
def engine(cloud: LocalCloud, backend, terraform: str, tmp_path: Path) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "terraform": terraform, "home": str(tmp_path / "home")}
    settings = load_settings(environ={}, flags=flags).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Passing(cloud))


class Passing(Silent):
    """An hour goes by whenever the engine waits for AWS."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, text: str, phase: str = "") -> None:
        if phase == "WAITING":
            self._cloud.advance(HOUR_S)


def spec_of(capacity_gib: int) -> ProjectSpec:
    spec = {
        "vlab_id": "lab-1",
        "project_id": "proj-1",
        "storage": {"kind": "lustre", "capacity_gib": capacity_gib},
    }
    return load_spec(json.dumps(spec), source="test")


def applied(engine: Engine, capacity_gib: int) -> None:
    provision(engine, spec_of(capacity_gib), approve=lambda review: None)


def notes(engine: Engine) -> list[str]:
    assert isinstance(engine.reporter, Passing)
    return engine.reporter.notes


def stopped_while_it_grows(cloud: LocalCloud, engine: Engine, capacity_gib: int) -> None:
    """Stop an apply when FSx has taken the change and the provider waits for it."""
    with interrupted_after(cloud, "UpdateFileSystem", engine.interrupt):
        applied(engine, capacity_gib)


def systems(engine: Engine) -> list[tuple[Any, Any]]:
    """Lifecycle and size of each file system."""
    found = engine.cloud.fsx.describe_file_systems()["FileSystems"]
    return [(one["Lifecycle"], one["StorageCapacity"]) for one in found]


@pytest.mark.parametrize("cloud", [{"clock": LeapingClock()}], indirect=True, ids=["leaping"])
def test_a_change_of_lustre_that_outlives_its_run(cloud: LocalCloud, engine: Engine) -> None:
    # GIVEN an apply that is stopped while FSx enlarges the file system, which takes an hour
    applied(engine, 1200)
    cloud.set_durations(fsx_update_s=HOUR_S, fsx_optimize_s=10 * HOUR_S)
    stopped_while_it_grows(cloud, engine, 4800)
    assert systems(engine) == [("UPDATING", 1200)]

    # WHEN plans are looked at THEN that is not waited for but told, and none is saved that FSx would refuse
    assert plan(engine, spec_of(4800), Purpose.LOOK).has_changes
    assert [one.failure for one in plan_all(engine, of_registry(engine))] == [None]
    with pytest.raises(LustreBusy, match="still carrying out a change of fs-") as busy:
        plan_and_save(engine, spec_of(4800))
    assert busy.value.retryable
    assert systems(engine) == [("UPDATING", 1200)]
    assert any("this plan may show it again" in note for note in notes(engine))

    # WHEN it is applied again THEN that is waited for, and FSx is not asked twice
    applied(engine, 4800)
    assert systems(engine) == [("AVAILABLE", 4800)]
    assert cloud.calls()["fsx:UpdateFileSystem"] == 1

    # WHEN it is to grow again while FSx optimizes THEN the error says when it can, and nothing is changed
    with pytest.raises(TerraformError, match="refuses this change of the Lustre file system") as refused:
        applied(engine, 7200)
    assert "six hours" in (refused.value.hint or "")
    assert not refused.value.retryable
    assert systems(engine) == [("AVAILABLE", 4800)]

    # WHEN it is released while FSx is at the next change THEN the files are exported when that is done
    cloud.advance(10 * HOUR_S)
    stopped_while_it_grows(cloud, engine, 7200)
    assert systems(engine) == [("UPDATING", 4800)]
    done = release(engine, "lab-1", "proj-1", approve=lambda review: None)
    assert done.export.task_id
    assert systems(engine) == []
