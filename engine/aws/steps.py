"""What a repeatable set-up did to each thing it looks after."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    CREATED = "created"
    REPAIRED = "repaired"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Step:
    """One thing that must hold ("state bucket pc-state: versioning") and what it took to make it so."""

    name: str
    outcome: Outcome
