"""Small plan JSONs for tests, in the shape of `terraform show -json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "golden" / "review"
PROJECT = "lab-1/proj-1"
OWN_TAGS = {"provisioner:vlab": "lab-1", "provisioner:project": "proj-1"}


def golden_plan(name: str) -> dict[str, Any]:
    """A plan that real Terraform made against a local cloud, cut down to what a review reads."""
    plan: dict[str, Any] = json.loads((GOLDEN / f"{name}.plan.json").read_text("utf-8"))
    return plan


def golden_names() -> list[str]:
    return sorted(path.name.removesuffix(".plan.json") for path in GOLDEN.glob("*.plan.json"))


def plan_of(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": list(entries),
        "applyable": True,
        "complete": True,
        "errored": False,
        **more,
    }


def entry(address: str, *actions: str, **more: Any) -> dict[str, Any]:
    """One member of resource_changes; `change` fields (before, after, ...) and others by keyword."""
    module, _, local = address.rpartition("aws_")
    resource_type, _, name = f"aws_{local}".partition(".")
    change = {
        key: more.pop(key)
        for key in (
            "before",
            "after",
            "after_unknown",
            "before_sensitive",
            "after_sensitive",
            "replace_paths",
            "importing",
        )
        if key in more
    }
    change = {"before": None, "after": None, **change, "actions": list(actions)}
    fields = {"address": address, "mode": "managed", "type": resource_type, "name": name.split("[")[0]}
    if module:
        fields["module_address"] = module.rstrip(".")
    return {**fields, "change": change, **more}
