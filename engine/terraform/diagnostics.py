"""What Terraform complains about: its diagnostics, read from JSON and from plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^[╷│╵] ?", re.MULTILINE)
_START = re.compile(r"^(Error|Warning): (.*)$")
_ADDRESS = re.compile(r"^\s+with (\S.*?),$")
_PLACE = re.compile(r"^\s+on (\S.*?) line (\d+)")
_SOURCE_LINE = re.compile(r"^\s+\d+: ")
_NAMED_RESOURCE = re.compile(r"^Resource (\S+) has lifecycle\.prevent_destroy")


@dataclass(frozen=True)
class Diagnostic:
    """One complaint.

    severity   "error" or "warning"
    address    of the resource, data source or provider it is about; None where Terraform names none
    file, line where in the configuration, relative to the workspace
    context    the block it stands in, such as `resource "aws_subnet" "this"`
    """

    severity: str
    summary: str
    detail: str = ""
    address: str | None = None
    file: str | None = None
    line: int | None = None
    context: str | None = None

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    @property
    def text(self) -> str:
        """Summary and detail on one line, so that a pattern matches wherever a line was wrapped."""
        return " ".join(f"{self.summary} {self.detail}".split())

    @property
    def where(self) -> str:
        """The best name there is for the place it is about; empty where there is none."""
        if self.address:
            return self.address
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file or ""
        return f"{self.context} ({place})" if self.context and place else self.context or place

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def plain(text: str) -> str:
    """Without colours, which some commands use whatever they are told."""
    return _ANSI.sub("", text)


def from_json(raw: Mapping[str, Any]) -> Diagnostic:
    """Read the `diagnostic` member of a JSON message, or one of `validate -json`'s list.

    Source   Terraform's documentation, "Machine-readable UI" and "terraform validate -json"
    """
    detail = str(raw.get("detail") or "")
    address = raw.get("address")
    if address is None and (named := _NAMED_RESOURCE.match(detail)):
        address = named.group(1)
    place = raw.get("range") or {}
    return Diagnostic(
        severity=str(raw.get("severity") or "error"),
        summary=str(raw.get("summary") or ""),
        detail=detail,
        address=address,
        file=place.get("filename"),
        line=(place.get("start") or {}).get("line"),
        context=(raw.get("snippet") or {}).get("context"),
    )


def from_text(text: str) -> tuple[Diagnostic, ...]:
    """Read the diagnostics of a command that has no JSON output (`state list`, `untaint`, ...):
    each begins with a line "Error: ..." or "Warning: ..."; what comes before the first is left out."""
    lines = _FRAME.sub("", plain(text)).splitlines()
    starts = [index for index, line in enumerate(lines) if _START.match(line)]
    ends = [*starts[1:], len(lines)]
    return tuple(_one(lines[start:end]) for start, end in zip(starts, ends, strict=True)) if starts else ()


def from_bare_words(text: str) -> tuple[Diagnostic, ...]:
    """The text of a command that failed without any diagnostic, as one error; none if it said nothing."""
    said = [line.strip() for line in plain(text).splitlines() if line.strip()]
    return (Diagnostic("error", said[0], "\n".join(said[1:])),) if said else ()


def _one(lines: list[str]) -> Diagnostic:
    match = _START.match(lines[0])
    severity, summary = match.groups() if match else ("Error", lines[0])
    address, file, number, detail = None, None, None, []
    for line in lines[1:]:
        if with_ := _ADDRESS.match(line):
            address = with_.group(1)
        elif on := _PLACE.match(line):
            file, number = on.group(1), int(on.group(2))
        elif not (file and _SOURCE_LINE.match(line)):
            detail.append(line)
    return Diagnostic(
        severity.lower(), summary.strip(), "\n".join(detail).strip(), address=address, file=file, line=number
    )
