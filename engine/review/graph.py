"""The workspace as a graph that can be drawn: what is in which module, and which module builds on which.

Instances of one block (count, for_each) are one node, so that five hundred resources stay readable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.review.dependencies import without_index
from engine.review.model import Action, Change, Review

ROOT = "root module"
LOOKED_UP = "looked up"
LOOK_UP = "look-up"
"""The action of a data source that was read while planning: it is in no change, only referred to."""

_MOST_NODES = 60
_ADDRESS = re.compile(r"^((?:module\.[^.]+\.)*)(data\.)?([^.]+)\.([^.]+)$")
_GRAVEST = (
    Action.DELETE,
    Action.REPLACE,
    Action.UPDATE,
    Action.CREATE,
    Action.FORGET,
    Action.IMPORT,
    Action.MOVE,
    Action.READ,
    Action.NO_CHANGE,
)


@dataclass(frozen=True)
class Node:
    """One block, or several of a type where there are too many to draw.

    key       its address without indices; stable, used by edges
    action    the gravest of its instances', an Action's value or LOOK_UP
    """

    key: str
    group: str
    type: str
    name: str
    action: str
    count: int
    holds_data: bool = False


@dataclass(frozen=True)
class Group:
    """One module (or the root's resources, or what is looked up), with its nodes and their edges.

    counts   action -> instances, the gravest first
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Graph:
    """Groups, and which group builds on which: (what depends, what it depends on), without detours."""

    groups: tuple[Group, ...]
    edges: tuple[tuple[str, str], ...]


def graph_of(review: Review) -> Graph:
    """The graph of everything that the plan speaks of."""
    nodes = {node.key: node for node in _nodes(review)}
    edges = [(one, other) for one, other in review.edges if one in nodes and other in nodes]
    names = sorted({node.group for node in nodes.values()}, key=lambda name: (name != LOOKED_UP, name))
    groups = []
    for name in names:
        members = [node for node in nodes.values() if node.group == name]
        inner = [(a, b) for a, b in edges if nodes[a].group == name and nodes[b].group == name]
        groups.append(_group(name, members, inner))
    outer = {(nodes[a].group, nodes[b].group) for a, b in edges if nodes[a].group != nodes[b].group}
    return Graph(tuple(groups), tuple(sorted(without_detours(outer))))


def layers(keys: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The keys in layers, each below all that it depends on; inside a layer near to what it depends on.

    An edge that closes a circle is passed over.
    """
    below: dict[str, list[str]] = {key: [] for key in keys}
    for dependent, dependency in edges:
        below[dependent].append(dependency)
    depth: dict[str, int] = {}

    def measure(key: str, path: frozenset[str]) -> int:
        if key not in depth:
            path |= {key}
            depth[key] = max((measure(one, path) + 1 for one in below[key] if one not in path), default=0)
        return depth[key]

    for key in keys:
        measure(key, frozenset())
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in keys:
        rows[depth[key]].append(key)
    place: dict[str, float] = {}
    for row in rows:
        ordered = sorted(row, key=lambda key: (_middle(below[key], place), key))
        place |= {key: index / max(len(row), 1) for index, key in enumerate(ordered)}
        row[:] = ordered
    return rows


def without_detours(edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges without those that a longer way says too: a → c goes where a → b → c is."""
    found = set(edges)
    towards: dict[str, set[str]] = {}
    for one, other in found:
        towards.setdefault(one, set()).add(other)

    def reach(start: str, seen: set[str]) -> set[str]:
        for step in towards.get(start, ()):
            if step not in seen:
                seen.add(step)
                reach(step, seen)
        return seen

    kept = set()
    for one, other in found:
        beside = (step for step in towards[one] if step not in (other, one))
        # A circle reaches everything: there, no edge is a detour of another.
        if not any(other in reach(step, set()) and one not in reach(step, set()) for step in beside):
            kept.add((one, other))
    return kept


def _middle(below: Sequence[str], place: Mapping[str, float]) -> float:
    known = [place[key] for key in below if key in place]
    return sum(known) / len(known) if known else 0.5


def _nodes(review: Review) -> Iterable[Node]:
    instances: dict[str, list[Change]] = {}
    for change in review.changes:
        instances.setdefault(without_index(change.address), []).append(change)
    for key, changes in instances.items():
        group, kind, name = _parts(key)
        action = min((change.action for change in changes), key=_GRAVEST.index)
        holds = any(change.data_bearing for change in changes)
        yield Node(key, group, kind, name, action.value, len(changes), holds)
    for key in sorted({address for edge in review.edges for address in edge}):
        if key not in instances and (".data." in f".{key}"):
            group, kind, name = _parts(key)
            yield Node(key, group, kind, name, LOOK_UP, 1)


def _parts(key: str) -> tuple[str, str, str]:
    found = _ADDRESS.match(key)
    if found is None:
        return ROOT, key, ""
    module, data, kind, name = found.groups()
    if not module:
        return (LOOKED_UP if data else ROOT), kind, name
    return module.rstrip(".").replace("module.", "").replace(".", " / "), kind, name


def _group(name: str, nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> Group:
    counts: Counter[str] = Counter()
    for node in nodes:
        counts[node.action] += node.count
    order = [*(action.value for action in _GRAVEST), LOOK_UP]
    sorted_counts = tuple(sorted(counts.items(), key=lambda item: order.index(item[0])))
    shown, shown_edges = list(nodes), without_detours(edges)
    if len(nodes) > _MOST_NODES:
        shown, shown_edges = _by_type(name, nodes, edges)
    return Group(name, tuple(shown), tuple(sorted(shown_edges)), sorted_counts)


def _by_type(
    group: str, nodes: Sequence[Node], edges: Sequence[tuple[str, str]]
) -> tuple[list[Node], set[tuple[str, str]]]:
    """Too many to draw one by one: those of a type with the same action are one."""
    key_of = {node.key: f"{node.type} {node.action}" for node in nodes}
    merged: dict[str, Node] = {}
    for node in nodes:
        key = key_of[node.key]
        count = node.count + (merged[key].count if key in merged else 0)
        holds = node.holds_data or (key in merged and merged[key].holds_data)
        merged[key] = Node(key, group, node.type, "several", node.action, count, holds)
    joined = {(key_of[a], key_of[b]) for a, b in edges if key_of[a] != key_of[b]}
    return list(merged.values()), without_detours(joined)
