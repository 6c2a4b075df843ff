"""How a value and its place are written in a message: short, and safe on a terminal."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from engine.errors import FieldProblem

Path = tuple[str | int, ...]

_MAX_SHOWN = 60
MAX_PROBLEMS = 40


def path_text(path: Path) -> str:
    """`storage.capacity_gib`, `address_ranges[0]`, `tags['cost center']`."""
    text = ""
    for part in path:
        if isinstance(part, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,80}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text


def shown(value: Any) -> str:
    """A value as a message quotes it; control characters come out escaped, long texts are cut."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_SHOWN else value[: _MAX_SHOWN - 3] + "...")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        # Python refuses to write out an int of thousands of digits, which 0x... can hold.
        return str(value) if value.bit_length() < 128 else "a number beyond all limits"
    if isinstance(value, float):
        return repr(value)
    return kind_of(value)


def kind_of(value: Any) -> str:
    """What sort of thing a value is, in the words of YAML."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (str, "text"),
        (bool, "a boolean"),
        ((int, float), "a number"),
        ((list, tuple), "a list"),
        (dict, "a mapping"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "nothing")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None when none is near. Case, `-` and `_` don't count."""
    plain = {_plain(candidate): candidate for candidate in known}
    match = difflib.get_close_matches(_plain(name[:200]), plain, n=1, cutoff=0.6)
    return plain[match[0]] if match else None


def counted(problems: list[FieldProblem]) -> tuple[str, list[FieldProblem]]:
    """How many problems there are, in words, and the first 40: nobody reads ten thousand lines."""
    if len(problems) > MAX_PROBLEMS:
        return f"more than {MAX_PROBLEMS} problems", problems[:MAX_PROBLEMS]
    return ("1 problem" if len(problems) == 1 else f"{len(problems)} problems"), problems


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()
