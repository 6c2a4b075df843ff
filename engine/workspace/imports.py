"""From Terraform's plan to what it would create, and from what exists to import blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.spec import ProjectSpec
from engine.workspace.resources import BUCKET, HOME

IMPORTS_FILE = "imports.tf.json"


def named_imports(spec: ProjectSpec) -> Mapping[str, str]:
    """Address -> import id of what the spec takes over."""
    if spec.existing is None:
        return {}
    wanted = {BUCKET: spec.existing.bucket, HOME: spec.existing.home}
    return {address: found for address, found in wanted.items() if found is not None}


def creations(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of `resource_changes` that make something that the state does not know.

    plan   `terraform show -json PLANFILE`, parsed
    What takes the place of another object (a replacement) is in the state, and no such entry.
    """
    for entry in plan.get("resource_changes") or ():
        if entry.get("mode") == "managed" and entry.get("change", {}).get("actions") == ["create"]:
            yield entry


def planned_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What is known before the apply of a resource that will be created."""
    change = entry["change"]
    unknown = change.get("after_unknown") or {}
    return {
        name: value
        for name, value in (change.get("after") or {}).items()
        if value is not None and unknown.get(name) is not True
    }


def imports_file(imports: Mapping[str, str]) -> str:
    """The text of IMPORTS_FILE. Terraform passes over what its state has already.

    imports   full address -> import id
    """
    blocks = [{"to": address, "id": found} for address, found in sorted(imports.items())]
    return json.dumps({"import": blocks}, indent=2) + "\n"
