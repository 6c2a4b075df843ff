"""Every error of the engine has a status, and none tells a caller what went wrong inside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import engine.aws.failures
import engine.aws.operation_store
import engine.operations.access  # noqa: F401 - imported for the errors that it defines
from engine.errors import EngineError, InvalidSpec
from engine.service.problems import headers, old_problem, problem, shown, status_of


def kinds(kind: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def made(kind: type[EngineError]) -> EngineError:
    if issubclass(kind, InvalidSpec.__mro__[1]):
        return kind("what happened", [])  # type: ignore[call-arg]
    return kind("what happened", details={"allowed": ("GET",)})


@pytest.mark.parametrize(
    "kind", sorted(set(kinds()), key=lambda kind: kind.__name__), ids=lambda k: k.__name__
)
def test_every_error_becomes_a_problem(kind: type[EngineError]) -> None:
    error = made(kind)
    told = problem(shown(error), instance="42")
    status = status_of(error)
    assert told["status"] == status and 400 <= status < 600
    assert told["type"].endswith(told["code"].lower().replace("_", "-"))
    assert " " not in old_problem(shown(error))["message"]
    if status == 500:
        assert told["code"] == "INTERNAL_ERROR" and error.code in told["detail"]
        assert "what happened" not in told["detail"]
    assert ("Retry-After" in headers(error)) == (status == 503)


def test_codes_are_stable_words() -> None:
    codes = [kind.code for kind in set(kinds())]
    assert all(code.isupper() and code.replace("_", "").isalpha() for code in codes)
