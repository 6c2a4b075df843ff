"""Whatever Terraform plans, the review has it: plans made up by hypothesis."""

from __future__ import annotations

import html
import json
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engine.review import (
    Action,
    Review,
    build_review,
    render_html,
    render_markdown,
    render_text,
    review_json,
)
from tests.unit.review.plans import PROJECT, entry, plan_of

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[3] / "docs" / "review.schema.json").read_text("utf-8"))
)
ACTIONS = st.sampled_from(
    [actions.split() for actions in ("no-op", "create", "read", "update", "delete", "forget")]
    + [actions.split() for actions in ("delete create", "create delete")]
)
TYPES = st.sampled_from(
    ["aws_s3_bucket", "aws_subnet", "aws_cloudformation_stack", "aws_fsx_lustre_file_system", "aws_odd_thing"]
)
MODULES = st.sampled_from(["", "module.bucket.", "module.parallelcluster[0].", 'module.x["a.b"].module.y.'])
INDEXES = st.sampled_from(["", "[0]", "[12]", '["public"]', '["a b"]'])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["name", "tags", "tags_all", "bucket", "template_body", "policy", "rule"]), VALUES
)
MASKS = (
    st.just({}) | st.booleans() | st.dictionaries(st.sampled_from(["name", "tags", "policy"]), st.booleans())
)


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    actions = draw(ACTIONS)
    address = f"{draw(MODULES)}{draw(TYPES)}.{draw(st.sampled_from(['this', 'other']))}{draw(INDEXES)}"
    more: dict[str, Any] = {}
    if actions in (["no-op"], ["update"]) and draw(st.booleans()):
        more["previous_address"] = "aws_s3_bucket.before"
    if actions in (["no-op"], ["update"]) and draw(st.booleans()):
        more["importing"] = {"id": "some-id"}
    if "delete" in actions and len(actions) == 2:
        more["replace_paths"] = draw(st.lists(st.sampled_from([["name"], ["rule", 0, "x"]]), max_size=2))
    return entry(
        address,
        *actions,
        before=None if actions == ["create"] else draw(OBJECTS),
        after=None if actions in (["delete"], ["forget"]) else draw(OBJECTS),
        after_unknown=draw(MASKS),
        before_sensitive=draw(MASKS),
        after_sensitive=draw(MASKS),
        **more,
    )


PLANS = st.lists(entries(), max_size=8, unique_by=lambda planned: planned["address"])


def review_of(planned: list[dict[str, Any]]) -> Review:
    return build_review(plan_of(*planned), project=PROJECT)


@given(PLANS)
def test_every_entry_is_in_the_review_once(planned: list[dict[str, Any]]) -> None:
    told = Counter(change.address for change in review_of(planned).changes)
    assert told == Counter(item["address"] for item in planned)


@given(PLANS)
def test_the_counts_add_up_to_the_plan(planned: list[dict[str, Any]]) -> None:
    steps = Counter(step for item in planned for step in item["change"]["actions"])
    counts = review_of(planned).counts
    assert (counts.add, counts.change, counts.destroy) == (steps["create"], steps["update"], steps["delete"])
    assert counts.forgotten == steps["forget"]
    assert counts.imported == sum("importing" in item["change"] for item in planned)


@given(PLANS, st.sampled_from([80, 100, 120]))
@settings(max_examples=40)
def test_every_change_is_in_every_report(planned: list[dict[str, Any]], width: int) -> None:
    review = review_of(planned)
    text, markdown = render_text(review, width=width), render_markdown(review)
    page = html.unescape(render_html(review))
    listed = {item["address"] for item in review_json(review)["changes"]}
    for change in review.changes:
        assert change.address in listed
        if change.action is Action.NO_CHANGE:
            continue
        local = change.address.removeprefix(f"{change.module}.") if change.module else change.address
        assert local in text and change.module in text
        assert change.address in markdown
        assert change.address in page


@given(PLANS)
@settings(max_examples=25)
def test_the_json_report_is_json(planned: list[dict[str, Any]]) -> None:
    document = review_json(review_of(planned))
    assert json.loads(json.dumps(document)) == document
    SCHEMA.validate(document)
