"""What is unknown in a ParallelCluster configuration, by the key tree of the release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.model.cluster_updates import OWN_POLICY, TOLD_APART_BY, key_tree

_NO_KEYS = (OWN_POLICY, TOLD_APART_BY)


def unknown_keys(
    config: Any, tree: dict[str, Any] | None = None, path: tuple[str, ...] = ()
) -> Iterator[str]:
    """Paths of keys ParallelCluster does not know, and of sections that are not the shape they must be."""
    tree = key_tree() if tree is None else tree
    if not isinstance(config, dict):
        yield f"{'.'.join(path) or 'configuration'}: Invalid input type."
        return
    for key, value in config.items():
        here = (*path, key)
        if key not in tree or key in _NO_KEYS:
            yield f"{'.'.join(here)}: Unknown field."
        elif isinstance(tree[key], dict) and TOLD_APART_BY in tree[key]:
            if not isinstance(value, list):
                yield f"{'.'.join(here)}: Invalid input type."
                continue
            for element in value:
                yield from unknown_keys(element, tree[key], here)
        elif isinstance(tree[key], dict):
            yield from unknown_keys(value, tree[key], here)
