"""Whether a running cluster may be changed from one configuration to another.

Source: aws-parallelcluster 3.16.1, update_policy.py, as collected in the ParallelCluster facts, section 4.
"""

from __future__ import annotations

from typing import Any

from engine.local.pcluster_config import dig, number
from engine.local.pcluster_keys import Change, changes

STOPPED = "STOPPED"


def refusals(old: dict[str, Any], new: dict[str, Any], *, fleet_status: str) -> list[str]:
    """Why the update is refused, one message per change; empty when it may go ahead.

    fleet_status  compute fleet status; a RUNNING fleet without instances still counts as running
    """
    strategy = dig(new, "Scheduling", "SlurmSettings", "QueueUpdateStrategy", default="COMPUTE_FLEET_STOP")
    return [
        message
        for change in changes(old, new)
        if (message := _refusal(change, strategy, fleet_status == STOPPED, old, new))
    ]


def _refusal(
    change: Change, strategy: str, stopped: bool, old: dict[str, Any], new: dict[str, Any]
) -> str | None:
    policy = _resolve(change, old, new)
    if policy == "NEW":
        return f"{change}: Update actions are not currently supported for the '{change.key}' parameter."
    if policy == "STOP" and not stopped:
        return f"{change}: All compute nodes must be stopped."
    if policy == "TERM" and not (stopped or strategy == "TERMINATE"):
        return f"{change}: All compute nodes must be stopped or QueueUpdateStrategy must be set to TERMINATE."
    if policy == "QUS" and not (stopped or strategy in ("DRAIN", "TERMINATE")):
        return f"{change}: All compute nodes must be stopped or QueueUpdateStrategy must be set."
    return None


def _resolve(change: Change, old: dict[str, Any], new: dict[str, Any]) -> str:
    """The plain policy of a change whose key's policy depends on the values."""
    if change.policy == "MAX":
        return "LIVE" if number(change.new, 10) > number(change.old, 10) else "TERM"
    if change.policy == "MIN":
        grown = _max_count(new, change) - _max_count(old, change)
        return "LIVE" if grown >= number(change.new, 0) - number(change.old, 0) else "TERM"
    if change.key == "Instances" and _only_added(change.old, change.new):
        return "LIVE"
    if change.key == "SubnetIds" and set(change.old or []) <= set(change.new or []):
        return "LIVE"
    if change.path[0].startswith("SharedStorage["):
        return _storage_policy(change)
    return change.policy


def _storage_policy(change: Change) -> str:
    """Existing file systems come and go live, but never at /home; managed ones need the nodes stopped."""
    if len(change.path) > 1:
        at_home = change.key == "MountDir" and "/home" in (_path(change.old), _path(change.new))
        return "NEW" if at_home else change.policy
    entry = change.new or change.old or {}
    if _path(entry.get("MountDir")) == "/home":
        return "NEW"
    settings = (entry.get("EfsSettings") or {}) | (entry.get("FsxLustreSettings") or {})
    return "LIVE" if "FileSystemId" in settings else "QUS"


def _path(value: Any) -> str:
    return "/" + str(value or "").strip("/")


def _only_added(old: Any, new: Any) -> bool:
    return isinstance(old, list) and isinstance(new, list) and all(item in new for item in old)


def _max_count(config: dict[str, Any], change: Change) -> int:
    queue_name, resource_name = (part[part.index("[") + 1 : -1] for part in change.path if "[" in part)
    for queue in dig(config, "Scheduling", "SlurmQueues", default=[]):
        for resource in queue.get("ComputeResources", []):
            if queue.get("Name") == queue_name and resource.get("Name") == resource_name:
                return number(resource.get("MaxCount"), 10)
    return 10
