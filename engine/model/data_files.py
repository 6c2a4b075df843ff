"""The YAML files that come with the engine, as plain values.

They are ours and tested, and so is what an installation puts in the place of one. So they are not read with
the care that a person's document gets (`documents`), but quickly: every command and every process of the
service reads some before it does anything.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

# libyaml's is ten times as fast, where PyYAML was built with it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_data(name: str, *, package: str = "engine.model") -> Any:
    """What <package>/data/<name> says; the head of each file says how."""
    return parse_data((files(package) / "data" / name).read_text("utf-8"))


def parse_data(text: str) -> Any:
    """The value of a YAML text of that kind.

    Raises   yaml.YAMLError
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (both are safe loaders)
