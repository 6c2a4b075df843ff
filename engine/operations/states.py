"""The Terraform state of a project: read from its bucket without starting Terraform, and kept sound."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from engine.aws.registry import Phase, ProjectRecord
from engine.aws.state_store import parse_state
from engine.errors import BackendError, TerraformError
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.folders import ERRORED, Installation, free_name, hand_over
from engine.terraform.mirror import REGISTRIES
from engine.terraform.runner import Runner
from engine.terraform.state import instances, provider_hosts

_DONE = (Phase.READY, Phase.PARKED)
_BEING_APPLIED = (Phase.APPLYING, Phase.FAILED)


class StateMissing(BackendError):
    """The last run of the project came to its end, and its Terraform state is not there any more."""

    code = "STATE_MISSING"


def read_state(engine: Engine, names: Names) -> dict[str, Any]:
    """The state as it is stored (format version 4); {} when there is none. It holds sensitive values.

    Raises   StateCorrupt, AccessDenied, Unreachable, BackendError
    """
    stored = engine.state_store.read(names.state_key)
    return parse_state(stored, project=names.project) if stored else {}


def made_nothing(engine: Engine, names: Names) -> bool:
    """Whether no resource of the project is in its state; raises as `read_state` does."""
    return not list(instances(read_state(engine, names)))


class StateOfOpenTofu(BackendError):
    """OpenTofu wrote the project's state last, and this machine runs Terraform."""

    code = "STATE_OF_OPENTOFU"


@dataclass(frozen=True)
class Stored:
    """What is stored of a project before it is planned, looked up once. `state` as `read_state` gives it."""

    state: dict[str, Any]
    record: ProjectRecord | None


def require_sound(engine: Engine, names: Names, record: ProjectRecord | None = None) -> Stored:
    """Look before Terraform does: a state that was lost or spoilt is told, never written over.

    record   of the project, where it was read just now; None: it is asked for

    A digest that does not fit the state is mended where the last run died, since it may have died between
    writing the one and the other; where it came to its end somebody has replaced the state, and Terraform
    says so.
    Raises   StateCorrupt, StateMissing, StateOfOpenTofu
    """
    store = engine.state_store
    content = store.read(names.state_key)
    record = record or engine.registry.get(names.vlab_id, names.project_id)
    came_to_its_end = record is not None and record.phase in _DONE
    if content is None:
        if came_to_its_end:
            bucket = engine.settings.state_bucket
            raise StateMissing(
                f"{names.project} was made, and its state is not in the bucket {bucket}. "
                "Nothing was changed.",
                hint="Was the setting `state_bucket` another one before? Then set it back: the state is in "
                f"that bucket. If not, `provisioner state list {names.project}` shows earlier versions, "
                "`state restore` puts one back. Only where none is left, `provisioner orphans --adopt` makes "
                "a state of what exists.",
                details={"project": names.project, "state_bucket": bucket, "state_key": names.state_key},
            )
        return Stored({}, record)
    stored = Stored(parse_state(content, project=names.project), record)
    _require_our_product(engine, names, stored.state)
    if came_to_its_end:
        return stored
    if store.settle_digest(names.state_key):
        engine.reporter.note("The last run died while it wrote the state; its checksum is right again")
    return stored


def _require_our_product(engine: Engine, names: Names, state: dict[str, Any]) -> None:
    """Refuse to hand Terraform a state that names OpenTofu's registry.

    OpenTofu translates a state of Terraform's; Terraform asks for a second AWS provider, of no version that
    anybody has pinned, and then for its schemas.
    Source   OpenTofu, pull request 773 (the state is rewritten by the first apply) and issue 763
    """
    if engine.toolchain.product == "terraform" and REGISTRIES["tofu"] in provider_hosts(state):
        raise StateOfOpenTofu(
            f"The state of {names.project} was written by OpenTofu, which Terraform cannot read "
            f"({engine.toolchain.binary}). Nothing was changed.",
            hint="Use OpenTofu here too (setting `terraform`), or give the state back to Terraform by "
            "`terraform state replace-provider` (docs/recovery.md).",
            details={"project": names.project, "state_key": names.state_key},
        )


def installation_of(engine: Engine) -> Installation:
    """Where the states of the engine's installation are kept."""
    return Installation(engine.settings.require_account(), engine.settings.state_bucket)


def claim_workspace(engine: Engine, names: Names) -> None:
    """Make the project's workspace, which was just written, that of the engine's installation; what another
    one has left in it is put aside, and told. To be called before Terraform works in it."""
    aside = hand_over(engine.folder(names), installation_of(engine))
    if aside is not None:
        engine.reporter.note(
            f"A state of {names.project} that could not be saved is of another account or state bucket: it "
            f"is kept in {aside}, for the next run there"
        )


def push_errored(engine: Engine, names: Names, runner: Runner) -> bool:
    """Hand in the state that an apply could only write to its own disk; True when it was newer.

    runner   in the project's workspace, initialised
    The file stays under another name. It belongs to the stored state when the lineage is the same, and is
    newer when its serial is higher; a first state has nothing to compare with, so that it must be known that
    one was being made.
    Raises   StateCorrupt, and what pushing raises
    """
    errored = runner.workdir / ERRORED
    if not errored.is_file():
        return False
    saved = parse_state(errored.read_bytes(), project=names.project)
    stored = read_state(engine, names)
    if not stored and not _is_being_applied(engine, names):
        kept = free_name(errored, ".kept")
        errored.rename(kept)
        engine.reporter.note(
            f"{errored} is no state of this installation, where nothing of {names.project} was applied yet: "
            f"it is not handed in, and kept as {kept.name}"
        )
        return False
    same = not stored or stored["lineage"] == saved["lineage"]
    newer = not stored or saved["serial"] > stored["serial"]
    if same and newer:
        runner.push_state(errored)
        engine.reporter.note("The last run could not save its state, and had left it here: it is saved now")
    elif not same:
        raise TerraformError(
            f"{errored} is not from the state of {names.project} that is stored now (another lineage).",
            hint="Somebody replaced the state. Compare the two, and take the file away when it is of no use.",
            details={"file": str(errored)},
        )
    errored.rename(free_name(errored, ".done"))
    return same and newer


def _is_being_applied(engine: Engine, names: Names) -> bool:
    record = engine.registry.get(names.vlab_id, names.project_id)
    return record is not None and record.phase in _BEING_APPLIED


def summary(state: dict[str, Any]) -> dict[str, Any]:
    """What may be shown of a state: no value of any attribute, but the ids."""
    return {
        "serial": state["serial"],
        "lineage": state["lineage"],
        "terraform_version": state.get("terraform_version", ""),
        "resources": {
            one.address: {"id": one.id, "tainted": one.tainted}
            for one in sorted(instances(state), key=lambda one: one.address)
        },
    }


def with_serial(state: dict[str, Any], serial: int) -> bytes:
    """A state's text, under another serial."""
    return (json.dumps({**state, "serial": serial}, indent=2) + "\n").encode()
