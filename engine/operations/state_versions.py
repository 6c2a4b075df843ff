"""The earlier states of a project: listed, shown, compared, and put back where they fit what exists."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.aws.registry import Phase
from engine.aws.state_store import StateCorrupt, StateVersion, parse_state
from engine.errors import RequestError
from engine.model.names import Names
from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.planning import PLAN_FILE, on_its_release, write_project
from engine.operations.states import summary, with_serial
from engine.review.model import Review
from engine.review.plan import build_review
from engine.workspace.stack import Presence

_LOCAL_BACKEND = "backend_override.tf.json"
_STATE_FILE = "terraform.tfstate"


class NoSuchVersion(RequestError):
    """The project's state has no such version."""

    code = "NO_SUCH_STATE_VERSION"


class StateDoesNotFit(RequestError):
    """The state that was to be restored is not what exists, or not of this project."""

    code = "STATE_DOES_NOT_FIT"


@dataclass(frozen=True)
class Difference:
    """What another state has more, less, or under another id; each address -> id, or (before, after)."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Restored:
    """serial: of the state that was written; review: what a plan with it would do."""

    serial: int
    review: Review


def list_versions(engine: Engine, names: Names) -> list[StateVersion]:
    """Every version of the project's state, newest first; also of a project that the registry lost."""
    return engine.state_store.versions(names.state_key)


def show_version(engine: Engine, names: Names, version_id: str | None) -> dict[str, Any]:
    """What may be shown of one version: serial, lineage, addresses and ids. None: the latest.

    Raises   NoSuchVersion, StateCorrupt
    """
    return summary(_read(engine, names, version_id))


def compare_versions(engine: Engine, names: Names, one: str, other: str | None) -> Difference:
    """What `other` (None: the latest) has otherwise than `one`. Raises as `show_version`."""
    before = show_version(engine, names, one)["resources"]
    after = show_version(engine, names, other)["resources"]
    return Difference(
        added={name: after[name]["id"] for name in after if name not in before},
        removed={name: before[name]["id"] for name in before if name not in after},
        changed={
            name: (before[name]["id"], after[name]["id"])
            for name in before
            if name in after and before[name] != after[name]
        },
    )


def restore(engine: Engine, vlab_id: str, project_id: str, version_id: str, *, force: bool) -> Restored:
    """Make an earlier state the latest one, once a plan has shown that it is what exists.

    The plan is made in a folder of its own with the state as a file, so nothing is written before it fits.
    The version that is replaced stays in the bucket.
    force    although it does not fit, or belongs to another lineage; never over what was written meanwhile
    Raises   UnknownProject, NoSuchVersion, StateCorrupt, StateLocked, StateDoesNotFit (nothing was changed)
    """
    record = records.record_of(engine, vlab_id, project_id)
    names = engine.names(vlab_id, project_id)
    engine = on_its_release(engine, names)
    wanted = _read(engine, names, version_id)
    latest = _latest(engine, names)
    if latest and latest["lineage"] != wanted["lineage"] and not force:
        raise StateDoesNotFit(
            f"That version is of another lineage than the state of {record.project}, which was begun anew.",
            hint="Compare the two with `provisioner state diff`; --force restores it all the same.",
        )
    presence = Presence.PARKED if record.phase in (Phase.PARKED, Phase.PARKING) else Presence.RUNNING
    engine.reporter.step("Comparing that state with what exists")
    review = _planned_with(engine, names, wanted, records.spec_of(record), presence)
    if not review.nothing_to_do and not force:
        changes = [change for change in review.changes if change.action not in ("no-change", "read")]
        raise StateDoesNotFit(
            f"That state is not what exists of {record.project}; with it Terraform would "
            + ", ".join(f"{change.action} {change.address}" for change in changes[:8])
            + (f" and {len(changes) - 8} more" if len(changes) > 8 else "")
            + ". Nothing was changed.",
            hint="Choose another version, or restore it with --force and review the plan that follows.",
            details={"changes": [{"address": one.address, "action": one.action} for one in changes]},
        )
    serial = max(wanted["serial"], latest["serial"] if latest else 0) + 1
    engine.reporter.step("Restoring the state")
    with engine.state_lock(names).held("state restore"):
        # The plan took its time, and held no lock: what was written meanwhile knows what was made meanwhile.
        if _latest(engine, names) != latest:
            raise StateDoesNotFit(
                f"Somebody wrote the state of {record.project} while that version was looked at. "
                "Nothing was changed.",
                hint=f"`provisioner state list {record.project}` shows what is there now; restore again if "
                "that is still wanted.",
            )
        engine.state_store.write(names.state_key, with_serial(wanted, serial))
    return Restored(serial, review)


def _planned_with(
    engine: Engine, names: Names, state: Mapping[str, Any], spec: Any, presence: Presence
) -> Review:
    folder = engine.home / "restore" / names.directory
    shutil.rmtree(folder, ignore_errors=True)
    try:
        write_project(engine, spec, presence, folder=folder)
        (folder / _LOCAL_BACKEND).write_text(json.dumps({"terraform": {"backend": {"local": {}}}}), "utf-8")
        _write_private(folder / _STATE_FILE, json.dumps(state))
        runner = engine.runner(names, folder)
        runner.init()
        plan_file = folder / PLAN_FILE
        runner.plan(plan_file)
        return build_review(runner.show_plan(plan_file), project=names.project)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _read(engine: Engine, names: Names, version_id: str | None) -> dict[str, Any]:
    content = engine.state_store.read(names.state_key, version_id)
    if content is None:
        raise NoSuchVersion(
            f"The state of {names.project} has no version {version_id}."
            if version_id
            else f"{names.project} has no state.",
            hint=f"`provisioner state list {names.project}` shows the versions there are.",
        )
    return parse_state(content, project=names.project)


def _latest(engine: Engine, names: Names) -> dict[str, Any]:
    """{} also where it cannot be read: that is what is repaired here."""
    content = engine.state_store.read(names.state_key)
    try:
        return parse_state(content, project=names.project) if content else {}
    except StateCorrupt:
        return {}
