"""What a plan would create, what is known of it, and the import blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.aws.existing.named import stack_life
from engine.aws.existing.search import Life
from engine.workspace.imports import creations, imports_file, planned_values

# Recorded: what Terraform 1.11.4 and AWS provider 5.100.0 plan for a new project with Lustre.
PLAN = json.loads((Path(__file__).parents[1] / "operations/fresh.plan.json").read_text("utf-8"))


def entry(address: str) -> Any:
    return next(one for one in PLAN["resource_changes"] if one["address"] == address)


def test_a_new_project_is_all_creations() -> None:
    made = [one["address"] for one in creations(PLAN)]
    assert len(made) == len(set(made)) == 40
    assert "module.bucket.aws_s3_bucket.this" in made


@pytest.mark.parametrize(
    "actions", [["no-op"], ["update"], ["delete", "create"], ["create", "delete"], ["delete"], ["forget"]]
)
def test_whatever_else_happens_is_no_creation(actions: list[str]) -> None:
    change = {"mode": "managed", "address": "a.b", "change": {"actions": actions}}
    assert list(creations({"resource_changes": [change]})) == []
    assert list(creations({})) == []


def test_a_data_source_is_no_creation() -> None:
    data = {"mode": "data", "address": "data.a.b", "change": {"actions": ["create"]}}
    assert list(creations({"resource_changes": [data]})) == []


def test_what_is_known_only_after_the_apply_is_left_out() -> None:
    target = planned_values(entry("module.efs.aws_efs_mount_target.this[0]"))
    assert "file_system_id" not in target
    assert "subnet_id" not in target
    link = planned_values(entry("module.fsx[0].aws_fsx_data_repository_association.private"))
    assert link["file_system_path"] == "/project/private"
    assert "file_system_id" not in link


def test_an_import_block_per_address_in_their_order() -> None:
    text = imports_file({"module.b[0].x.y": "2", 'a.b["k"]': "1"})
    blocks = [{"to": 'a.b["k"]', "id": "1"}, {"to": "module.b[0].x.y", "id": "2"}]
    assert json.loads(text) == {"import": blocks}


@pytest.mark.parametrize(
    ("status", "life"),
    [
        ("CREATE_COMPLETE", Life.READY),
        ("UPDATE_COMPLETE", Life.READY),
        ("UPDATE_ROLLBACK_COMPLETE", Life.READY),
        ("CREATE_IN_PROGRESS", Life.IN_PROGRESS),
        ("ROLLBACK_IN_PROGRESS", Life.IN_PROGRESS),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Life.IN_PROGRESS),
        ("DELETE_IN_PROGRESS", Life.GOING),
        ("ROLLBACK_COMPLETE", Life.FAILED),
        ("CREATE_FAILED", Life.FAILED),
        ("DELETE_FAILED", Life.FAILED),
        ("UPDATE_ROLLBACK_FAILED", Life.READY),
        ("UPDATE_FAILED", Life.READY),
    ],
)
def test_how_far_a_stack_is(status: str, life: Life) -> None:
    assert stack_life(status) is life
