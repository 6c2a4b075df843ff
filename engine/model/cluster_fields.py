"""Which field of the spec, and which setting, reaches which key of the cluster configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.model.cluster_updates import OWN_POLICY, POLICIES, TOLD_APART_BY, key_tree
from engine.model.data_files import read_data

_OF_TIERS = ("tier", "compute.max_nodes", "tiers")
"""What a spec with queues of its own does not have, or is not reached by."""


@dataclass(frozen=True)
class Field:
    """A field of the spec, or a setting.

    keys        places in the cluster configuration: Scheduling.SlurmQueues.CapacityType
    node_keys   places in the node configuration that nodes go by only when their cluster is made: user.uid
    says        what to know beside them; may be empty
    """

    name: str
    is_setting: bool
    keys: tuple[str, ...]
    says: str
    node_keys: tuple[str, ...] = ()

    def reach(self, place: str) -> int:
        """How exactly one of its keys names this one: the length of the longest; 0 when none does."""
        return max((len(key) for key in self.keys if f"{place}.".startswith(f"{key}.")), default=0)

    def concerns(self, *, own_queues: bool) -> bool:
        """Whether a spec with queues of its own is concerned, or else one that names a tier."""
        return self.name not in _OF_TIERS if own_queues else not self.name.startswith("queues.")

    def __str__(self) -> str:
        return f"setting {self.name}" if self.is_setting else self.name


@cache
def cluster_fields() -> tuple[Field, ...]:
    """data/cluster_fields.yaml: the fields of the spec, then the settings."""
    document = read_data("cluster_fields.yaml")
    return tuple(
        Field(
            name,
            kind == "settings",
            tuple(row.get("keys", ())),
            row.get("says", ""),
            tuple(row.get("node_keys", ())),
        )
        for kind in ("spec", "settings")
        for name, row in document[kind].items()
    )


def reached_by(place: str, *, own_queues: bool) -> tuple[str, ...]:
    """The fields that a change of this key may come from, the likeliest first; empty: the engine's own.

    own_queues   whether the spec has queues in place of a tier
    """
    concerned = [field for field in cluster_fields() if field.concerns(own_queues=own_queues)]
    found = [field for field in concerned if field.reach(place)]
    return tuple(str(field) for field in sorted(found, key=lambda field: -field.reach(place)))


@cache
def fixed_on_nodes() -> Mapping[str, str]:
    """Place in the node configuration that no running cluster can have changed -> the field it comes from."""
    return {place: str(field) for field in cluster_fields() for place in field.node_keys}


def policy_words(place: str) -> str:
    """What changing the key needs, in words. Raises KeyError for a key that ParallelCluster lacks."""
    rule = key_tree()
    *around, key = place.split(".")
    for section in around:
        rule = rule[section]
    return _words(rule[key], place)


def all_places() -> Iterator[tuple[str, str]]:
    """Every key and the words for it; a section stands for the keys in it that need the same."""
    yield from _places(key_tree(), "", None)


def _places(tree: Mapping[str, Any], prefix: str, around: str | None) -> Iterator[tuple[str, str]]:
    """around: the words of the section; None where it comes and goes key by key."""
    for key, rule in tree.items():
        if key in (OWN_POLICY, TOLD_APART_BY):
            continue
        is_section = not isinstance(rule, str)
        # An ignored section is none for updates; each key in it counts by itself.
        ignored = is_section and rule[OWN_POLICY] == "IGNORED"
        words = None if ignored else _words(rule, prefix + key)
        if words is not None and words != around:
            yield prefix + key, words
        if is_section:
            yield from _places(rule, f"{prefix}{key}.", words)


def _words(rule: Any, place: str) -> str:
    policy = rule if isinstance(rule, str) else rule[OWN_POLICY]
    # AWS's QueueUpdateStrategy is for what is in a queue; outside of one its policy asks for more.
    if policy == "QUEUE_UPDATE_STRATEGY" and ".SlurmQueues." not in place:
        policy = "COMPUTE_FLEET_STOP"
    return POLICIES[policy].words
