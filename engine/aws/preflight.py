"""Is the backend there? Quick looks at account, state bucket and tables that change nothing."""

from __future__ import annotations

from engine.aws.account import account_of, require_account
from engine.aws.buckets import find_state_bucket
from engine.aws.checks import Check, Level, Probe, error_check, run_probes
from engine.aws.session import Cloud
from engine.aws.tables import LOCK_KEY, REGISTRY_KEY, TableKey, describe_table, has_key
from engine.errors import BackendError, EngineError, NotBootstrapped

SUBJECT = "backend"
_BOOTSTRAP = "Run `provisioner bootstrap`."


def check_backend(
    cloud: Cloud, *, account_id: str | None, state_bucket: str, lock_table: str, registry_table: str
) -> str:
    """Make sure, before any work, that Terraform's state and the registry can be reached.

    account_id  the account the settings expect; None takes whatever the credentials belong to
    Returns     id of the account, 12 digits
    Raises      Unreachable; AccessDenied; BackendError for another account than expected; WrongRegion;
                NotBootstrapped naming everything that is missing
    """
    quick = cloud.impatient()
    account = account_of(quick)
    if account_id is not None:
        require_account(account, account_id)
    missing: list[str] = []
    looks = _backend_probes(quick, account, state_bucket, lock_table, registry_table)
    for probe in looks:
        try:
            probe.look()
        except NotBootstrapped:
            missing.append(probe.name)
    if missing:
        raise NotBootstrapped(
            f"The engine's backend is not set up in account {account}, region {cloud.region}: "
            f"missing {', '.join(missing)}.",
            hint=_BOOTSTRAP,
            details={"missing": missing, "account_id": account, "region": cloud.region},
        )
    return account


def examine_backend(
    cloud: Cloud, *, account_id: str | None, state_bucket: str, lock_table: str, registry_table: str
) -> list[Check]:
    """The same looks for `doctor`: one Check each, never an error. Without an account only that one."""
    quick = cloud.impatient()
    try:
        account = account_of(quick)
        if account_id is not None:
            require_account(account, account_id)
    except EngineError as error:
        return [error_check(SUBJECT, "AWS account", error)]
    probes = _backend_probes(quick, account, state_bucket, lock_table, registry_table)
    return [Check(SUBJECT, "AWS account", Level.OK, account), *run_probes(SUBJECT, probes)]


def _backend_probes(
    cloud: Cloud, account_id: str, state_bucket: str, lock_table: str, registry_table: str
) -> list[Probe]:
    return [
        Probe(f"state bucket {state_bucket}", lambda: _look_at_bucket(cloud, state_bucket, account_id)),
        Probe(f"lock table {lock_table}", lambda: _look_at_table(cloud, lock_table, LOCK_KEY)),
        Probe(
            f"registry table {registry_table}", lambda: _look_at_table(cloud, registry_table, REGISTRY_KEY)
        ),
    ]


def _look_at_bucket(cloud: Cloud, name: str, account_id: str) -> str:
    found = find_state_bucket(cloud, name, account_id=account_id)
    if found is None:
        raise NotBootstrapped(f"There is no state bucket {name}.", hint=_BOOTSTRAP)
    return f"in {found.region}"


def _look_at_table(cloud: Cloud, name: str, key: TableKey) -> str:
    table = describe_table(cloud, name)
    if table is None:
        raise NotBootstrapped(
            f"There is no table {name} in {cloud.region}.",
            hint=f"{_BOOTSTRAP} If it was run in another region, correct the region.",
        )
    status = table.get("TableStatus")
    # UPDATING and the archiving states still answer; these two don't, or not for long.
    if status in {"CREATING", "DELETING"}:
        raise NotBootstrapped(f"The table {name} is {status}.", hint=f"Wait a moment. {_BOOTSTRAP}")
    if not has_key(table, key):
        raise BackendError(
            f"The table {name} has another key than the engine's.",
            hint="Name another table in the settings, then run `provisioner bootstrap`.",
        )
    return f"{status}"
