"""The key tree of a ParallelCluster configuration: what is unknown, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

LIST = "[]"


@dataclass(frozen=True)
class Change:
    """One difference. path: e.g. ("Scheduling", "SlurmQueues[cpu]", "CapacityType")."""

    path: tuple[str, ...]
    old: Any
    new: Any
    policy: str

    @property
    def key(self) -> str:
        return self.path[-1].split("[", 1)[0]

    def __str__(self) -> str:
        return ".".join(self.path)


@cache
def key_tree() -> dict[str, Any]:
    text = resources.files("engine.local").joinpath("data/pcluster_keys.yaml").read_text("utf-8")
    tree: dict[str, Any] = yaml.safe_load(text)
    return tree


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
        if key not in tree or key == LIST:
            yield f"{'.'.join(here)}: Unknown field."
        elif isinstance(tree[key], dict) and LIST in tree[key]:
            if not isinstance(value, list):
                yield f"{'.'.join(here)}: Invalid input type."
                continue
            for element in value:
                yield from unknown_keys(element, tree[key], here)
        elif isinstance(tree[key], dict):
            yield from unknown_keys(value, tree[key], here)


def changes(
    old: dict[str, Any], new: dict[str, Any], tree: dict[str, Any] | None = None, path: tuple[str, ...] = ()
) -> Iterator[Change]:
    """Every difference between two configurations, with the policy of its key."""
    tree = key_tree() if tree is None else tree
    for key in sorted(set(old) | set(new)):
        rule, before, after = tree.get(key, "LIVE"), old.get(key), new.get(key)
        if key == LIST or before == after:
            continue
        if isinstance(rule, str):
            yield Change((*path, key), before, after, rule)
        elif LIST in rule:
            yield from _list_changes(before or [], after or [], rule, path, key)
        else:
            yield from changes(before or {}, after or {}, rule, (*path, key))


def _list_changes(
    old: list[dict[str, Any]],
    new: list[dict[str, Any]],
    rule: dict[str, Any],
    path: tuple[str, ...],
    key: str,
) -> Iterator[Change]:
    before = {str(element.get("Name")): element for element in old}
    after = {str(element.get("Name")): element for element in new}
    for name in [*before, *(name for name in after if name not in before)]:
        here = (*path, f"{key}[{name}]")
        if name not in after:
            yield Change(here, before[name], None, rule[LIST]["remove"])
        elif name not in before:
            yield Change(here, None, after[name], rule[LIST]["add"])
        else:
            yield from changes(before[name], after[name], rule, here)
