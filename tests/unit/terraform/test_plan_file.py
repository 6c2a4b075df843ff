"""The state that a saved plan goes by."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from engine.errors import TerraformError
from engine.terraform.plan_file import planned_state


def test_it_is_the_one_that_terraform_holds_the_plan_against(tmp_path: Path) -> None:
    plan = tmp_path / "project.tfplan"
    with zipfile.ZipFile(plan, "w") as archive:
        archive.writestr("tfstate", json.dumps({"lineage": "l", "serial": 2}))
        # As Terraform 1.11 writes it: neither is filled in.
        archive.writestr("tfstate-prev", json.dumps({"lineage": "", "serial": 0}))
    assert planned_state(plan) == ("l", 2)


def test_what_is_no_plan_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no zip")
    with pytest.raises(TerraformError, match="x is no plan file"):
        planned_state(tmp_path / "x")
