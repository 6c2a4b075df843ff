"""Bucket policies without the statements moto cannot judge.

moto ignores a statement's Condition, so a policy that denies plain HTTP would deny everything. Here a
Deny with a condition is left out: the loopback connection stands for TLS.
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(self.policy)
        statements = policy.get("Statement", [])
        judged = [
            statement
            for statement in (statements if isinstance(statements, list) else [statements])
            if statement.get("Effect") != "Deny" or "Condition" not in statement
        ]
        if not judged:
            return PermissionResult.NEUTRAL
        return IAMPolicy(json.dumps(policy | {"Statement": judged})).is_action_permitted(action, resource)

    patches.set(FakeBucket, "get_permission", get_permission)
