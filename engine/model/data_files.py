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
_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FastLoader):  # type: ignore[misc]
    """Refuses a key that stands twice: YAML's readers keep the last, and the first would be read by people
    alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(keys):
            twice = next((key for key in keys if keys.count(key) > 1), keys[-1])
            raise yaml.MarkedYAMLError(
                problem=f"the key {twice!r} stands there twice", problem_mark=node.start_mark
            )
        return mapping


def read_data(name: str, *, package: str = "engine.model") -> Any:
    """What <package>/data/<name> says; the head of each file says how."""
    return parse_data((files(package) / "data" / name).read_text("utf-8"))


def parse_data(text: str) -> Any:
    """The value of a YAML text of that kind.

    Raises   yaml.YAMLError, also where a key stands twice in one mapping
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader)
