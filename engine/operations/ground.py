"""Looking whether everything is there that projects stand on."""

from __future__ import annotations

from engine.aws.checks import Check
from engine.aws.preflight import examine_backend
from engine.aws.shared_ground import examine_shared_ground
from engine.errors import TerraformMissing
from engine.operations.engine import Engine
from engine.operations.planning import ground_names


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
