"""How a value, and its way from one value to another, is written on one line."""

from __future__ import annotations

import json
from typing import Any

from engine.review.model import AttributeChange


def sign(attribute: AttributeChange) -> str:
    """`+` set anew, `-` gone, `~` changed."""
    if attribute.before is None:
        return "+"
    return "-" if attribute.after is None else "~"


def transition(attribute: AttributeChange) -> str:
    """`8 → 16`, or the one value of something that is set anew or gone."""
    before, after = attribute.before, attribute.after
    if isinstance(before, list) and isinstance(after, list):
        return _list_transition(before, after)
    if before is None or after is None:
        return shown_value(after if before is None else before)
    return f"{shown_value(before)} → {shown_value(after)}"


def shown_value(value: Any) -> str:
    """A value on one line: words bare, and quoted where the bare word would mean something else."""
    if isinstance(value, str):
        bare = printable(value)
        looks_odd = value != value.strip() or value in ("", "true", "false", "null") or _is_number(value)
        return json.dumps(bare, ensure_ascii=False) if looks_odd else bare
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{printable(str(key))}: {shown_value(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(shown_value(item) for item in value) + "]"
    return json.dumps(value)


def printable(text: str) -> str:
    """The text without control or direction characters: a tag must not repaint the terminal."""
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)


def _list_transition(before: list[Any], after: list[Any]) -> str:
    whole = f"{shown_value(before)} → {shown_value(after)}"
    gone = [item for item in before if item not in after]
    new = [item for item in after if item not in before]
    if len(whole) <= 60 or not (gone or new):
        return whole
    kept = len(before) - len(gone)
    parts = [f"+ {shown_value(item)}" for item in new] + [f"- {shown_value(item)}" for item in gone]
    return ", ".join([*parts, *([f"{kept} as before"] if kept else [])])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
