"""What a dead run made is taken in before a project is given back, and nothing is deleted for that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.existing.search import OrphanConflict
from engine.operations import recovery
from engine.operations.reporting import Silent
from tests.golden.project_specs import spec_of
from tests.unit.operations.stacks import NAMES
from tests.unit.review.plans import entry, plan_of

BUCKET, SUBNET = "module.bucket.aws_s3_bucket.this", "module.subnet[0].aws_subnet.this"


@pytest.fixture
def take_in(tmp_path: Path, mocker: Any) -> Any:
    """`take_in(action…)` takes in the bucket, which was found, where Terraform would do so to the subnet as
    well; `applied` holds the plans that were applied."""
    plan: dict[str, Any] = {}
    applied: list[Path] = []
    runner = SimpleNamespace(
        workdir=tmp_path,
        init=lambda: None,
        plan=lambda *_, **__: None,
        show_plan=lambda _: plan,
        apply=applied.append,
    )
    engine: Any = SimpleNamespace(
        names_of=lambda _: NAMES, runner=lambda _: runner, reporter=Silent(), check=lambda: None
    )
    sweep = SimpleNamespace(imports={BUCKET: NAMES.bucket}, replace=[], finds=lambda _: True)
    mocker.patch.object(recovery, "write_project", return_value=tmp_path)
    mocker.patch.object(recovery.states, "push_errored")
    mocker.patch.object(recovery.repair, "untaint_healthy")
    mocker.patch.object(recovery.adopt, "Sweep", return_value=sweep)

    def call(*actions: str) -> tuple[str, ...]:
        plan.update(
            plan_of(
                entry(BUCKET, "no-op", before={}, after={}, importing={"id": NAMES.bucket}),
                entry(SUBNET, *actions, before={}, after={}),
            )
        )
        return recovery.take_in(engine, spec_of(), always=True)

    call.applied = applied  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize("action", ["no-op", "update", "create"])
def test_what_was_found_is_taken_in(take_in: Any, action: str) -> None:
    assert take_in(action) == (BUCKET,)
    assert len(take_in.applied) == 1


@pytest.mark.parametrize("actions", [("delete",), ("delete", "create")], ids=["delete", "replace"])
def test_nothing_is_deleted_to_take_something_in(take_in: Any, actions: tuple[str, ...]) -> None:
    with pytest.raises(OrphanConflict, match="taking it in would") as refused:
        take_in(*actions)
    assert refused.value.details["addresses"] == [SUBNET]
    assert take_in.applied == []
