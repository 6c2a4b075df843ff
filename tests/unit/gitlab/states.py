"""States of a repository of specs, as their texts."""

from __future__ import annotations

from engine.gitlab import changes
from engine.gitlab.changes import SpecChanges
from engine.model.spec import ProjectSpec, load_spec


def compare(before: dict[str, str], after: dict[str, str], *, everything: bool = False) -> SpecChanges:
    return changes.compare(_read(before), _read(after), everything=everything)


def _read(texts: dict[str, str]) -> dict[str, ProjectSpec]:
    return {path: load_spec(text, source=path) for path, text in texts.items()}
