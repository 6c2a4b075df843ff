"""The engine's backend: workspaces/bootstrap, run with Terraform, which keeps its state in what it makes.

The first run keeps its state in a file. Once the bucket stands, the state moves into it, and later runs
find it there (ADR 0011). Killed at any point, the next run goes on: from the file, or from the bucket, and
what neither knows of is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.aws import buckets
from engine.aws.account import account_of, require_account
from engine.aws.existing_backend import MODULE, Existing, find_existing_backend
from engine.aws.steps import Outcome, Step
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.folders import write_bootstrap, write_if_changed
from engine.operations.holding import holding
from engine.review.findings import refuse_data_loss
from engine.review.model import Action, Change, Review
from engine.review.plan import build_review
from engine.terraform.runner import Runner
from engine.terraform.state import instances, tainted_instances
from engine.workspace.backend_root import (
    BACKEND_FILE,
    MODULES,
    STATE_KEY,
    backend_file,
    render_backend_root,
)

NAME = "bootstrap"
_PLAN_FILE = "bootstrap.tfplan"
_LOCAL_STATE = "terraform.tfstate"
_LOCK_TABLE = "aws_dynamodb_table.lock"

# What the module makes, as people call it: a thing, and behind the colon what is set on it.
_THINGS = {
    "aws_s3_bucket.this": "state bucket {bucket}",
    "aws_s3_bucket_ownership_controls.this": "state bucket {bucket}: ownership",
    "aws_s3_bucket_public_access_block.this": "state bucket {bucket}: no public access",
    "aws_s3_bucket_versioning.this": "state bucket {bucket}: versioning",
    "aws_s3_bucket_server_side_encryption_configuration.this": "state bucket {bucket}: encryption",
    "aws_s3_bucket_policy.this": "state bucket {bucket}: TLS only",
    "aws_s3_bucket_lifecycle_configuration.this": "state bucket {bucket}: lifecycle",
    _LOCK_TABLE: "lock table {locks}",
    "aws_dynamodb_table.registry": "registry table {registry}",
    "aws_kms_key.this": "key alias/provisioner",
    "aws_kms_alias.this": "key alias/provisioner: alias",
    "aws_ecr_repository.this": "image repository provisioner",
    "aws_ecr_lifecycle_policy.this": "image repository provisioner: lifecycle",
}


@dataclass(frozen=True)
class PlannedBackend:
    """A saved plan of the backend and what it means.

    root          the Terraform root, a copy of workspaces/bootstrap
    state_local   the state is still a file in it
    """

    root: Path
    runner: Runner
    existing: Existing
    review: Review
    has_changes: bool
    state_local: bool


@dataclass(frozen=True)
class Bootstrapped:
    """backend_file: for `terraform init -backend-config` in the other roots."""

    steps: tuple[Step, ...]
    backend_file: Path


def plan_backend(engine: Engine) -> PlannedBackend:
    """Look at what there is and plan the rest; changes nothing at AWS but marks in the state, see _untaint.

    Raises   BackendError for another account than the settings say, WorkspaceBusy, and what
             find_existing_backend and Terraform raise
    """
    with _holding(engine):
        return _plan_backend(engine)


def _plan_backend(engine: Engine) -> PlannedBackend:
    _ = engine.toolchain  # without Terraform, nothing is even looked for
    settings = engine.settings
    account = account_of(engine.cloud)
    require_account(account, settings.require_account())
    engine.reporter.step("Looking for what is there already")
    existing = find_existing_backend(
        engine.cloud,
        account_id=account,
        state_bucket=settings.state_bucket,
        lock_table=settings.lock_table,
        registry_table=settings.registry_table,
    )
    state_local = not _stored_state(engine)
    root = _write_root(engine, existing, state_local=state_local)
    checked = not state_local and _LOCK_TABLE in existing
    runner = engine.runner_in(
        root,
        project=NAME,
        log_path=engine.home / "logs" / f"{NAME}.log",
        on_written=(lambda: engine.settle_digest(STATE_KEY)) if checked else None,
    )
    engine.reporter.step("Initialising Terraform")
    runner.init(backend_config=None if state_local else _backend_config(root))
    _untaint(runner)
    engine.reporter.step("Planning")
    planned = runner.plan(root / _PLAN_FILE)
    review = build_review(runner.show_plan(root / _PLAN_FILE), project=NAME)
    return PlannedBackend(root, runner, existing, review, planned.has_changes, state_local)


def bootstrap(engine: Engine, *, approve: Callable[[Review], None]) -> Bootstrapped:
    """Make the state bucket, the tables, the key and the image repository, or put right what has drifted.

    Doing it again changes nothing. approve is shown the review before anything is changed, and raises
    NotConfirmed to stop.
    Raises   NotConfirmed, DataAtRisk (nothing changed); TerraformError, and what plan_backend raises: the
             same call again goes on from there
    """
    with _holding(engine):  # until the end: what is applied is what was shown
        return _bootstrap(engine, approve)


def _bootstrap(engine: Engine, approve: Callable[[Review], None]) -> Bootstrapped:
    planned = _plan_backend(engine)
    refuse_data_loss(planned.review)
    if planned.has_changes:
        approve(planned.review)
        engine.reporter.step("Applying")
        planned.runner.apply(planned.root / _PLAN_FILE)
    if planned.state_local:
        engine.reporter.step("Moving the state into the bucket")
        _move_state(engine, planned)
    remove_local_state(engine, planned.root)
    file = engine.workspaces.parent / BACKEND_FILE
    write_if_changed(file, backend_file(engine.settings))
    return Bootstrapped(steps_of(planned.review, engine.settings), file)


def _holding(engine: Engine) -> AbstractContextManager[None]:
    bucket = engine.settings.state_bucket
    path = engine.home / "locks" / NAME / f"{bucket}.lock"
    return holding(engine, path, f"on the backend with the state bucket {bucket}")


def steps_of(review: Review, settings: Settings) -> tuple[Step, ...]:
    """What the plan did to each thing, settings behind what they are set on."""
    outcomes = {
        _thing(change, settings): _outcome(change) for change in review.changes if change.mode == "managed"
    }
    for thing, outcome in outcomes.items():
        # A setting that had gone from what stays was not new: it was mended.
        if outcome is Outcome.CREATED and outcomes.get(_owner(thing)) is not Outcome.CREATED:
            outcomes[thing] = Outcome.REPAIRED
    order = [_named(thing, settings) for thing in _THINGS.values()]
    ordered = sorted(outcomes, key=lambda thing: order.index(thing) if thing in order else len(order))
    return tuple(Step(thing, outcomes[thing]) for thing in ordered)


def _thing(change: Change, settings: Settings) -> str:
    address = change.address.removeprefix(f"{MODULE}.")
    return _named(_THINGS.get(address, change.address), settings)


def _named(thing: str, settings: Settings) -> str:
    return thing.format(
        bucket=settings.state_bucket, locks=settings.lock_table, registry=settings.registry_table
    )


def _owner(thing: str) -> str:
    return thing.partition(": ")[0]


def _outcome(change: Change) -> Outcome:
    if change.action is Action.CREATE:
        return Outcome.CREATED
    idle = (Action.NO_CHANGE, Action.IMPORT, Action.MOVE)
    return Outcome.UNCHANGED if change.action in idle else Outcome.REPAIRED


def _write_root(engine: Engine, existing: Existing, *, state_local: bool) -> Path:
    # Each bucket is an installation of its own; states of two must not meet in one file.
    folder = engine.home / NAME / engine.settings.state_bucket
    files = render_backend_root(
        engine.settings,
        {f"{MODULE}.{address}": found for address, found in existing.items()},
        local_state=state_local,
        locked=_LOCK_TABLE in existing,
    )
    return write_bootstrap(folder, files, MODULES)


def _backend_config(root: Path) -> Path:
    return root.parent / BACKEND_FILE


def _untaint(runner: Runner) -> None:
    """Keep what an interruption tainted: Terraform would replace it, and prevent_destroy refuse that.

    Each of these things exists when the call that made it has returned. What was to be set on it afterwards
    is seen, and done, by the plan.
    """
    for instance in tainted_instances(runner.state()):
        runner.untaint(instance.address)


def _move_state(engine: Engine, planned: PlannedBackend) -> None:
    # One that an earlier bucket of that name left behind would make Terraform refuse the state.
    engine.state_store.forget_digest(STATE_KEY)
    root = _write_root(
        engine, planned.existing | {_LOCK_TABLE: engine.settings.lock_table}, state_local=False
    )
    planned.runner.migrate_state(backend_config=_backend_config(root))


def remove_local_state(engine: Engine, root: Path) -> None:
    """Remove the state's file once all it knows is known in the bucket."""
    file = root / _LOCAL_STATE
    if not file.is_file():
        return
    if not _known(json.loads(file.read_text("utf-8"))) <= _known(_stored_state(engine)):
        engine.reporter.note(f"{file} knows of things that the state in the bucket does not: it is kept")
        return
    for one in root.glob(f"{_LOCAL_STATE}*"):
        one.unlink()


def _known(state: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(instance.address, instance.id) for instance in instances(state)}


def _stored_state(engine: Engine) -> dict[str, Any]:
    """The backend's own state in the bucket; {} when there is none. Terraform gives it another lineage
    when it moves it, so states are compared by what they know."""
    stored = buckets.find_object(engine.cloud, engine.settings.state_bucket, STATE_KEY)
    return json.loads(stored) if stored else {}
