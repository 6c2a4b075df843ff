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
RECORDS = "module.job_records.aws_cloudwatch_log_group.this"
BUCKETS = {BUCKET: NAMES.bucket}


@pytest.fixture
def take_in(tmp_path: Path, mocker: Any) -> Any:
    """`take_in(action…)` takes in the bucket, which was found, where Terraform would do so to the subnet as
    well, or to what was `found` with it. `applied` holds the addresses of each plan that was applied, and
    `taken_over` what was imported without one."""
    entries: list[dict[str, Any]] = []
    shown: dict[str, Any] = {}
    applied: list[list[str]] = []
    taken_over: list[tuple[str, str]] = []

    def plan(*_: Any, targets: Any = ()) -> None:
        found = [one for one in entries if one["address"] in targets or one["address"] not in sweep.imports]
        shown.update(plan_of(*found))

    runner = SimpleNamespace(
        workdir=tmp_path,
        init=lambda: None,
        plan=plan,
        show_plan=lambda _: shown,
        apply=lambda _: applied.append([one["address"] for one in shown["resource_changes"]]),
        take_over=lambda *one: taken_over.append(one),
    )
    engine: Any = SimpleNamespace(
        names_of=lambda _: NAMES,
        runner=lambda _: runner,
        reporter=Silent(),
        check=lambda: None,
        settings=Settings(),
    )
    sweep = SimpleNamespace(imports={}, replace=[], finds=lambda _: True)
    mocker.patch.object(recovery, "write_project", return_value=tmp_path)
    mocker.patch.object(recovery.states, "push_errored")
    mocker.patch.object(recovery, "read_state", return_value={})
    mocker.patch.object(recovery.lustre, "await_update")
    mocker.patch.object(recovery.repair, "untaint_healthy")
    mocker.patch.object(recovery.adopt, "Sweep", return_value=sweep)

    def call(
        *actions: str,
        address: str = SUBNET,
        found: dict[str, str] = BUCKETS,
        young: bool = False,
        **sides: Any,
    ) -> tuple[str, ...]:
        sweep.imports = dict(found)
        mocker.patch.object(recovery.adopt, "young_records", return_value={address} if young else frozenset())
        bucket = entry(BUCKET, "no-op", before={}, after={}, importing={"id": NAMES.bucket})
        change = entry(address, *actions, **{"before": {}, "after": {}, **sides})
        entries[:] = [bucket] * (BUCKET in found) + [change]
        return recovery.take_in(engine, spec_of(), always=True)

    call.applied = applied  # type: ignore[attr-defined]
    call.taken_over = taken_over  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("actions", [("update",), ("delete", "create")], ids=["update", "replace"])
def test_a_cluster_is_taken_in_as_it_is(take_in: Any, actions: tuple[str, ...]) -> None:
    """Nobody has reviewed a change of it, and it can be given back only when the state has it."""
    cluster = {STACK: NAMES.stack}
    # GIVEN a cluster that the plan would change, with something else THEN only that is applied
    assert take_in(*actions, address=STACK, found=BUCKETS | cluster) == (BUCKET, STACK)
    assert take_in.applied == [[BUCKET]]
    assert take_in.taken_over == [(STACK, NAMES.stack)]
    # GIVEN such a cluster alone THEN nothing is applied: a plan without a target would be of all
    assert take_in(*actions, address=STACK, found=cluster) == (STACK,)
    assert take_in.applied == [[BUCKET]]
    assert take_in.taken_over == [(STACK, NAMES.stack)] * 2


def test_records_are_taken_in_with_the_days_that_they_have(take_in: Any) -> None:
    """That they are to be kept for fewer is for the next plan to say, which a person reviews."""
    found = BUCKETS | {RECORDS: NAMES.job_log_group}
    sides = {"before": {"retention_in_days": 0}, "after": {"retention_in_days": 30}}
    assert take_in("update", address=RECORDS, found=found, **sides) == (BUCKET, RECORDS)
    assert (take_in.applied, take_in.taken_over) == ([[BUCKET]], [(RECORDS, NAMES.job_log_group)])
    # BUT what a kill left without its days gets them
    take_in("update", address=RECORDS, found=found, young=True, **sides)
    assert take_in.applied[1:] == [[BUCKET, RECORDS]]
