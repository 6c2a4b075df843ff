"""What a route is: its address, what it takes, what it answers. The API and its document are both made of
these, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from engine.errors import FieldProblem, InvalidRequest
from engine.model.wording import shown
from engine.operations.requests import Desk

MAX_HEADER_CHARS = 255


@dataclass(frozen=True)
class Parameter:
    """A query parameter or a header.

    schema   JSON Schema of its text, as the document shows it
    read     text -> value; raises ValueError with what is allowed instead
    default  its value when it is left out
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any] = str
    default: Any = None
    required: bool = False


@dataclass(frozen=True)
class Request:
    """A request whose parameters are read already.

    ids      of the path: vlab_id, project_id, operation_id
    query    every parameter of the route, with its default where it was left out
    headers  the same for headers
    body     text; "" when there is none
    caller   who signed it: an ARN
    """

    id: str
    ids: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: str
    caller: str


@dataclass(frozen=True)
class Reply:
    body: Any
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A good answer, for the document.

    shape     a TypedDict of `answers`, or a union of them
    headers   name -> what it says
    """

    status: HTTPStatus
    description: str
    shape: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """path     with {names} of its ids
    answer      what it answers when all is well
    problems    status -> when; 400, 403, 500 and 503 are every route's
    takes_spec  its body is a spec, as JSON
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Callable[[Desk, Request], Reply]
    answer: Answer
    description: str = ""
    query: Sequence[Parameter] = ()
    headers: Sequence[Parameter] = ()
    problems: Mapping[HTTPStatus, str] = field(default_factory=dict)
    takes_spec: bool = False


def read_query(route: Route, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The query parameters of a request, read.

    given    name -> every value it was given
    Raises   InvalidRequest with everything that is wrong: unknown, repeated, missing or ill-formed ones
    """
    known = {parameter.name: parameter for parameter in route.query}
    problems = [
        FieldProblem(shown(name), "is not a parameter of this request", ", ".join(known) or "no parameters")
        for name in given
        if name not in known
    ]
    values = _read(route.query, given, problems)
    _refuse(problems)
    return values


def read_headers(route: Route, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The headers that the route knows, read; names are compared without case. Raises as `read_query`."""
    problems: list[FieldProblem] = []
    lowered = {name.lower(): values for name, values in given.items()}
    by_name = {one.name: lowered[one.name.lower()] for one in route.headers if one.name.lower() in lowered}
    values = _read(route.headers, by_name, problems)
    _refuse(problems)
    return values


def _read(
    parameters: Sequence[Parameter], given: Mapping[str, Sequence[str]], problems: list[FieldProblem]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in parameters:
        texts = given.get(one.name, ())
        values[one.name] = one.default
        if len(texts) > 1:
            problems.append(FieldProblem(one.name, "is given more than once", "one value"))
        elif texts:
            try:
                values[one.name] = one.read(texts[0])
            except ValueError as error:
                problems.append(FieldProblem(one.name, f"is {shown(texts[0])}", str(error)))
        elif one.required:
            problems.append(FieldProblem(one.name, "is missing", one.description))
    return values


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        raise InvalidRequest("The request's parameters cannot be used.", problems)


def boolean(text: str) -> bool:
    """true or false, in any case, as the old clients send them."""
    value = {"true": True, "false": False}.get(text.lower())
    if value is None:
        raise ValueError("true or false")
    return value


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers within these bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def line(most: int) -> Callable[[str], str]:
    """A reader of one line of printable text."""

    def read(text: str) -> str:
        if not text.strip() or len(text) > most or not text.isprintable():
            raise ValueError(f"1 to {most} printable characters on one line")
        return text

    return read


def ascii_token(text: str) -> str:
    """Printable ASCII without white space: what a header holds and a log shows safely."""
    if not text or len(text) > MAX_HEADER_CHARS or not all("!" <= character <= "~" for character in text):
        raise ValueError(f"1 to {MAX_HEADER_CHARS} printable ASCII characters without spaces")
    return text
