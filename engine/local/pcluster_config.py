"""A ParallelCluster configuration as the custom resource gets it, and safe ways to look into it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any


def dig(config: Any, *path: str, default: Any = None) -> Any:
    """The value at a path, the default where anything on the way is missing or no map."""
    for key in path:
        if not isinstance(config, dict) or key not in config:
            return default
        config = config[key]
    return config


def is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def number(value: Any, default: int) -> int:
    """An integer written as text; the default when absent. Raises ValueError when it is none."""
    return default if value is None else int(str(value))


def queues(config: dict[str, Any]) -> list[dict[str, Any]]:
    found = dig(config, "Scheduling", "SlurmQueues", default=[])
    return [queue for queue in found if isinstance(queue, dict)] if isinstance(found, list) else []


def compute_resources(config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(queue, compute resource) of the whole cluster."""
    for queue in queues(config):
        found = queue.get("ComputeResources", [])
        for resource in found if isinstance(found, list) else []:
            if isinstance(resource, dict):
                yield queue, resource


def instance_types(resource: dict[str, Any]) -> list[str]:
    if "InstanceType" in resource:
        return [str(resource["InstanceType"])]
    return [str(item.get("InstanceType")) for item in resource.get("Instances", []) if isinstance(item, dict)]


def image_ids(config: dict[str, Any]) -> list[str]:
    """Every image of one's own that the configuration names, once each."""
    sections = [config, dig(config, "HeadNode"), *queues(config)]
    found = [dig(section, "Image", "CustomAmi") for section in sections]
    return list(dict.fromkeys(str(item) for item in found if item))


def subnet_ids(config: dict[str, Any]) -> list[str]:
    """Every subnet of the cluster, head node first, once each."""
    found = [dig(config, "HeadNode", "Networking", "SubnetId")]
    for queue in queues(config):
        found.extend(dig(queue, "Networking", "SubnetIds", default=[]) or [])
    return list(dict.fromkeys(str(item) for item in found if item))


def security_groups_of_nodes(config: dict[str, Any]) -> list[list[str]]:
    """The security groups that the head node's section names, and those of each queue's."""
    return [
        [
            group
            for key in ("SecurityGroups", "AdditionalSecurityGroups")
            for group in dig(section, "Networking", key, default=[]) or []
        ]
        for section in [dig(config, "HeadNode", default={}), *queues(config)]
    ]


def security_group_ids(config: dict[str, Any]) -> list[str]:
    """Every security group the configuration names, once each."""
    return list(dict.fromkeys(chain.from_iterable(security_groups_of_nodes(config))))


def shared_storage(config: dict[str, Any]) -> list[dict[str, Any]]:
    found = dig(config, "SharedStorage", default=[])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
