"""YAML and JSON are read strictly, with the place of everything."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.model.documents import MAX_BYTES, Unreadable, examine_document, read_document

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts
values = st.dictionaries(
    texts, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6)
)


def problems(text: str) -> list[str]:
    with pytest.raises(Unreadable) as raised:
        read_document(text)
    return [str(problem) for problem in raised.value.problems]


@given(values)
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    assert read_document(json.dumps(value)).value == value
    assert read_document(json.dumps(value, indent="\t")).value == value


@given(values)
def test_yaml_is_read_as_yaml(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert read_document("# no flow mapping in front\n" + text).value == value


def test_places_and_typed_texts_are_known() -> None:
    document = read_document("a: 0123\nb:\n  - no\n  - {c: x, d: }\n")
    assert document.value == {"a": 83, "b": [False, {"c": "x", "d": None}]}
    assert document.lines[("a",)] == 1
    assert document.lines[("b", 1, "c")] == 4
    assert document.texts == {("a",): "0123", ("b", 0): "no", ("b", 1, "d"): ""}
    assert document.where(("b", 0)) == " (line 3)"
    assert document.where(("z",)) == ""


def test_a_date_stays_the_text_that_was_typed() -> None:
    assert read_document("a: 2026-12-31").value == {"a": "2026-12-31"}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "~", "\ufeff"])
def test_an_empty_document_is_none(text: str) -> None:
    assert read_document(text).value is None


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1", '\ufeff{"a": 1}', '\ufeff{\n\t"a": 1}', "--- {a: 1}", "a: 1\n...\n"]
)
def test_marks_around_a_document_are_no_part_of_it(text: str) -> None:
    assert read_document(text).value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "line 1, column 5"),
        ("a: 1\nb: [1,\nc: 2", "line 3"),
        ("a: 'open", "not valid YAML"),
        ("a:\n\tb: 1", "line 2"),
        ("{a: 1", "not valid YAML"),
        ('{"a": 1,}}', "not valid YAML"),
        ("a: 1\na: 2", "a: is given more than once (lines 1 and 2)"),
        ("b: {c: 1, c: 1}", "b.c: is given more than once"),
        ('{"a": 1, "a": 1}', "a: is given more than once"),
        ('{"b": {"c": 1, "c": 2}}', "c: is given more than once"),
        ("a: 1\n---\nb: 1", "second begins at line 3"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: &x [*x]", "aliases"),
        ("1: a", "key that is not text"),
        ("no: a", "key that is not text"),
        ("a: {~: 1}", "a: has a key that is not text"),
        ("? [a]\n: b", "key that is not text"),
        ("a: !!python/object/apply:os.system [x]", "a: has a YAML tag"),
        ("a: !!binary aGk=", "a: has a YAML tag"),
        ("a: !!set {b}", "a: has a YAML tag"),
        ("a: !own b", "a: has a YAML tag"),
        ("a: !!int b", "a: is not a number"),
        ("a: !!bool b", "a: is not a number or boolean"),
        ("a: " + "9" * 5000, "a: is not a number"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ("a: \x1b[31m", "does not allow (line 1)"),
        ("a: 1\nb: \x00", "does not allow (line 2)"),
        ("[" * 5000, "nested too deeply"),
        ('{"a":' * 5000, "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "larger than 64 KiB"),
    ],
)
def test_what_is_not_one_plain_document_is_refused(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]
    assert found[0].isprintable()


def test_the_limit_is_64_kib_of_utf8() -> None:
    assert read_document("a: " + "x" * (MAX_BYTES - 3)).value
    assert "larger" in problems("a: " + "é" * (MAX_BYTES // 2))[0]


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert read_document("<<: {a: 1}").value == {"<<": {"a": 1}}


def test_all_of_a_documents_problems_are_found_at_once_and_the_rest_is_left() -> None:
    document = examine_document("a: 1\na: 2\n3: x\nb: !own c\nd: 4")
    assert [problem.path for problem in document.problems] == ["a", "document", "b"]
    assert document.value == {"a": 1, "b": None, "d": 4}
