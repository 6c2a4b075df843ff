"""The ground projects stand on: making the backend, and looking whether everything is there."""

from __future__ import annotations

from engine.aws import bootstrap as backend
from engine.aws.checks import Check
from engine.aws.preflight import account_of, examine_backend, require_account
from engine.aws.shared_ground import examine_shared_ground
from engine.aws.steps import Step
from engine.errors import TerraformMissing
from engine.operations.engine import Engine
from engine.operations.planning import ground_names


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


def examine(engine: Engine) -> list[Check]:
    """Every check of the toolchain, the backend and the shared infrastructure; none stops the others."""
    checks = _toolchain_checks(engine)
    settings = engine.settings
    backend_found = examine_backend(
        engine.cloud,
        account_id=settings.require_account(),
        state_bucket=settings.state_bucket,
        lock_table=settings.lock_table,
        registry_table=settings.registry_table,
    )
    if not backend_found[0].ok:
        return checks + backend_found  # the account does not answer: nothing else would
    return checks + backend_found + examine_shared_ground(engine.cloud, **ground_names(engine))


def _toolchain_checks(engine: Engine) -> list[Check]:
    try:
        tools = engine.toolchain
    except TerraformMissing as error:
        return [Check("terraform", False, error.message, error.hint, error.code)]
    return [
        Check("terraform", True, f"{tools.product} {tools.version} at {tools.binary}"),
        Check("aws provider", True, str(tools.provider_mirror or "from the registry, when first needed")),
    ]
