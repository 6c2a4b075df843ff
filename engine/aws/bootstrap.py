"""Everything that must exist in an account before the first project: bucket and tables."""

from __future__ import annotations

from collections.abc import Mapping

from engine.aws.session import Cloud
from engine.aws.state_bucket import ensure_state_bucket
from engine.aws.steps import Step
from engine.aws.tables import ensure_lock_table, ensure_registry_table


def ensure_backend(
    cloud: Cloud,
    *,
    account_id: str,
    state_bucket: str,
    lock_table: str,
    registry_table: str,
    tags: Mapping[str, str] | None = None,
) -> list[Step]:
    """Make the state bucket, the lock table and the registry table, or put right what has drifted.

    tags     put on tables that are made now
    Returns  one Step per item; all of them `unchanged` when it is repeated
    Raises   what ensure_state_bucket and ensure_table raise; steps before the failure stay done
    """
    return [
        *ensure_state_bucket(cloud, name=state_bucket, account_id=account_id),
        *ensure_lock_table(cloud, name=lock_table, tags=tags),
        *ensure_registry_table(cloud, name=registry_table, tags=tags),
    ]
