"""The Terraform outputs of a project, from its state."""

from __future__ import annotations

from typing import Any

from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.planning import check_backend
from engine.operations.states import read_state


def project_outputs(engine: Engine, vlab_id: str, project_id: str) -> dict[str, Any]:
    """Name -> value of every output in the state as it is stored; sensitive ones are left out.

    Raises   UnknownProject, StateCorrupt, BackendError
    """
    check_backend(engine)
    records.record_of(engine, vlab_id, project_id)
    outputs = read_state(engine, engine.names(vlab_id, project_id)).get("outputs", {})
    return {name: one["value"] for name, one in sorted(outputs.items()) if not one.get("sensitive")}
