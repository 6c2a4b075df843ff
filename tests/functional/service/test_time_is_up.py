"""A command with --within puts its work down when its time is up, and the same command goes on with it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.registry import Phase
from engine.model.operation import State
from engine.operations import provision as provisioning
from engine.operations import records
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.requests import Desk
from tests.functional.conftest import Provisioner

PROJECT = "lab/proj"
SPEC = '{"vlab_id": "lab", "project_id": "proj", "storage": {"kind": "efs"}}'


def test_a_command_whose_time_is_up_goes_on_when_it_is_given_again(
    desk: Desk, provisioner: Provisioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a project that has nothing to plan, whose cluster takes a minute the first time
    worked: list[str] = []

    def plan(engine: Engine, spec: Any) -> Any:
        records.note_planned(engine, spec)
        names = engine.names_of(spec)
        return SimpleNamespace(spec=spec, names=names, review=SimpleNamespace(changes=()), has_changes=False)

    def make(engine: Engine, *_: Any) -> Any:
        assert engine.duty is not None
        worked.append(engine.duty.operation.id)
        if len(worked) == 1:
            engine.pause(60)
        return SimpleNamespace(cluster_name="c", head_node_private_ip="10.0.0.1")

    monkeypatch.setattr(provisioning, "plan", plan)
    monkeypatch.setattr(provisioning, "_make", make)
    for name in ("refuse_data_loss", "refuse_broken_rules", "_refuse_cluster_update", "keep_review"):
        monkeypatch.setattr(provisioning, name, lambda *_, **__: None)
    spec = tmp_path / "spec.json"
    spec.write_text(SPEC)

    # WHEN it has two seconds THEN the work is put down, by an exit code of its own
    provisioner("apply", spec, "--yes", "--within", "2").refused(
        9, "OUT_OF_TIME", "Run the same command again"
    )
    engine = open_engine(desk.place.settings, base=tmp_path, environ=os.environ, reporter=Silent())
    left = engine.operations.active(PROJECT)
    assert left is not None and left.state is State.CONTINUES
    assert records.record_of(engine, "lab", "proj").phase is Phase.APPLYING

    # WHEN the same command is given again THEN it goes on with the same operation
    provisioner("apply", spec, "--yes", "--within", "60").ok()
    assert worked == [left.id, left.id]
    ended = engine.operations.get(PROJECT, left.id)
    assert ended is not None and ended.state is State.SUCCEEDED
    assert records.record_of(engine, "lab", "proj").phase is Phase.READY
