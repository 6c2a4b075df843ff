"""Addresses that the engine asks for are those that Terraform gives."""

from __future__ import annotations

import json
from pathlib import Path

from engine.workspace import resources

PLAN = json.loads((Path(__file__).parents[1] / "operations/fresh.plan.json").read_text("utf-8"))


def test_every_address_is_one_of_a_new_project_with_lustre() -> None:
    planned = {one[kind] for one in PLAN["resource_changes"] for kind in ("address", "module_address")}
    named = {value for name, value in vars(resources).items() if name.isupper()}
    assert len(named) == 9
    assert named <= planned
