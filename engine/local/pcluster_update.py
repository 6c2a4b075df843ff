"""Whether a running cluster may be changed from one configuration to another: as AWS, in AWS's words.

Source: aws-parallelcluster 3.16.1, update_policy.py; engine/model/cluster_updates.py.
"""

from __future__ import annotations

from typing import Any

from engine.model.cluster_updates import KeyChange, Need, cluster_changes, queue_update_strategy

STOPPED = "STOPPED"

_REASONS = {
    Need.DRAIN: "All compute nodes must be stopped or QueueUpdateStrategy must be set.",
    Need.TERMINATE: "All compute nodes must be stopped or QueueUpdateStrategy must be set to TERMINATE.",
    Need.FLEET_STOPPED: "All compute nodes must be stopped.",
}


def refusals(old: dict[str, Any], new: dict[str, Any], *, fleet_status: str) -> list[str]:
    """Why the update is refused, one message per change; empty when it may go ahead.

    fleet_status  compute fleet status; a RUNNING fleet without instances still counts as running
    """
    strategy = queue_update_strategy(new)
    return [
        f"{change}: {_reason(change)}"
        for change in cluster_changes(old, new)
        if not change.need.permitted(strategy, fleet_stopped=fleet_status == STOPPED)
    ]


def _reason(change: KeyChange) -> str:
    key = change.difference.key
    return _REASONS.get(change.need, f"Update actions are not currently supported for the '{key}' parameter.")
