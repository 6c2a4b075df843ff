"""What changing a key of the cluster configuration does to a running cluster.

The keys and AWS's policy for each are data (data/cluster_keys.yaml, written from the installed package);
what a policy asks for is said here, one small function each. The plan review tells people, and the local
cloud refuses what AWS refuses, by the same words.

Our clusters have no login nodes: what policies ask of those is taken as given.

Source   aws-parallelcluster 3.16.1: config/config_patch.py, config/update_policy.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from engine.model.data_files import read_data

OWN_POLICY = "="
TOLD_APART_BY = "[]"
DEFAULT_STRATEGY = "COMPUTE_FLEET_STOP"
MIN_COUNT, MAX_COUNT = 0, 10
"""ParallelCluster's counts where the configuration says none."""

Config = Mapping[str, Any]


class Need(StrEnum):
    """What a change needs, the least first."""

    LIVE = "live"
    """Nothing: it happens while jobs run."""
    DRAIN = "drain"
    """QueueUpdateStrategy DRAIN (jobs finish first) or TERMINATE, or a stopped compute fleet."""
    TERMINATE = "terminate"
    """QueueUpdateStrategy TERMINATE (jobs end), or a stopped compute fleet."""
    FLEET_STOPPED = "fleet-stopped"
    """A stopped compute fleet, whatever the strategy. One without nodes that is not stopped is running."""
    NEW_CLUSTER = "new-cluster"
    """A running cluster can't have it."""

    def permitted(self, strategy: str, *, fleet_stopped: bool) -> bool:
        """Whether AWS takes such a change; strategy is the new configuration's QueueUpdateStrategy."""
        if self is Need.NEW_CLUSTER:
            return False
        return self is Need.LIVE or fleet_stopped or strategy in _STRATEGIES.get(self, ())


_STRATEGIES = {Need.DRAIN: ("DRAIN", "TERMINATE"), Need.TERMINATE: ("TERMINATE",)}


@dataclass(frozen=True)
class Difference:
    """One key that differs.

    path        sections around it, members of lists with their name: ("Scheduling", "SlurmQueues[cpu]")
    listed      the key is a list, and one member of it comes (old is None) or goes (new is None)
    name        of that member
    policy      AWS's name for it
    """

    path: tuple[str, ...]
    key: str
    old: Any
    new: Any
    policy: str
    listed: bool = False
    name: str = ""

    def __str__(self) -> str:
        return ".".join([*self.path, f"{self.key}[{self.name}]" if self.listed else self.key])

    @property
    def place(self) -> str:
        """The key without the names of members: Scheduling.SlurmQueues.CapacityType."""
        return place_of(str(self))

    @property
    def in_queues(self) -> bool:
        """True for whatever is inside of a queue."""
        return any(step.startswith("SlurmQueues[") for step in self.path)

    @property
    def is_added(self) -> bool:
        return self.listed and self.old is None


@dataclass(frozen=True)
class KeyChange:
    """A difference, and what it needs in a running cluster."""

    difference: Difference
    need: Need

    def __str__(self) -> str:
        return str(self.difference)


def cluster_changes(old: Config, new: Config) -> tuple[KeyChange, ...]:
    """Every key that differs between two configurations, and what that needs.

    Numbers and booleans are compared as CloudFormation hands them on: as text.
    """
    before, after = as_strings(old), as_strings(new)
    found = tuple(differences(before, after))
    return tuple(
        KeyChange(change, POLICIES[change.policy].need(_Case(change, found, before, after)))
        for change in found
    )


def is_seeming(change: KeyChange, old: Config, new: Config) -> bool:
    """Whether AWS only takes it for a change: members of a list that share a name are mixed up even where
    both lists are the same.
    """
    before: Any = old
    after: Any = new
    for key in change.difference.place.split("."):
        if not isinstance(before, Mapping) or not isinstance(after, Mapping):
            return False
        before, after = before.get(key), after.get(key)
        if before == after:
            return True
    return False


def queue_update_strategy(config: Config) -> str:
    """COMPUTE_FLEET_STOP, DRAIN or TERMINATE."""
    settings = _section(_section(config, "Scheduling"), "SlurmSettings")
    return str(settings.get("QueueUpdateStrategy", DEFAULT_STRATEGY))


