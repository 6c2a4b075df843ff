"""Two states of a folder of specs → which projects changed, and which are gone.

Compared are the specs as they are read, by project: a comment, another order of the fields or another file
name changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.errors import FieldProblem, InvalidSpec
from engine.model.spec import ProjectSpec, load_spec


@dataclass(frozen=True)
class SpecFile:
    """path   relative to the repository, with forward slashes"""

    path: str
    spec: ProjectSpec


@dataclass(frozen=True)
class SpecChanges:
    """What lies between two states, each in the order of the projects' names.

    changed   the specs that are new or other than before, as they are now
    removed   the specs of projects that have none any more, as they were
    """

    changed: tuple[SpecFile, ...]
    removed: tuple[SpecFile, ...]


def compare(
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    known_tiers: Collection[str] | None = None,
    everything: bool = False,
) -> SpecChanges:
    """Compare two states of the repository's specs, each path → text.

    everything   count every project that has a spec as changed
    Raises   InvalidSpec   for what is wrong now, all files at once: a broken spec, or two of one project.
             A spec that was broken before has no part in the comparison.
    """
    now = _read(after, known_tiers)
    then = _read_what_can_be(before)
    changed = (
        file
        for project, file in now.items()
        if everything or project not in then or then[project].spec != file.spec
    )
    removed = (file for project, file in then.items() if project not in now)
    return SpecChanges(tuple(sorted(changed, key=_project)), tuple(sorted(removed, key=_project)))


def _project(file: SpecFile) -> str:
    return file.spec.project


def _read(files: Mapping[str, str], known_tiers: Collection[str] | None) -> dict[str, SpecFile]:
    found: dict[str, SpecFile] = {}
    problems: list[FieldProblem] = []
    for path, text in sorted(files.items()):
        try:
            spec = load_spec(text, source=path, known_tiers=known_tiers)
        except InvalidSpec as error:
            problems += [
                FieldProblem(f"{path}: {one.path}", one.problem, one.allowed, one.example)
                for one in error.problems
            ]
            continue
        first = found.setdefault(spec.project, SpecFile(path, spec))
        if first.path != path:
            problems.append(FieldProblem(path, f"is a second spec of {spec.project}, beside {first.path}"))
    if problems:
        raise InvalidSpec(
            f"{len(problems)} problem(s) in the specs:", problems, hint="Mend them; nothing was planned."
        )
    return found


def _read_what_can_be(files: Mapping[str, str]) -> dict[str, SpecFile]:
    found: dict[str, SpecFile] = {}
    for path, text in sorted(files.items()):
        try:
            spec = load_spec(text, source=path)
        except InvalidSpec:
            continue
        found.setdefault(spec.project, SpecFile(path, spec))
    return found
