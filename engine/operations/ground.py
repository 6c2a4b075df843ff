"""The ground projects stand on: making the backend."""

from __future__ import annotations

from engine.aws import bootstrap as backend
from engine.aws.preflight import account_of, require_account
from engine.aws.steps import Step
from engine.operations.engine import Engine


def bootstrap(engine: Engine) -> list[Step]:
    """Make the state bucket, the lock table and the registry; safe to repeat."""
    settings = engine.settings
    account = account_of(engine.cloud)
    require_account(account, settings.require_account())
    return backend.ensure_backend(
        engine.cloud,
        account_id=account,
        state_bucket=settings.state_bucket,
        lock_table=settings.lock_table,
        registry_table=settings.registry_table,
    )
