"""Changes to moto's classes that can be taken back.

moto keeps its backends in module globals, so one process has one cloud. Each extension says which
attributes it replaces; stopping the cloud puts the originals back, last change first.
"""

from __future__ import annotations

from typing import Any

_MISSING = object()


class Patches:
    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace (or add) an attribute; gives the original back, None when there was none."""
        original = owner.__dict__.get(name, _MISSING)
        self._undo.append((owner, name, original))
        inherited = getattr(owner, name, None)
        setattr(owner, name, value)
        return inherited

    def undo(self) -> None:
        while self._undo:
            owner, name, original = self._undo.pop()
            if original is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
