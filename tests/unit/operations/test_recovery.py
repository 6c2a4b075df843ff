"""What a dead run made is taken in before a project is given back, and nothing is deleted for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.existing.search import OrphanConflict
from engine.model.settings import Settings
from engine.operations import recovery
from engine.operations.reporting import Silent
from engine.workspace.imports import IMPORTS_FILE
from engine.workspace.resources import (
    ACCOUNTING_SECRET,
    ACCOUNTING_USER,
    BUCKET,
    CLUSTER_STACK,
    HOME,
    JOB_RECORDS,
)
from tests.golden.project_specs import spec_of
from tests.unit.operations.stacks import NAMES
from tests.unit.review.plans import entry, plan_of

SUBNET = "module.subnet[0].aws_subnet.this"
NODE_JSON = "module.node_scripts[0].aws_s3_object.config"
BUCKETS = {BUCKET: NAMES.bucket}
SECRETS = {ACCOUNTING_SECRET: "arn"}
CLUSTERS = {CLUSTER_STACK: NAMES.stack}
RECORDS = {JOB_RECORDS: NAMES.job_log_group}
# What Terraform plans along with each, as the workspace has it.
NEEDS = {
    CLUSTER_STACK: (NODE_JSON, ACCOUNTING_USER, HOME),
    NODE_JSON: (BUCKET, JOB_RECORDS),
    ACCOUNTING_USER: (ACCOUNTING_SECRET,),
}


@pytest.fixture
def take_in(tmp_path: Path, mocker: Any) -> Any:
    """`take_in(action…)` takes in what was `found`, by default the bucket, where that is planned with these
    actions for an address, by default of the subnet, which the bucket is said to need. `applied` holds the
    addresses of each plan that was applied, and `taken_over` what was imported without one."""
    entries: dict[str, dict[str, Any]] = {}
    along: dict[str, tuple[str, ...]] = {}
    shown: dict[str, Any] = {}
    applied: list[list[str]] = []
    taken_over: list[tuple[str, str]] = []

    def planned(address: str, blocks: set[str]) -> dict[str, Any]:
        found = address in sweep.imports
        if found and address not in blocks:
            return entry(address, "create", before=None, after={})
        if address in entries:
            return entries[address]
        importing = {"id": sweep.imports[address]} if found else None
        sides = {"before": {}, "after": {}, "importing": importing}
        return entry(address, "no-op", **sides) if found else entry(address, "create", before=None, after={})

    def plan(*_: Any, targets: Any = ()) -> None:
        if not targets:
            return
        blocks = {one["to"] for one in json.loads((tmp_path / IMPORTS_FILE).read_text("utf-8"))["import"]}
        reached, left = set[str](), list(targets)
        while left:
            reached.add(address := left.pop())
            left += set(along.get(address, ())) - reached
        shown.update(plan_of(*(planned(address, blocks) for address in sorted(reached))))

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
        cloud=None,
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
        failed: bool = False,
        needs: Mapping[str, tuple[str, ...]] | None = None,
        **sides: Any,
    ) -> tuple[str, ...]:
        sweep.imports = dict(found)
        mocker.patch.object(recovery.adopt, "young_records", return_value={address} if young else frozenset())
        sweep.replace = [CLUSTER_STACK] if failed else []
        along.clear()
        along.update(NEEDS | (needs or ({BUCKET: (SUBNET,)} if address == SUBNET else {})))
        entries.clear()
        if actions:
            entries[address] = entry(address, *actions, **{"before": {}, "after": {}, **sides})
        return recovery.take_in(engine, spec_of(), always=True)

    call.applied, call.taken_over = applied, taken_over  # type: ignore[attr-defined]
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


@pytest.mark.parametrize(
    "actions", [(), ("update",), ("delete", "create")], ids=["fits", "update", "replace"]
)
def test_a_cluster_is_taken_in_as_it_is(take_in: Any, actions: tuple[str, ...]) -> None:
    """Nobody has reviewed a change of it, and it can be given back only when the state has it."""
    # GIVEN a cluster with all that it needs
    found = BUCKETS | SECRETS | CLUSTERS
    # THEN nothing is made for it but what a release gives back, not even the home that it had
    assert take_in(*actions, address=CLUSTER_STACK, found=found) == tuple(sorted(found))
    assert take_in.applied == [[ACCOUNTING_USER, ACCOUNTING_SECRET, BUCKET]]
    assert take_in.taken_over == [(CLUSTER_STACK, NAMES.stack)]
    # GIVEN such a cluster alone THEN nothing is applied: a plan without a target would be of all, and with
    # another secret the cluster's password would be another
    assert take_in(*actions, address=CLUSTER_STACK, found=CLUSTERS) == (CLUSTER_STACK,)
    assert len(take_in.applied) == 1
    assert take_in.taken_over == [(CLUSTER_STACK, NAMES.stack)] * 2


def test_records_are_taken_in_with_the_days_that_they_have(take_in: Any) -> None:
    """That they are to be kept for fewer is for the next plan to say, which a person reviews."""
    sides = {"before": {"retention_in_days": 0}, "after": {"retention_in_days": 30}}

    def take(found: dict[str, str], *, young: bool = False) -> None:
        take_in.applied.clear()
        take_in.taken_over.clear()
        take_in("update", address=JOB_RECORDS, found=found, young=young, **sides)

    take(BUCKETS | RECORDS)
    assert (take_in.applied, take_in.taken_over) == ([[BUCKET]], [(JOB_RECORDS, NAMES.job_log_group)])
    # AND so with a cluster, whose node configuration names them: nothing that needs them is planned
    take(BUCKETS | RECORDS | CLUSTERS)
    assert take_in.applied == [[BUCKET]]
    assert take_in.taken_over == [(JOB_RECORDS, NAMES.job_log_group), (CLUSTER_STACK, NAMES.stack)]
    # BUT what a kill left without its days gets them
    take(BUCKETS | RECORDS, young=True)
    assert take_in.applied == [[BUCKET, JOB_RECORDS]]


@pytest.mark.parametrize("found", [BUCKETS | RECORDS, BUCKETS], ids=["found", "in the state"])
def test_what_needs_such_records_changes_nothing_of_them(take_in: Any, found: dict[str, str]) -> None:
    """Without its import block Terraform would make what is there; from the state it would update it."""
    sides = {"before": {"retention_in_days": 0}, "after": {"retention_in_days": 30}}
    with pytest.raises(OrphanConflict, match=f"would (create|update) {JOB_RECORDS}") as refused:
        take_in("update", address=JOB_RECORDS, found=found, needs={BUCKET: (JOB_RECORDS,)}, **sides)
    assert refused.value.details["addresses"] == [JOB_RECORDS]
    assert (take_in.applied, take_in.taken_over) == ([], [])


@pytest.mark.parametrize(
    ("status", "deleted"),
    [
        ("CREATE_FAILED", True), ("ROLLBACK_COMPLETE", True), ("ROLLBACK_FAILED", True),
        ("UPDATE_ROLLBACK_FAILED", False), ("UPDATE_FAILED", False), ("DELETE_FAILED", False),
    ],
)  # fmt: skip
def test_only_a_stack_that_could_not_be_made_is_deleted(
    take_in: Any, mocker: Any, status: str, deleted: bool
) -> None:
    """Where an update got stuck the cluster is as it was, with its jobs."""
    mocker.patch.object(recovery.stacks, "find_stack", side_effect=[{"StackStatus": status}, None])
    delete = mocker.patch.object(recovery.stacks, "delete_stack")
    take_in(found=CLUSTERS, failed=True)
    assert delete.called is deleted
    assert take_in.taken_over == ([] if deleted else [(CLUSTER_STACK, NAMES.stack)])
