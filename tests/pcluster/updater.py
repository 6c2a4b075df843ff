"""Asks AWS ParallelCluster what it does with a changed configuration. Runs in .venv-pcluster.

Standard input:   [{"old": {...}, "new": {...}, "stopped": false}]
Standard output:  [[["Scheduling.SlurmQueues[q].CapacityType", "QUEUE_UPDATE_STRATEGY", true]]]: for each
                  case the changed keys, AWS's policy, and whether AWS takes the change; null where
                  ConfigPatch itself breaks off
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from unittest.mock import MagicMock

os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

from pcluster.config.config_patch import Change, ConfigPatch
from pcluster.config.update_policy import UpdatePolicy


def verdicts(case: dict[str, Any]) -> list[list[Any]] | None:
    # Its policies read the region from the environment.
    os.environ["AWS_DEFAULT_REGION"] = case["new"].get("Region", "us-east-1")
    cluster = MagicMock()
    cluster.has_running_capacity.return_value = not case["stopped"]
    cluster.has_running_login_nodes.return_value = False
    try:
        patch = ConfigPatch(cluster, case["old"], case["new"])
    except (AttributeError, TypeError):
        return None
    return [[label(change), change.update_policy.name, allowed(change, patch)] for change in patch.changes]


def label(change: Change) -> str:
    key = change.key
    if change.is_list:
        member = change.new_value or change.old_value
        name = next((member[one] for one in ("Name", "Key") if one in member), None)
        key += f"[{name or member.get('InstanceType') or member.get('BucketName') or member.get('Policy')}]"
    return ".".join([*change.path, key])


def allowed(change: Change, patch: ConfigPatch) -> bool:
    try:
        result, *_ = change.update_policy.check(change, patch)
    except AttributeError:
        return False  # the provider's function breaks off, and with it the update
    return bool(result == UpdatePolicy.CheckResult.SUCCEEDED)


if __name__ == "__main__":
    json.dump([verdicts(case) for case in json.load(sys.stdin)], sys.stdout)
