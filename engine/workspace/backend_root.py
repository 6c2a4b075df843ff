"""What the engine puts beside the files of workspaces/bootstrap: variables, backend, imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.model.settings import Settings
from engine.workspace.imports import imports_file

STATE_KEY = "bootstrap/terraform.tfstate"
"""Where workspaces/bootstrap keeps its own state, in the bucket that it made."""
BACKEND_FILE = "backend.hcl"
MODULES = ("discovery", "state-backend")

_ROOT = "workspaces/bootstrap"
VARIABLES_FILE = f"{_ROOT}/terraform.tfvars.json"
IMPORTS_FILE = f"{_ROOT}/imports.tf.json"
# Terraform lets a file of that name replace the backend of versions.tf.
LOCAL_STATE_FILE = f"{_ROOT}/backend_override.tf.json"


def render_backend_root(
    settings: Settings, imports: Mapping[str, str], *, local_state: bool, locked: bool
) -> dict[str, str]:
    """The generated files, path -> text, beside copies of workspaces/bootstrap and the modules it calls.

    imports       address in the root -> id, of what exists; Terraform passes over what its state has
    local_state   the state is a file in the root, since there is no bucket for it yet
    locked        the lock table is there: without it, the root that makes it anew cannot lock itself
    """
    files = {
        f"workspaces/{BACKEND_FILE}": backend_file(settings, locked=locked),
        VARIABLES_FILE: _json(
            {
                "account_id": settings.require_account(),
                "region": settings.region,
                "state_bucket": settings.state_bucket,
                "lock_table": settings.lock_table,
                "registry_table": settings.registry_table,
                "plan_days": settings.plan_days,
                "s3_use_path_style": settings.s3_use_path_style,
            }
        ),
    }
    if imports:
        files[IMPORTS_FILE] = imports_file(imports)
    if local_state:
        files[LOCAL_STATE_FILE] = _json({"terraform": {"backend": {"local": {}}}})
    return files


def backend_file(settings: Settings, *, locked: bool = True) -> str:
    """What `terraform init -backend-config=` must know of this installation; each root has its own key."""
    values = {
        "bucket": settings.state_bucket,
        "region": settings.region,
        "encrypt": True,
        **({"dynamodb_table": settings.lock_table} if locked else {}),
        **({"use_path_style": True} if settings.s3_use_path_style else {}),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "# Written by `provisioner bootstrap`.\n" + "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
