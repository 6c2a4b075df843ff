"""The YAML files that come with the engine, as plain values.

They are ours and tested, so they are not read with the care that a person's document gets (`documents`), but
quickly: every command and every process of the service reads some before it does anything.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

try:  # libyaml's is ten times as fast, where PyYAML was built with it
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


def read_data(name: str) -> Any:
    """What engine/model/data/<name> says; the head of each file says how."""
    text = (files("engine.model") / "data" / name).read_text("utf-8")
    return yaml.load(text, Loader=SafeLoader)
