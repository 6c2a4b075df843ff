"""The engine's own tables, YAML files that come with it.

What people write is read by documents.py instead, which is strict.
"""

from __future__ import annotations

from typing import Any

import yaml

# libyaml's is ten times as fast, where PyYAML was built with it: every run reads tables of a thousand lines.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_table(text: str) -> Any:
    """The value of one YAML text that nobody but us has written.

    Raises   yaml.YAMLError
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (both are safe loaders)
