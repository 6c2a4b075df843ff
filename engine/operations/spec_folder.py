"""The specs that a team keeps in a folder, beside whatever else lies there."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import FieldProblem, InvalidSpec
from engine.model.documents import Unreadable, examine_document
from engine.model.spec import ProjectSpec, load_spec
from engine.operations.installation import read_text, why_unread
from engine.workspace.render import ROOT_FILE, SPEC_FILE

_ENDINGS = (".yaml", ".yml")
# A mapping with one of these is meant to be a spec, however wrong the rest of it is.
_TELLING = ("vlab_id", "project_id")


@dataclass(frozen=True)
class SpecFile:
    """A file that is a spec, or means to be one: `spec`, or why it is none."""

    path: Path
    spec: ProjectSpec | None = None
    refusal: InvalidSpec | None = None


def specs_in(folder: Path, *, known_tiers: Collection[str]) -> list[SpecFile]:
    """Every spec in the YAML files of a folder and those below it, by path.

    Files without `vlab_id` and `project_id` are something else. Hidden folders and generated workspaces are
    passed over. Of two specs of one project neither is taken.
    """
    found = [one for path in _documents(folder) if (one := _read(path, known_tiers)) is not None]
    by_project: dict[str, list[Path]] = {}
    for one in found:
        if one.spec is not None:
            by_project.setdefault(one.spec.project, []).append(one.path)
    return [_alone(one, by_project[one.spec.project]) if one.spec else one for one in found]


def _documents(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if {ROOT_FILE, SPEC_FILE} <= set(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(_ENDINGS))


def _read(path: Path, known_tiers: Collection[str]) -> SpecFile | None:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        return SpecFile(path, refusal=_refusal(path, [FieldProblem(str(path), why_unread(error))]))
    if not _means_a_spec(text):
        return None
    try:
        return SpecFile(path, load_spec(text, source=str(path), known_tiers=known_tiers))
    except InvalidSpec as error:
        return SpecFile(path, refusal=error)


def _means_a_spec(text: str) -> bool:
    try:
        value: Any = examine_document(text).value
    except Unreadable:
        return any(name in text for name in _TELLING)
    return isinstance(value, dict) and any(name in value for name in _TELLING)


def _alone(one: SpecFile, paths: list[Path]) -> SpecFile:
    if len(paths) == 1 or one.spec is None:
        return one
    others = ", ".join(str(path) for path in paths if path != one.path)
    problem = FieldProblem("project_id", f"{one.spec.project} has another spec, too: {others}")
    return SpecFile(one.path, refusal=_refusal(one.path, [problem]))


def _refusal(path: Path, problems: list[FieldProblem]) -> InvalidSpec:
    return InvalidSpec(f"The spec {path} is not taken.", problems)
