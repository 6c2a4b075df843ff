"""What a Terraform folder declares, in its own words: nothing is evaluated.

python-hcl2 gives an expression as "${...}", a quoted text as it stands, and a block as a list of
mappings; this module takes off those wrappings and leaves the rest as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2 import SerializationOptions

_PLAIN = SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)
Body = dict[str, Any]


@dataclass(frozen=True)
class Thing:
    """A resource, data source or module call.

    kind   "resource", "data" or "module"
    type   "aws_vpc"; "" for a module call
    """

    kind: str
    type: str
    name: str
    body: Body

    @property
    def address(self) -> str:
        """As expressions name it: aws_vpc.this, data.aws_vpc.this, module.network."""
        prefix = "" if self.kind == "resource" else self.kind
        return ".".join(part for part in (prefix, self.type, self.name) if part)


@dataclass(frozen=True)
class Declared:
    """Everything in one folder's *.tf, or in its *.tf.json, in the order of the files.

    providers    names in required_providers
    configured   the provider blocks of a root
    """

    folder: Path
    variables: dict[str, Body]
    outputs: dict[str, Body]
    locals: dict[str, Any]
    providers: frozenset[str]
    configured: dict[str, Any]
    things: tuple[Thing, ...]

    def of_type(self, *types: str) -> list[Thing]:
        return [thing for thing in self.things if thing.type in types]

    def calls(self) -> list[Thing]:
        return [thing for thing in self.things if thing.kind == "module"]


def read(folder: Path) -> Declared:
    """Parse a folder. Raises hcl2's (lark's) error with line and column where a file is no HCL."""
    documents = [_parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.tf"))]
    documents += [_normal(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.tf.json"))]
    return Declared(
        folder,
        variables=dict(_named(documents, "variable")),
        outputs=dict(_named(documents, "output")),
        locals=dict(_named(documents, "locals")),
        providers=frozenset(_providers(documents)),
        configured=dict(_named(documents, "provider")),
        things=tuple(_things(documents)),
    )


def expression(value: Any) -> str | None:
    """What stands between ${ and } when the value is one expression as a whole, else None."""
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return value[2:-1]
    return None


@cache
def _parse(text: str) -> Body:
    """By the text, since parsing is slow and the same files are read for several pages."""
    parsed: Body = hcl2.loads(text, serialization_options=_PLAIN)
    return parsed


def _normal(document: Body) -> Body:
    """Terraform's JSON in the shape that parsed HCL has: each kind of block a list."""
    return {kind: content if isinstance(content, list) else [content] for kind, content in document.items()}


def _named(documents: list[Body], kind: str) -> Iterator[tuple[str, Body]]:
    for document in documents:
        for one in document.get(kind, []):
            yield from one.items()


def _providers(documents: list[Body]) -> Iterator[str]:
    """Names in required_providers."""
    for settings, content in _named(documents, "terraform"):
        if settings == "required_providers":
            for block in content if isinstance(content, list) else [content]:
                yield from block


def _things(documents: list[Body]) -> Iterator[Thing]:
    for kind in ("resource", "data"):
        for type_, by_name in _named(documents, kind):
            for name, body in by_name.items():
                yield Thing(kind, type_, name, body)
    for name, body in _named(documents, "module"):
        yield Thing("module", "", name, body)
