"""The folder in which a team keeps its specs: one file for each project, and nothing else of their kind."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import FieldProblem, InvalidSpec
from engine.model.spec import ProjectSpec, load_spec
from engine.operations.installation import read_text, why_unread
from engine.workspace.render import ROOT_FILE, SPEC_FILE

_ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class SpecFile:
    """A file of the folder: its `spec`, or why it is none."""

    path: Path
    spec: ProjectSpec | None = None
    refusal: InvalidSpec | None = None


def specs_in(folder: Path, *, known_tiers: Collection[str] | None) -> list[SpecFile]:
    """Every YAML and JSON file of a folder and those below it; none where there is no such folder.

    A file that is no spec is refused, not passed over: what was meant to be one would be forgotten without a
    word, or taken for a project that is given up. Hidden files and folders and generated workspaces are
    something else.

    known_tiers   None leaves the tiers unchecked
    """
    return [_read(path, known_tiers) for path in _documents(folder)]


def one_for_each_project(files: Sequence[SpecFile]) -> list[SpecFile]:
    """The same files; of two specs of one project neither is taken, since nobody knows which is meant."""
    by_project: dict[str, list[Path]] = {}
    for one in files:
        if one.spec is not None:
            by_project.setdefault(one.spec.project, []).append(one.path)
    return [_alone(one, by_project[one.spec.project]) if one.spec else one for one in files]


def require_specs(files: Iterable[SpecFile]) -> dict[Path, ProjectSpec]:
    """The spec of each file.

    Raises   InvalidSpec   with what is wrong in any of them, all at once
    """
    specs: dict[Path, ProjectSpec] = {}
    problems: list[FieldProblem] = []
    for one in files:
        if one.spec is not None:
            specs[one.path] = one.spec
        elif one.refusal is not None:
            problems += [
                FieldProblem(f"{one.path}: {each.path}", each.problem, each.allowed, each.example)
                for each in one.refusal.problems
            ]
    if problems:
        raise InvalidSpec(
            f"{len(problems)} problem(s) in the specs:", problems, hint="Mend them; nothing was planned."
        )
    return specs


def _documents(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if {ROOT_FILE, SPEC_FILE} <= set(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(parent, name)
            for name in sorted(files)
            if name.endswith(_ENDINGS) and not name.startswith(".")
        )


def _read(path: Path, known_tiers: Collection[str] | None) -> SpecFile:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        return SpecFile(path, refusal=_refusal(path, FieldProblem("document", why_unread(error))))
    try:
        return SpecFile(path, load_spec(text, source=str(path), known_tiers=known_tiers))
    except InvalidSpec as error:
        return SpecFile(path, refusal=error)


def _alone(one: SpecFile, paths: list[Path]) -> SpecFile:
    if len(paths) == 1 or one.spec is None:
        return one
    others = ", ".join(str(path) for path in paths if path != one.path)
    problem = FieldProblem("project_id", f"{one.spec.project} has another spec, too: {others}")
    return SpecFile(one.path, refusal=_refusal(one.path, problem))


def _refusal(path: Path, problem: FieldProblem) -> InvalidSpec:
    return InvalidSpec(f"The spec {path} is not taken.", [problem])
