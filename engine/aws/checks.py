"""Findings of the checks that come before any work: what was looked for, and what was there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    name    "state bucket provisioner-state-..."
    found   what is there, or what is wrong, in a few words
    hint    what to do about it; empty when ok
    error   code of the engine error behind it; empty when ok
    """

    name: str
    ok: bool
    found: str
    hint: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Probe:
    """A check still to be made: `look` gives what it found in a few words, or raises an EngineError."""

    name: str
    look: Callable[[], str]


def run_probes(probes: Iterable[Probe]) -> list[Check]:
    """Make every check, whatever the others find."""
    checks = []
    for probe in probes:
        try:
            checks.append(Check(probe.name, True, probe.look()))
        except EngineError as error:
            checks.append(Check(probe.name, False, error.message, error.hint, error.code))
    return checks
