"""The Terraform outputs of a project, from its state."""

from __future__ import annotations

from typing import Any

from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.planning import check_backend, write_project
from engine.workspace.stack import Presence


def project_outputs(engine: Engine, vlab_id: str, project_id: str) -> dict[str, Any]:
    """Name -> value of every output in the state; sensitive ones are left out.

    The workspace is generated first where this machine has none.
    Raises   UnknownProject, TerraformError, BackendError
    """
    check_backend(engine)
    record = records.record_of(engine, vlab_id, project_id)
    names = engine.names(vlab_id, project_id)
    runner = engine.runner(names)
    if not (engine.folder(names) / ".terraform").is_dir():
        # Parked or not makes no difference to reading the state, and PARKED reserves no address.
        write_project(engine, records.spec_of(record), Presence.PARKED)
        runner.init()
    return runner.outputs()
