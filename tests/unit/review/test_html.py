"""The page: what a reader finds on it, and what nobody's value can do to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.review import Context, build_review, render_html
from engine.review.graph import LOOKED_UP, ROOT, graph_of, layers, without_detours
from engine.review.summary import sentences, verdict
from tests.unit.review import collection
from tests.unit.review.plans import OWN_TAGS, PROJECT, entry, plan_of

HOSTILE = "</text></svg><script>alert(1)</script>\u202e\"'&<b>"


def page(*entries: dict[str, Any], **more: Any) -> str:
    review = build_review(plan_of(*entries, **more), project=PROJECT, context=Context(region="us-east-1"))
    return render_html(review)


@pytest.mark.parametrize("actions", [["create"], ["update"], ["delete"], ["delete", "create"]])
def test_a_hostile_value_stays_text_everywhere(actions: list[str]) -> None:
    side = {"name": HOSTILE, "tags": {HOSTILE: HOSTILE}, "tags_all": OWN_TAGS}
    address = 'module.x["<i>"].aws_security_group.this["<script>"]'
    planned = entry(
        address,
        *actions,
        before=None if actions == ["create"] else {**side, "name": "plain"},
        after=None if actions == ["delete"] else side,
    )
    planned["module_address"] = 'module.x["<i>"]'
    output = {"a<b>": {"actions": ["create"], "before": None, "after": HOSTILE}}
    text = page(planned, output_changes=output)
    assert "<script>alert" not in text and "<i>" not in text and "a<b>" not in text
    assert text.count("<script>") == 1 and "\u202e" not in text


def test_a_queue_named_like_html_stays_text_in_the_picture() -> None:
    configuration = {
        "HeadNode": {"InstanceType": HOSTILE},
        "Scheduling": {
            "SlurmQueues": [{"Name": HOSTILE, "ComputeResources": [{"Name": HOSTILE, "MaxCount": 3}]}]
        },
        "SharedStorage": [{"MountDir": HOSTILE, "StorageType": HOSTILE, "Name": HOSTILE}],
    }
    made = entry(
        "module.parallelcluster.aws_cloudformation_stack.this",
        "create",
        before=None,
        after={},
        after_unknown={"template_body": True},
    )
    context = Context(region="us-east-1", configuration=configuration)
    text = render_html(build_review(plan_of(made), project=PROJECT, context=context))
    assert "alert(1)</script>" not in text and "&lt;/text&gt;" in text


def test_the_style_and_the_script_are_the_ones_that_are_allowed() -> None:
    import base64
    import hashlib

    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1].replace("&#39;", "'").replace("&#43;", "+")
    assert "default-src 'none'" in policy[1] and "http" not in policy[1]


def test_the_same_review_gives_the_same_page() -> None:
    review = collection.review("lustre-to-efs")
    assert render_html(review) == render_html(review)


def test_what_a_plan_means_in_sentences() -> None:
    losing = collection.review("lustre-to-efs")
    assert verdict(losing) == "It would be refused as it is: data-loss, cluster-update."
    assert sentences(losing)[0] == "Data is lost: 1 place that holds data is deleted or replaced."
    growing = collection.review("grow-lustre")
    assert verdict(growing) == "It can be applied."
    assert sentences(growing)[:2] == ("No data is lost.", "The cluster and its jobs are not touched.")
    more = sentences(collection.review("more-nodes"))
    assert any("of the cluster." in said and said.startswith("Live") for said in more)
    assert verdict(collection.review("unchanged")) == "There is nothing to apply."
    assert verdict(collection.review("stopped-part-way")).startswith("It can't be applied")


def test_the_cluster_is_drawn_with_what_comes_and_goes() -> None:
    text = collection.written("other-tier")["plan.html"]
    picture = text[text.index('aria-label="Cluster: ') :]
    assert "Queue prod-batch" in picture and ">new<" in picture
    assert "Queue debug" in picture and ">gone<" in picture


def test_modules_stand_below_what_they_build_on() -> None:
    graph = graph_of(collection.review("create-lustre-250"))
    names = [group.name for group in graph.groups]
    assert LOOKED_UP in names and "parallelcluster" in names and "bucket" in names
    rows = layers(names, graph.edges)
    depth = {name: index for index, row in enumerate(rows) for name in row}
    assert depth[LOOKED_UP] < depth["subnet"] < depth["fsx"]
    assert sum(len(group.nodes) for group in graph.groups) > 25


def test_too_many_blocks_are_drawn_by_type() -> None:
    many = [
        entry(f"aws_s3_object.o{n}", "create", before=None, after={"tags_all": OWN_TAGS}) for n in range(100)
    ]
    changed = entry("aws_subnet.this", "update", before={"a": 1}, after={"a": 2})
    (group,) = graph_of(build_review(plan_of(*many, changed), project=PROJECT)).groups
    assert group.name == ROOT
    assert {(node.type, node.count) for node in group.nodes} == {("aws_s3_object", 100), ("aws_subnet", 1)}
    assert dict(group.counts) == {"create": 100, "update": 1}


def test_circles_end_and_detours_go() -> None:
    assert layers(["a", "b"], [("a", "b"), ("b", "a")]) in ([["b"], ["a"]], [["a"], ["b"]])
    assert without_detours([("a", "b"), ("b", "c"), ("a", "c")]) == {("a", "b"), ("b", "c")}
    circle = {("a", "b"), ("b", "a")}
    assert without_detours(circle) == circle


def test_a_chain_of_hundreds_is_drawn() -> None:
    keys = [f"k{n}" for n in range(400)]
    rows = layers(keys, list(zip(keys[1:], keys, strict=False)))
    assert [row[0] for row in rows] == keys
