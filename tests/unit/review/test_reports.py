"""Text and Markdown: what a reader sees, and what a hostile value can't do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.review import build_review, render_markdown, render_text
from engine.review.model import AttributeChange
from engine.review.notation import shown_value, transition
from tests.unit.review.plans import OWN_TAGS, PROJECT, entry, golden_plan, plan_of


def text_of(*entries: dict[str, Any], **more: Any) -> str:
    return render_text(build_review(plan_of(*entries), project=PROJECT), **more)


def markdown_of(*entries: dict[str, Any]) -> str:
    return render_markdown(build_review(plan_of(*entries), project=PROJECT))


def test_numbers_and_risk_stand_in_the_first_line() -> None:
    text = render_text(build_review(golden_plan("create"), project=PROJECT))
    assert text.splitlines()[0] == "Plan for lab-1/proj-1: 14 to add, 0 to change, 0 to destroy. Risk: low."


def test_rules_between_groups_are_folded_and_open_ones_never() -> None:
    # GIVEN three instances of one rule, one of which opens to addresses
    def rule(key: str, **after: str) -> dict[str, Any]:
        address = f'aws_vpc_security_group_ingress_rule.this["{key}"]'
        return entry(address, "create", before=None, after={"from_port": 988, **after, "tags_all": OWN_TAGS})

    # WHEN
    text = text_of(rule("client"), rule("self"), rule("world", cidr_ipv4="0.0.0.0/0"))

    # THEN two share a line, and the open one is seen
    assert "aws_vpc_security_group_ingress_rule.this  ×2\n        client, self\n" in text
    assert 'aws_vpc_security_group_ingress_rule.this["world"]' in text
    assert "0.0.0.0/0" in text


def test_a_queue_count_reads_as_a_number_that_changes() -> None:
    text = render_text(build_review(golden_plan("update"), project=PROJECT), width=120)
    assert "Scheduling.SlurmQueues[debug].ComputeResources[c5-xlarge].MaxCount: 8 → 16" in text
    markdown = render_markdown(build_review(golden_plan("update"), project=PROJECT))
    assert (
        "! Cluster.Properties.ClusterConfiguration.Scheduling.SlurmQueues[debug]"
        ".ComputeResources[c5-xlarge].MaxCount: 8 → 16"
    ) in markdown


def test_what_loses_data_comes_first() -> None:
    text = render_text(build_review(golden_plan("destroy"), project=PROJECT))
    assert text.index("Loses data (4)") < text.index("Deleted (10)")


def test_the_same_change_of_many_is_told_once() -> None:
    # GIVEN a new owner: every resource gets the same new tag
    text = render_text(build_review(golden_plan("owner"), project=PROJECT))
    # THEN the tag is told once for them all, and once for the cluster that has more to tell
    assert text.count("ada → grace") == 2


def test_tags_are_told_as_aws_gets_them() -> None:
    # GIVEN a change of the default tags alone; the provider reports it in two attributes
    planned = entry(
        "aws_subnet.this",
        "update",
        before={"tags": {"a": "1"}, "tags_all": {**OWN_TAGS, "a": "1"}},
        after={"tags": {}, "tags_all": {**OWN_TAGS, "a": "2"}},
    )
    assert [line for line in text_of(planned).splitlines() if "tags" in line] == ['      ~ tags.a: "1" → "2"']


def test_drift_that_the_plan_does_not_touch_is_one_line() -> None:
    text = render_text(build_review(golden_plan("nothing"), project=PROJECT))
    assert "not set back by this plan (3)" in text
    assert "touched by this plan" not in text


def test_drift_that_the_plan_sets_right_is_told_in_full() -> None:
    text = render_text(build_review(golden_plan("drift"), project=PROJECT))
    assert "Changed outside Terraform, and touched by this plan (2)" in text
    assert 'tags["provisioner:owner"]: ada → somebody' in text


HOSTILE = "\x1b[2J\u202egnp.exe\n```\n<script>alert(1)</script> | @everyone `x` **b**"


@pytest.mark.parametrize("actions", [["create"], ["update"], ["delete"]])
def test_a_hostile_value_stays_text(actions: list[str]) -> None:
    # GIVEN names and tags that hold terminal codes, Markdown and HTML
    value = {"name": HOSTILE, "bucket": HOSTILE, "tags": {HOSTILE: HOSTILE}, "cidr_block": HOSTILE}
    other = {**value, "bucket": "plain"}
    planned = [
        entry(f"{kind}.this", *actions, before=None if actions == ["create"] else other, after=value)
        for kind in ("aws_s3_bucket", "aws_security_group", "aws_subnet")
    ]
    # THEN the terminal gets no control or direction character
    text = text_of(*planned)
    assert not [ch for ch in text if ch != "\n" and not ch.isprintable()]
    # AND Markdown keeps it inside code: no line of it starts a fence, an HTML tag or a mention
    markdown = markdown_of(*planned)
    assert not re.search(r"^```\s*$\n<script>", markdown, re.MULTILINE)
    outside = re.sub(r"(`{2,})(?:diff\n.*?\n\s*|.*?)\1", "", markdown, flags=re.DOTALL)
    assert "<script>" not in outside and "@everyone" not in outside


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain words", "plain words"),
        ("", '""'),
        ("8", '"8"'),
        (8, "8"),
        ("true", '"true"'),
        (True, "true"),
        (None, "null"),
        (" edge ", '" edge "'),
        (["a", 1], "[a, 1]"),
        ({"Name": "m7i", "MaxCount": 4}, "{Name: m7i, MaxCount: 4}"),
    ],
)
def test_values_are_written_so_that_they_can_be_told_apart(value: Any, expected: str) -> None:
    assert shown_value(value) == expected


def test_long_lists_show_what_comes_and_goes() -> None:
    before = [f"subnet-0123456789abcde{n}" for n in range(4)]
    change = AttributeChange("ids", "ids", before, [*before[1:], "subnet-new"])
    assert transition(change) == "+ subnet-new, - subnet-0123456789abcde0, 3 as before"


def test_a_long_value_is_cut_in_text_and_whole_in_json() -> None:
    planned = entry("aws_s3_bucket.this", "update", before={"p": "a"}, after={"p": "word " * 400})
    assert "more lines" in text_of(planned)
    assert len(json.dumps(text_of(planned))) < 2000


def test_the_reader_learns_when_nothing_visible_differs() -> None:
    planned = entry("aws_subnet.this", "update", before={"a": 1}, after={"a": 1})
    assert "no attribute that can be shown differs" in text_of(planned)
