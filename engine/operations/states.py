"""The Terraform state of a project, read from its bucket without starting Terraform."""

from __future__ import annotations

import json
from typing import Any

from engine.aws.buckets import find_object
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.terraform.state import instances


def read_state(engine: Engine, names: Names) -> dict[str, Any]:
    """The state as it is stored (format version 4); {} when there is none. It holds sensitive values.

    Raises   AccessDenied, Unreachable, BackendError
    """
    stored = find_object(engine.cloud, engine.settings.state_bucket, names.state_key)
    return json.loads(stored) if stored else {}


def made_nothing(engine: Engine, names: Names) -> bool:
    """Whether no resource of the project is in its state; raises as `read_state` does."""
    return not list(instances(read_state(engine, names)))
