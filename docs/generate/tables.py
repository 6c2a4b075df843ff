"""The Inputs and Outputs of a module or root: the two tables at the end of its README."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from docs.generate.hcl import literal, on_one_line, over_lines
from docs.generate.terraform import Body, Declared, expression, read

WIDE = 60
"""A type or default of more characters is written over several lines."""

_TABLES = re.compile(r"\n## Inputs\n.*?(?=\n## (?!Outputs\n)|\Z)", re.DOTALL)


def with_tables(readme: str, folder: Path) -> str:
    """The README with its tables written anew, in place or at the end; the prose stays as it is."""
    tables = "\n" + "\n".join(_sections(read(folder)))
    if _TABLES.search(readme):
        return _TABLES.sub(lambda _: tables, readme, count=1)
    return readme.rstrip("\n") + "\n" + tables


def _sections(declared: Declared) -> list[str]:
    inputs = [
        [f"`{name}`", _type(body), _default(body), _text(body)] for name, body in declared.variables.items()
    ]
    outputs = [[f"`{name}`", _text(body)] for name, body in declared.outputs.items()]
    return [
        _section("Inputs", ["Name", "Type", "Default", "Description"], inputs),
        _section("Outputs", ["Name", "Description"], outputs),
    ]


def _section(title: str, columns: list[str], rows: list[list[str]]) -> str:
    lines = [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)] if rows else ["None."]
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _text(body: Body) -> str:
    """The description on one line, with a word where Terraform keeps the value out of sight."""
    text = " ".join(str(body.get("description", "")).split())
    return f"{text} Sensitive." if body.get("sensitive") else text


def _type(body: Body) -> str:
    declared = body.get("type", "any")
    return _code(expression(declared) or declared)


def _default(body: Body) -> str:
    return _code(literal(body["default"])) if "default" in body else "required"


def _code(text: str) -> str:
    """Code in a table's cell: a span, or where it is long, lines in <pre>, as GitHub shows them."""
    short = on_one_line(text)
    if len(short) <= WIDE:
        return f"`{short}`"
    return f"<pre>{'<br>'.join(escape(line, quote=False) for line in over_lines(text))}</pre>"
