"""Secrets leave no trace in what Terraform says, whatever spelling they come in."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from engine.terraform.redaction import Redactor

SECRET = 'p<a>ss "word" & \\ ünicode/+'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026"),
        quote(SECRET, safe=""),
    ],
)
def test_every_spelling_is_taken_out(spelling: str) -> None:
    said = Redactor([SECRET]).text(f"before {spelling} after")

    assert "***" in said
    assert "ünicode" not in said
    assert "nicode" not in said
    assert said.startswith("before ")
    assert said.endswith(" after")


def test_each_line_of_a_secret_of_several_lines_is_secret() -> None:
    # GIVEN a secret as a key file holds it
    secret = "first-line-0123456789\nsecond-line-0123456789\n"

    # WHEN Terraform breaks lines its own way
    said = Redactor([secret]).text("│ first-line-0123456789\n│ second-line-0123456789")

    # THEN
    assert said == "│ ***\n│ ***"


def test_a_secret_within_another_leaves_no_rest() -> None:
    assert Redactor(["pass", "password-long"]).text("password-long") == "***"


def test_documents_are_redacted_in_depth() -> None:
    document = {"a": [{"key canary": "x canary y"}, 1, None, True]}

    assert Redactor(["canary"]).document(document) == {"a": [{"key ***": "x *** y"}, 1, None, True]}


def test_an_empty_secret_changes_nothing() -> None:
    assert Redactor([""]).text("text") == "text"
