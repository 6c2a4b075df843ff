"""Where a setting comes from: file, environment, flag, the later ones winning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine.errors import FieldProblem
from engine.model.wording import nearest, path_text

PREFIX = "PROVISIONER_"
# Variables by which the engine's own processes talk to each other; no settings.
INTERNAL_PREFIX = "PROVISIONER_INTERNAL_"
DEFAULT = "default"

# The order of AWS's own tools.
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class SettingKind(Enum):
    """What a setting's value is made of, as far as reading it from text goes."""

    TEXT = "text"
    WHOLE_NUMBER = "whole number"
    BOOLEAN = "true or false"
    LIST = "list"
    MAPPING = "mapping"


@dataclass(frozen=True)
class Given:
    """A value and who gave it, in the words that `provisioner settings` shows."""

    value: Any
    source: str


def collect(
    kinds: Mapping[str, SettingKind],
    *,
    file: Mapping[str, Any],
    file_source: str,
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
) -> tuple[dict[str, Given], list[FieldProblem]]:
    """Each given setting with its winning value, and what was given that is no setting.

    kinds   every setting there is
    """
    given: dict[str, Given] = {}
    problems: list[FieldProblem] = []
    for name, value in file.items():
        if name in kinds:
            given[name] = Given(value, f"file {file_source}")
        else:
            problems.append(
                _unknown(path_text((name,)), f"file {file_source}", nearest(str(name), kinds), kinds)
            )
    for variable in reversed(_REGION_VARIABLES):
        if environ.get(variable):
            given["region"] = Given(environ[variable], f"environment {variable}")
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable.startswith(INTERNAL_PREFIX) or not text:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if variable == PREFIX + name.upper() and name in kinds:
            given[name] = Given(_from_text(kinds[name], text), f"environment {variable}")
        else:
            guess = nearest(name, kinds)
            problems.append(_unknown(variable, "environment", guess and PREFIX + guess.upper(), kinds))
    for name, value in flags.items():
        if value is None or value == ():
            continue
        if name in kinds:
            value = _from_text(kinds[name], value) if isinstance(value, str) else value
            given[name] = Given(value, f"flag --{name.replace('_', '-')}")
        else:
            problems.append(_unknown(path_text((name,)), "flag", nearest(name, kinds), kinds))
    return given, problems


def _from_text(kind: SettingKind, text: str) -> Any:
    """The value a text stands for; the text itself where it stands for none, which is refused later on."""
    if kind is SettingKind.WHOLE_NUMBER and re.fullmatch(r"-?[0-9]{1,18}", text.strip(), re.ASCII):
        return int(text)
    if kind is SettingKind.BOOLEAN:
        return _BOOLEANS.get(text.strip().lower(), text)
    if kind is SettingKind.LIST:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind is SettingKind.MAPPING:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        found = {key.strip(): value.strip() for key, sign, value in pairs if sign}
        return found if len(found) == len(pairs) else text
    return text


def as_text(value: Any) -> str:
    """A setting's value as the environment holds it."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unknown(path: str, source: str, guess: str | None, known: Iterable[str]) -> FieldProblem:
    meant = f"; did you mean {guess}?" if guess else ""
    allowed = "" if guess else "one of " + ", ".join(known)
    return FieldProblem(path, f"is not a known setting{meant} (from {source})", allowed)
