"""What a dead run made is taken in before a project is given back, and nothing is deleted for that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.existing.search import OrphanConflict
from engine.model.settings import Settings
from engine.operations import recovery
from engine.operations.reporting import Silent
from tests.golden.project_specs import spec_of
from tests.unit.operations.stacks import NAMES
from tests.unit.review.plans import entry, plan_of

BUCKET, SUBNET = "module.bucket.aws_s3_bucket.this", "module.subnet[0].aws_subnet.this"
STACK = "module.parallelcluster[0].aws_cloudformation_stack.this"


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
        names_of=lambda _: NAMES,
        runner=lambda _: runner,
        reporter=Silent(),
        check=lambda: None,
        settings=Settings(),
    )
    sweep = SimpleNamespace(imports={BUCKET: NAMES.bucket}, replace=[], finds=lambda _: True)
    mocker.patch.object(recovery, "write_project", return_value=tmp_path)
    mocker.patch.object(recovery.states, "push_errored")
    mocker.patch.object(recovery, "read_state", return_value={})
    mocker.patch.object(recovery.lustre, "await_update")
    mocker.patch.object(recovery.repair, "untaint_healthy")
    mocker.patch.object(recovery.adopt, "Sweep", return_value=sweep)

    def call(*actions: str, address: str = SUBNET) -> tuple[str, ...]:
        plan.update(
            plan_of(
                entry(BUCKET, "no-op", before={}, after={}, importing={"id": NAMES.bucket}),
                entry(address, *actions, before={}, after={}),
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


def test_a_cluster_is_not_changed_to_take_something_in(take_in: Any) -> None:
    """Nobody has reviewed that, and another release of ParallelCluster would be another provider."""
    with pytest.raises(OrphanConflict, match=r"would update module\.parallelcluster"):
        take_in("update", address=STACK)
    assert take_in.applied == []
