"""`drift --all`: many projects by one command, without Terraform; what it finds of one is test_drift.py's."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws.registry import Phase
from engine.aws.session import Cloud
from engine.errors import Unreachable
from engine.model.spec import load_spec
from engine.operations import drift, records
from engine.operations.engine import Engine
from tests.functional.conftest import Provisioner


def test_one_that_cannot_be_looked_at_hides_no_other(
    engine: Engine, backend: Cloud, provisioner: Provisioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two projects that stand, of one of which AWS tells nothing
    for project in ("proj-1", "proj-2"):
        document = f'{{"vlab_id": "lab-1", "project_id": "{project}", "storage": {{"kind": "efs"}}}}'
        record = records.note_planned(engine, load_spec(document, source="test"))
        engine.registry.replace(record, now=engine.now(), phase=Phase.READY)
    looked: list[str] = []

    def refreshed(_: Engine, names: Any, *__: Any) -> Any:
        looked.append(names.project)
        if names.project == "lab-1/proj-1":
            raise Unreachable("EC2 does not answer.", hint="")
        return (), ()

    monkeypatch.setattr(drift, "_refreshed", refreshed)
    monkeypatch.setattr(drift, "_of_cluster", lambda *_: ())
    monkeypatch.setattr(drift, "made_nothing", lambda *_: False)
    monkeypatch.setenv("PROVISIONER_PARALLEL_PROJECTS", "2")

    # WHEN all are looked at THEN the other is told too, and the exit code says that one is missing
    ended = provisioner("drift", "--all", "--json")

    assert ended.code == 1, ended.err
    assert sorted(looked) == ["lab-1/proj-1", "lab-1/proj-2"]
    found = {one["project"]: one for one in ended.json["projects"]}
    assert {project: one["standing"] for project, one in found.items()} == {
        "lab-1/proj-1": "failed",
        "lab-1/proj-2": "clean",
    }
    assert "EC2 does not answer" in found["lab-1/proj-1"]["because"]
