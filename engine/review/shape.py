"""The cluster as its configuration describes it: nodes, queues, storage; for costs, limits and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.model.instance_types import facts_of


@dataclass(frozen=True)
class Disk:
    """A node's root volume. gib: None where the image decides it."""

    gib: int | None
    type: str = "gp3"


@dataclass(frozen=True)
class Nodes:
    """One compute resource.

    instance_types   alternatives; empty where they are not known
    """

    name: str
    instance_types: tuple[str, ...]
    least: int
    most: int
    efa: bool = False

    @property
    def vcpus(self) -> int | None:
        """Of one node, the largest of the alternatives; None where one is not known."""
        known = [facts_of(name).vcpus for name in self.instance_types]
        counted = [vcpus for vcpus in known if vcpus is not None]
        return max(counted) if counted and len(counted) == len(known) else None


@dataclass(frozen=True)
class QueueShape:
    """One Slurm partition. own_image: its nodes start from an image of its own, or of the installation's."""

    name: str
    spot: bool
    nodes: tuple[Nodes, ...]
    disk: Disk
    placement_group: bool = False
    own_image: bool = False


@dataclass(frozen=True)
class Mount:
    """Shared storage at a place of the nodes."""

    place: str
    type: str
    name: str


@dataclass(frozen=True)
class ClusterShape:
    """One cluster. own_image: the head node starts from an image of the installation's, and so does every
    queue that has none of its own; not from ParallelCluster's."""

    head_node_type: str
    head_node_disk: Disk
    queues: tuple[QueueShape, ...]
    mounts: tuple[Mount, ...]
    own_image: bool = False

    @property
    def nodes(self) -> Iterator[tuple[QueueShape, Nodes]]:
        """Every compute resource with its queue."""
        for queue in self.queues:
            for nodes in queue.nodes:
                yield queue, nodes

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Every instance type that may run, each once, the head node's first."""
        named = [name for _, nodes in self.nodes for name in nodes.instance_types]
        return tuple(dict.fromkeys([self.head_node_type, *named]))

    @property
    def vcpus_most(self) -> int | None:
        """With every node running, the head node too; None where a type's vCPUs are not known."""
        head = facts_of(self.head_node_type).vcpus
        counted = [(nodes.vcpus, nodes.most) for _, nodes in self.nodes]
        if head is None or any(vcpus is None for vcpus, _ in counted):
            return None
        return head + sum((vcpus or 0) * most for vcpus, most in counted)


def shape_of(configuration: Mapping[str, Any]) -> ClusterShape | None:
    """The shape of a ParallelCluster configuration; None for what is no configuration of a cluster.

    What is hidden or known only after the apply is left out.
    """
    head = _mapping(configuration.get("HeadNode"))
    if not head:
        return None
    scheduling = _mapping(configuration.get("Scheduling"))
    own_image = _has_image(configuration)
    return ClusterShape(
        head_node_type=_text(head.get("InstanceType")),
        head_node_disk=_disk(head),
        queues=tuple(
            _queue(queue, own_image=own_image) for queue in _mappings(scheduling.get("SlurmQueues"))
        ),
        mounts=tuple(
            Mount(_text(one.get("MountDir")), _text(one.get("StorageType")), _text(one.get("Name")))
            for one in _mappings(configuration.get("SharedStorage"))
        ),
        own_image=own_image,
    )


def _has_image(holder: Mapping[str, Any]) -> bool:
    return bool(_mapping(holder.get("Image")).get("CustomAmi"))


def _queue(queue: Mapping[str, Any], *, own_image: bool) -> QueueShape:
    placement = _mapping(_mapping(queue.get("Networking")).get("PlacementGroup"))
    return QueueShape(
        name=_text(queue.get("Name")),
        spot=queue.get("CapacityType") == "SPOT",
        nodes=tuple(map(_nodes, _mappings(queue.get("ComputeResources")))),
        disk=_disk(_mapping(queue.get("ComputeSettings"))),
        placement_group=placement.get("Enabled") is True,
        own_image=own_image or _has_image(queue),
    )


def _nodes(resource: Mapping[str, Any]) -> Nodes:
    named = [_text(one.get("InstanceType")) for one in _mappings(resource.get("Instances"))]
    named += [_text(resource["InstanceType"])] if resource.get("InstanceType") else []
    # ParallelCluster's defaults: no node stands, at most ten run.
    return Nodes(
        name=_text(resource.get("Name")),
        instance_types=tuple(name for name in named if name),
        least=_count(resource.get("MinCount"), 0),
        most=_count(resource.get("MaxCount"), 10),
        efa=_mapping(resource.get("Efa")).get("Enabled") is True,
    )


def _disk(holder: Mapping[str, Any]) -> Disk:
    volume = _mapping(_mapping(holder.get("LocalStorage")).get("RootVolume"))
    size = volume.get("Size")
    return Disk(size if isinstance(size, int) else None, _text(volume.get("VolumeType")) or "gp3")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
