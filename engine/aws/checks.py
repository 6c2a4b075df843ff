"""Findings of the checks that come before any work: what was looked for, and what was there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.errors import EngineError, SharedGroundBusy, SharedGroundMissing


class Level(StrEnum):
    """How a check came out. A warning will bite later; only a failure stops projects now."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """What a look found, in a few words, and what to do about it; no hint when all is well.

    error   code of an engine error that was met on the way
    """

    level: Level
    found: str
    hint: str = ""
    error: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    subject what it belongs to: "backend", "network"
    name    "state bucket provisioner-state-..."; together with the subject it tells checks apart
    found   what is there, or what is wrong, in a few words
    hint    what to do about it; empty when ok
    error   code of the engine error behind it; empty when none was raised
    """

    subject: str
    name: str
    level: Level
    found: str
    hint: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        """True for a warning, too."""
        return self.level is not Level.FAILED

    def to_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "name": self.name,
            "level": str(self.level),
            "ok": self.ok,
            "found": self.found,
            "hint": self.hint,
            "error": self.error,
        }


@dataclass(frozen=True)
class Probe:
    """A check still to be made.

    look    gives a Verdict, or what it found in a few words when all is well, or raises an EngineError
    worst   what an error in `look` counts as: where the worst finding is a warning, not being able to
            look is no more than that
    """

    name: str
    look: Callable[[], str | Verdict]
    worst: Level = Level.FAILED


class NotLookedFor(SharedGroundMissing):
    """A look that makes no sense since an earlier one failed."""


def fine(found: str) -> Verdict:
    return Verdict(Level.OK, found)


def warning(found: str, hint: str) -> Verdict:
    return Verdict(Level.WARNING, found, hint)


def failed(found: str, hint: str) -> Verdict:
    return Verdict(Level.FAILED, found, hint)


def error_check(subject: str, name: str, error: EngineError, level: Level = Level.FAILED) -> Check:
    """The check that ended in an error; what passes by itself is no more than a warning."""
    if isinstance(error, SharedGroundBusy):
        level = Level.WARNING
    return Check(subject, name, level, error.message, error.hint, error.code)


def run_probes(subject: str, probes: Iterable[Probe]) -> list[Check]:
    """Make every check, whatever the others find.

    What only follows from another finding (NotLookedFor) is left out: one cause, one finding.
    """
    checks = []
    for probe in probes:
        try:
            found = probe.look()
        except NotLookedFor:
            continue
        except EngineError as error:
            checks.append(error_check(subject, probe.name, error, probe.worst))
        else:
            verdict = fine(found) if isinstance(found, str) else found
            checks.append(Check(subject, probe.name, **vars(verdict)))
    return checks
