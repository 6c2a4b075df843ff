"""The second net under secrets: what it takes for one, and every place of a review in which it looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.model.cluster_updates import Need
from engine.review.model import Action, AttributeChange, Change, ClusterUpdate, Fact, OutputChange
from engine.review.redaction import Redaction

SECRET = "canary-0123456789"
NET = Redaction([SECRET])
HELD, CLEAN = f"a {SECRET} b", "a (sensitive) b"
BUCKET = Change("aws_s3_bucket.this", "", "managed", "aws_s3_bucket", "this", "aws_s3_bucket", Action.UPDATE)


@pytest.mark.parametrize(
    ("secrets", "text", "left"),
    [
        ([SECRET, SECRET], f"{SECRET}/{SECRET}", "(sensitive)/(sensitive)"),
        # A secret is a text, not a pattern.
        (["pass.word+(1)"], "pass.word+(1) passXworddd1", "(sensitive) passXworddd1"),
        # Of two that begin alike nothing of the longer one is left over.
        (["canary-0", "canary-0-tail"], "canary-0-tail canary-0", "(sensitive) (sensitive)"),
        (["1234567"], "1234567", "1234567"),
        (["12345678"], "12345678", "(sensitive)"),
        ([], "anything", "anything"),
    ],
    ids=["everywhere", "as it is", "longest first", "too short", "just long enough", "none"],
)
def test_what_is_taken_out_of_a_text(secrets: list[str], text: str, left: str) -> None:
    assert Redaction(secrets).value(text) == left


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({HELD: 1}, {CLEAN: 1}),
        ({"k": [{"k": HELD}]}, {"k": [{"k": CLEAN}]}),
        (("k", HELD), ("k", CLEAN)),
        ([1, True, None], [1, True, None]),
    ],
    ids=["keys", "inside", "tuples", "what is no text"],
)
def test_values_of_any_shape(value: Any, left: Any) -> None:
    assert NET.value(value) == left


@pytest.mark.parametrize(
    ("field", "held", "clean"),
    [
        ("imported_id", HELD, CLEAN),
        ("reasons", (HELD,), (CLEAN,)),
        ("consequence", (HELD,), (CLEAN,)),
        ("facts", (Fact("Name", HELD),), (Fact("Name", CLEAN),)),
    ],
)
def test_each_place_of_a_change(field: str, held: Any, clean: Any) -> None:
    change = replace(BUCKET, **{field: held})
    assert NET.change(change) == replace(BUCKET, **{field: clean})
    assert Redaction([]).change(change) == change


@pytest.mark.parametrize(
    ("field", "marked"), [("path", False), ("label", False), ("before", True), ("after", True)]
)
def test_each_place_of_an_attribute(field: str, marked: bool) -> None:
    attribute = AttributeChange("note", "note", "x", "y")
    (clean,) = NET.change(replace(BUCKET, attributes=(replace(attribute, **{field: HELD}),))).attributes
    assert clean == replace(attribute, **{field: CLEAN}, sensitive=marked)


@pytest.mark.parametrize("side", ["before", "after"])
def test_both_sides_of_an_output(side: str) -> None:
    output = OutputChange("url", Action.UPDATE, "x", "y")
    assert NET.output(replace(output, **{side: HELD})) == replace(output, **{side: CLEAN}, sensitive=True)
    assert NET.output(output) == output


def test_the_key_of_a_cluster_update() -> None:
    update = ClusterUpdate("aws_cloudformation_stack.this", HELD, (), Need.LIVE, "DRAIN")
    assert NET.cluster_update(update) == replace(update, key=CLEAN)