def as_strings(value: Any) -> Any:
    """What CloudFormation hands to a custom resource: every number and boolean a string."""
    if isinstance(value, Mapping):
        return {str(key): as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def place_of(label: str) -> str:
    """SlurmQueues[cpu].Name -> SlurmQueues.Name"""
    return re.sub(r"\[[^\]]*\]", "", label)


@cache
def key_tree() -> dict[str, Any]:
    """data/cluster_keys.yaml; see its head for the shape."""
    tree: dict[str, Any] = read_data("cluster_keys.yaml")
    return tree


def differences(
    old: Config, new: Config, tree: Config | None = None, path: tuple[str, ...] = ()
) -> Iterator[Difference]:
    """As ConfigPatch finds them: a section that comes or goes is one difference, unless its policy is
    IGNORED; members of a list are told apart by one key, and of those with the same only the first counts.
    """
    for key, rule in (key_tree() if tree is None else tree).items():
        before, after = old.get(key), new.get(key)
        if key in (OWN_POLICY, TOLD_APART_BY):
            continue
        if isinstance(rule, str):
            if before != after:
                yield Difference(path, key, before, after, rule)
        elif TOLD_APART_BY in rule:
            yield from _list_differences(before or [], after or [], rule, path, key)
        elif (before and after) or (rule[OWN_POLICY] == "IGNORED" and (before or after)):
            yield from differences(before or {}, after or {}, rule, (*path, key))
        elif before or after:
            yield Difference(path, key, before or None, after or None, rule[OWN_POLICY])


def _list_differences(
    old: Sequence[Config], new: Sequence[Config], rule: Config, path: tuple[str, ...], key: str
) -> Iterator[Difference]:
    name_key, policy = rule[TOLD_APART_BY], rule[OWN_POLICY]
    met: list[int] = []
    for member in new:
        name = member.get(name_key)
        twin = next((index for index, other in enumerate(old) if other.get(name_key) == name), None)
        if twin is None:
            yield Difference(path, key, None, member, policy, listed=True, name=str(name))
        else:
            met.append(twin)
            yield from differences(old[twin], member, rule, (*path, f"{key}[{name}]"))
    for index, member in enumerate(old):
        if index not in met:
            yield Difference(path, key, member, None, policy, listed=True, name=str(member.get(name_key)))


@dataclass(frozen=True)
class _Case:
    """One difference among all those of an update, and both whole configurations."""

    change: Difference
    others: tuple[Difference, ...]
    old: Config
    new: Config


_Rule = Callable[[_Case], Need]


@dataclass(frozen=True)
class Policy:
    """One of AWS's policies: what it asks of a change, and the same in words."""

    need: _Rule
    words: str


def _always(need: Need) -> _Rule:
    return lambda _: need


def _queue_strategy(case: _Case) -> Need:
    return Need.DRAIN if case.change.in_queues else Need.FLEET_STOPPED


def _resize(case: _Case) -> Need:
    """More is live, less ends nodes that may be at work."""
    if case.change.is_added or (case.change.key == "MaxCount" and _grown(case.change, MAX_COUNT) >= 0):
        return Need.LIVE
    if case.change.key == "MinCount":
        # Only beside a changed MaxCount, even where fewer nodes are to run always.
        for other in case.others:
            if other.key == "MaxCount" and other.path == case.change.path:
                return (
                    Need.LIVE
                    if _grown(other, MAX_COUNT) >= _grown(case.change, MIN_COUNT)
                    else Need.TERMINATE
                )
    return Need.TERMINATE


def _stop_on_remove(case: _Case) -> Need:
    return Need.LIVE if case.change.is_added and case.change.in_queues else Need.FLEET_STOPPED


def _placement_group(case: _Case) -> Need:
    """A group that ParallelCluster made can't be deleted under running nodes."""
    goes = _has_managed_group(case.old, case.change) and not _has_managed_group(case.new, case.change)
    return Need.FLEET_STOPPED if goes else _queue_strategy(case)


def _subnets(case: _Case) -> Need:
    """More subnets are live, unless ParallelCluster made a Lustre file system, which stands in one."""
    if _managed_lustre(case.old) & _managed_lustre(case.new):
        return Need.NEW_CLUSTER
    old, new = case.change.old, case.change.new
    if isinstance(old, list) and isinstance(new, list) and all(subnet in new for subnet in old):
        return Need.LIVE
    return _queue_strategy(case)


def _shared_storage(case: _Case) -> Need:
    """File systems made elsewhere come and go live, others with their nodes; /home stays."""
    if case.change.key != "SharedStorage":
        # MountDir. AWS's check breaks off with an AttributeError while the fleet runs, which is a refusal.
        return Need.FLEET_STOPPED
    sides = [side for side in (case.change.old, case.change.new) if side]
    if any(side.get("MountDir") in ("home", "/home") for side in sides):
        return Need.NEW_CLUSTER
    kind = str(sides[-1].get("StorageType"))
    settings = _section(sides[-1], f"{kind}Settings")
    made_elsewhere = any(key in settings for key in ("VolumeId", "FileSystemId", "FileCacheId"))
    return Need.LIVE if made_elsewhere and kind != "Ebs" else Need.DRAIN


def _unless_isolated(case: _Case) -> Need:
    return Need.NEW_CLUSTER if str(case.new.get("Region", "")).startswith("us-iso") else Need.LIVE


POLICIES: Mapping[str, Policy] = {
    "SUPPORTED": Policy(_always(Need.LIVE), "live"),
    "IGNORED": Policy(_always(Need.LIVE), "live: it only steers updates"),
    "SUPPORTED_UNLESS_ADC": Policy(_unless_isolated, "live; new cluster in the regions us-iso*"),
    "QUEUE_UPDATE_STRATEGY": Policy(_queue_strategy, "drain"),
    "RESIZE_UPDATE_STRATEGY_ON_REMOVE": Policy(_resize, "more: live; less: fleet stopped, or TERMINATE"),
    "COMPUTE_FLEET_STOP_ON_REMOVE": Policy(_stop_on_remove, "added: live; removed: fleet stopped"),
    "COMPUTE_FLEET_STOP": Policy(_always(Need.FLEET_STOPPED), "fleet stopped"),
    "MANAGED_PLACEMENT_GROUP": Policy(
        _placement_group, "drain; fleet stopped where a group that ParallelCluster made goes"
    ),
    "MANAGED_FSX": Policy(
        _subnets, "added: live; else drain; new cluster with a Lustre that ParallelCluster made"
    ),
    "SHARED_STORAGE_UPDATE_POLICY": Policy(
        _shared_storage,
        "a file system made elsewhere: live; one that ParallelCluster made: drain; `/home`: new cluster; "
        "another `MountDir`: fleet stopped",
    ),
    "UNSUPPORTED": Policy(_always(Need.NEW_CLUSTER), "new cluster"),
    "READ_ONLY_RESOURCE_BUCKET": Policy(_always(Need.NEW_CLUSTER), "new cluster"),
    # Three attributes inside its JSON are live; nobody but ParallelCluster's makers sets it.
    "EXTRA_CHEF_ATTRIBUTES": Policy(_always(Need.NEW_CLUSTER), "new cluster"),
    "COMPUTE_AND_LOGIN_NODES_STOP": Policy(_always(Need.FLEET_STOPPED), "fleet stopped"),
    "LOGIN_NODES_STOP": Policy(_always(Need.LIVE), "live, without login nodes"),
    "LOGIN_NODES_POOL_STOP": Policy(_always(Need.LIVE), "live, without login nodes"),
    "LOGIN_NODES_POOLS_UPDATE_POLICY": Policy(_always(Need.LIVE), "live, without login nodes"),
}
"""AWS's name -> what it means. A name that is not here would be a release that this engine doesn't know."""


def _grown(change: Difference, default: int) -> int:
    return _number(change.new, default) - _number(change.old, default)


def _number(value: Any, default: int) -> int:
    return default if value is None else int(str(value))


def _has_managed_group(config: Config, change: Difference) -> bool:
    queue = _member(_section(config, "Scheduling").get("SlurmQueues"), "SlurmQueues", change.path)
    resource = _member(queue.get("ComputeResources"), "ComputeResources", change.path)
    inner, outer = (_section(_section(side, "Networking"), "PlacementGroup") for side in (resource, queue))
    group = inner or outer
    # Enabled is looked at for truth: the text "false", as CloudFormation hands it on, counts as set.
    return bool(group.get("Enabled")) and not (group.get("Name") or group.get("Id"))


def _member(members: Any, key: str, path: tuple[str, ...]) -> Config:
    """The member of a list that a path leads through; empty when there is none."""
    names = [step[len(key) + 1 : -1] for step in path if step.startswith(f"{key}[")]
    return next((one for one in members or () if names and one.get("Name") == names[0]), {})


def _managed_lustre(config: Config) -> set[str]:
    return {
        str(entry.get("Name"))
        for entry in config.get("SharedStorage") or ()
        if entry.get("StorageType") == "FsxLustre"
        and "FileSystemId" not in _section(entry, "FsxLustreSettings")
    }


def _section(config: Config, key: str) -> Config:
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}
