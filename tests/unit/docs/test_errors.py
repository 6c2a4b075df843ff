"""Every error code stands on its page, once, and says what it means."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine
from docs.generate.errors import coded_errors, error_page


def test_each_code_is_one_class_s_and_says_what_it_means() -> None:
    errors = coded_errors()
    assert not [code for code, times in Counter(one.code for one in errors).items() if times > 1]
    assert not [one.__name__ for one in errors if not one.__doc__]
    assert all(f"| `{one.code}` | {one.exit_code} |" in error_page() for one in errors)


def test_those_of_single_modules_are_there() -> None:
    assert {"STATE_CORRUPT", "CLUSTER_BUSY", "NO_PLAN_STORED", "GITLAB_UNAVAILABLE"} <= {
        one.code for one in coded_errors()
    }


def failures_as_text() -> Iterator[str]:
    """The codes that stand in the engine as `Failure("CODE", ...)`: an operation's error without a class."""
    for path in Path(engine.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Failure"):
                yield from (
                    one.value
                    for one in call.args[:1]
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isupper()
                )


def test_what_an_operation_can_end_with_is_there() -> None:
    texts = set(failures_as_text())
    assert "INTERNAL_ERROR" in texts
    assert texts | {"SUPERSEDED"} <= {one.code for one in coded_errors()}


@pytest.mark.parametrize(
    ("code", "again"),
    [
        ("ACCESS_DENIED", "sometimes"),
        ("TERRAFORM_FAILED", "sometimes"),
        ("BACKEND_ERROR", "sometimes"),
        ("STATE_LOCKED", "yes"),
        ("SHARED_GROUND_MISSING", ""),
        ("SUPERSEDED", ""),
    ],
)
def test_again_says_whether_every_error_of_the_code_may_work_later(code: str, again: str) -> None:
    (row,) = (line for line in error_page().splitlines() if line.startswith(f"| `{code}` |"))
    assert row.split(" |")[2].strip() == again


def test_each_row_is_for_a_reader_of_the_page_alone() -> None:
    for row in error_page().splitlines():
        if row.startswith("| `"):
            says = row.rpartition(" | ")[2]
            assert ".py" not in row
            assert not says.startswith(("It ", "What it ", "An apply of it ", "A part of it ")), row
            assert says.removesuffix(" |").endswith("."), row


def test_the_page_names_the_member_of_an_operation() -> None:
    assert "`error`" in error_page() and "`failure`" not in error_page()
