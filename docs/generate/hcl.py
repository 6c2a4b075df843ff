"""HCL values and types as text that people read, on one line or over several."""

from __future__ import annotations

import json
import re
from typing import Any

from docs.generate.terraform import expression

_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|\{\}|[{}()\[\]]|, *|[^"{}()\[\],]+')
_OPENERS, _CLOSERS = frozenset("{(["), frozenset("})]")


def literal(value: Any) -> str:
    """A parsed value as HCL, without spaces inside its braces: {a = 1, b = ["x"]}."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return expression(value) or json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def on_one_line(text: str) -> str:
    """{a = 1} -> { a = 1 }"""
    spaced = {"{": "{ ", "}": " }"}
    return "".join(spaced.get(token, token) for token in _TOKENS.findall(text))


def over_lines(text: str) -> list[str]:
    """A line for each item that stands between braces; what is in parentheses or brackets stays together."""
    lines, opened = [""], list[str]()
    for token in _TOKENS.findall(text):
        if token in _CLOSERS and opened.pop() == "{":
            lines.append(_indent(opened))
        lines[-1] += token
        if token in _OPENERS:
            opened.append(token)
        if opened[-1:] == ["{"] and token in ("{", ", "):
            lines.append(_indent(opened))
    return [line.rstrip(", ") for line in lines]


def _indent(opened: list[str]) -> str:
    return "  " * opened.count("{")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) else json.dumps(key)
