"""Two states of a folder of specs → which projects changed, and which are gone.

Compared are the specs as they are read, by project: a comment, another order of the fields or another file
name changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.model.spec import ProjectSpec


@dataclass(frozen=True)
class ChangedSpec:
    """path   relative to the repository, with forward slashes"""

    path: str
    spec: ProjectSpec


@dataclass(frozen=True)
class SpecChanges:
    """What lies between two states, each in the order of the projects' names.

    changed   the specs that are new or other than before, as they are now
    removed   the specs of projects that have none any more, as they were
    """

    changed: tuple[ChangedSpec, ...]
    removed: tuple[ChangedSpec, ...]


def compare(
    before: Mapping[str, ProjectSpec], after: Mapping[str, ProjectSpec], *, everything: bool = False
) -> SpecChanges:
    """Compare two states of the repository's specs, each path → spec; `after` has one for each project.

    everything   count every project that has a spec as changed
    """
    then, now = _by_project(before), _by_project(after)
    changed = (
        file
        for project, file in now.items()
        if everything or project not in then or then[project].spec != file.spec
    )
    removed = (file for project, file in then.items() if project not in now)
    return SpecChanges(tuple(sorted(changed, key=_project)), tuple(sorted(removed, key=_project)))


def _by_project(specs: Mapping[str, ProjectSpec]) -> dict[str, ChangedSpec]:
    found: dict[str, ChangedSpec] = {}
    for path, spec in sorted(specs.items()):
        found.setdefault(spec.project, ChangedSpec(path, spec))
    return found


def _project(file: ChangedSpec) -> str:
    return file.spec.project
