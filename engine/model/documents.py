"""YAML or JSON text as plain values, strictly: what a person wrote is what is read, or it is refused.

YAML lets two keys override each other, a name turn into a boolean and a small text unfold into a
huge one. A document here is what JSON can say: mappings with text keys, lists, texts, numbers,
true, false and null.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml.constructor import SafeConstructor

from engine.errors import FieldProblem
from engine.model.wording import Path, path_text

MAX_BYTES = 65_536

_TAG = "tag:yaml.org,2002:"
# A date stays the text that was typed: no field of ours is a date.
_TEXT_TAGS = {_TAG + name for name in ("str", "timestamp", "value", "merge")}
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


class Unreadable(Exception):
    """The text is not a document; carries what is wrong with it."""

    def __init__(self, *problems: FieldProblem):
        self.problems = list(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Document:
    """A value and, for YAML, where each part of it stands.

    value      None for an empty document
    lines      path -> line, counted from 1; empty for JSON
    texts      path -> the scalar as it was typed, for those that YAML did not read as text
    problems   repeated keys, keys that are not text, YAML tags: the value is what is left without
               them, so that the rest can be checked in the same go; it must not be used as it is
    """

    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)
    problems: tuple[FieldProblem, ...] = ()

    def where(self, path: Path) -> str:
        """` (line 3)` for a part whose place is known, else an empty text."""
        line = self.lines.get(path)
        return f" (line {line})" if line else ""


def read_document(text: str) -> Document:
    """The one document in a text of at most 64 KiB, without problems.

    Raises   Unreadable
    """
    document = examine_document(text)
    if document.problems:
        raise Unreadable(*document.problems)
    return document


def examine_document(text: str) -> Document:
    """The same for a caller who reports the document's own `problems` together with what else is wrong.

    Text that starts with `{` is tried as JSON first, since JSON indented with tabs is not YAML.
    Raises   Unreadable when the text cannot be taken apart at all
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        _refuse(f"is larger than {MAX_BYTES // 1024} KiB", "a document of at most 64 KiB")
    text = text.removeprefix("\ufeff")
    try:
        if text.lstrip().startswith("{"):
            try:
                return _read_json(text)
            except json.JSONDecodeError:
                pass  # `{kind: efs}` is YAML; if it is neither, YAML's message says where it breaks
        return _read_yaml(text)
    except RecursionError:
        _refuse("is nested too deeply")


def _read_json(text: str) -> Document:
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            repeated.extend(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        return mapping

    def constant(name: str) -> NoReturn:
        _refuse(f"holds {name}, which is not JSON", "finite numbers")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError:
        raise
    except ValueError:
        _refuse("holds a number with too many digits")
    return Document(value, problems=tuple(_repetition((key,), "") for key in repeated))


def _read_yaml(text: str) -> Document:
    reader = _Reader()
    try:
        nodes = yaml.compose_all(text, Loader=_Loader)
        node = next(nodes, None)
        second = next(nodes, None)
    except yaml.MarkedYAMLError as error:
        _refuse(f"is not valid YAML{_place(error)}: {_said(error)}", "YAML indented with spaces, or JSON")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(f"holds a character that YAML does not allow (line {line})", "printable UTF-8 text")
    if second is not None:
        _refuse(
            f"holds more than one document; the second begins at line {second.start_mark.line + 1}",
            "one document per file, so no further line with `---`",
        )
    if node is None:
        return Document(None)
    value = reader.read(node, ())
    return Document(value, reader.lines, reader.texts, tuple(reader.problems))


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can stand for gigabytes, and a spec needs none."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken here", problem_mark=mark)
        return super().compose_node(parent, index)


class _Reader:
    """Walks YAML's nodes, so that lines, typed texts and repeated keys are still known."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}
        self.problems: list[FieldProblem] = []

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._unknown_tag(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _TEXT_TAGS:
                typed = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
                self.problems.append(
                    FieldProblem(
                        path_text(path) or "document",
                        f"has a key that is not text (line {line})",
                        "text as key; in quotes where it looks like a number or a boolean",
                        f'"{typed[:40]}": value' if typed and typed.isprintable() else "",
                    )
                )
                continue
            inner = (*path, key_node.value)
            if key_node.value in mapping:
                self.problems.append(_repetition(inner, f" (lines {self.lines[inner]} and {line})"))
                continue
            self.lines[inner] = line
            mapping[key_node.value] = self.read(value_node, inner)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag in _TEXT_TAGS:
            return node.value
        self.texts[path] = node.value
        construct = SafeConstructor()
        try:
            if node.tag == _TAG + "null":
                return None
            if node.tag == _TAG + "bool":
                return _BOOLEANS[node.value.lower()]
            if node.tag == _TAG + "int":
                return construct.construct_yaml_int(node)
            if node.tag == _TAG + "float":
                return construct.construct_yaml_float(node)
        except (ValueError, KeyError, IndexError, OverflowError):
            self._problem(path, f"is not a number or boolean that can be read (line {self.lines[path]})")
            return None
        return self._unknown_tag(node, path)

    def _unknown_tag(self, node: yaml.Node, path: Path) -> None:
        self._problem(
            path, f"has a YAML tag (line {node.start_mark.line + 1})", "plain values, without a `!tag`"
        )

    def _problem(self, path: Path, problem: str, allowed: str = "") -> None:
        self.problems.append(FieldProblem(path_text(path) or "document", problem, allowed))


def _repetition(path: Path, lines: str) -> FieldProblem:
    return FieldProblem(path_text(path), f"is given more than once{lines}", "each field once")


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _said(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return said if said.isprintable() else ascii(said)


def _refuse(problem: str, allowed: str = "") -> NoReturn:
    raise Unreadable(FieldProblem("document", problem, allowed))
