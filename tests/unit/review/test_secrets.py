"""Sensitive values: masked by Terraform's masks, and looked for everywhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.rules import Policy
from engine.review import Context, build_review, render_markdown, render_text, review_json
from engine.review.values import overlay, shown
from tests.unit.review.plans import PROJECT, entry, plan_of

SECRET = "canary-0123456789"
BUCKET = "aws_s3_bucket.this"
VARIABLES: dict[str, Any] = {
    "variables": {"password": {"value": SECRET}, "region": {"value": "us-east-1"}},
    "configuration": {"root_module": {"variables": {"password": {"sensitive": True}, "region": {}}}},
}


def everything(plan: dict[str, Any]) -> str:
    review = build_review(plan, project=PROJECT)
    reports = [
        render_text(review),
        render_markdown(review),
        json.dumps(review_json(review), ensure_ascii=False),
        repr(review),
    ]
    return "\n".join(reports)


@pytest.mark.parametrize("actions", [["create"], ["update"], ["delete", "create"], ["delete"], ["forget"]])
@pytest.mark.parametrize(
    ("value", "mask"),
    [
        ({"password": SECRET}, {"password": True}),
        ({"password": SECRET}, True),
        ({"users": [{"name": "a", "password": SECRET}]}, {"users": [{"password": True}]}),
        ({"users": [{"name": "a", "password": SECRET}]}, {"users": True}),
        ({"document": json.dumps({"inner": SECRET})}, {"document": True}),
        ({"names": ["a", SECRET]}, {"names": [False, True]}),
        ({"password": SECRET}, {"password": {"deeper": True}}),
    ],
)
def test_masked_values_appear_nowhere(actions: list[str], value: dict[str, Any], mask: Any) -> None:
    other = json.loads(json.dumps(value).replace(SECRET, SECRET[::-1]))
    change: dict[str, Any] = {"before": value, "before_sensitive": mask}
    if actions != ["delete"] and actions != ["forget"]:
        change = {**change, "after": other, "after_sensitive": mask}
    if actions == ["create"]:
        change = {**change, "before": None, "before_sensitive": False}
    told = everything(plan_of(entry(BUCKET, *actions, **change)))
    assert SECRET not in told and SECRET[::-1] not in told
    assert "(sensitive)" in told


@pytest.mark.parametrize("hiding", ["before", "after"])
@pytest.mark.parametrize(
    ("nothing", "mask"),
    [
        (False, {"notes": True}),
        ({}, {"notes": True}),
        ({"notes": {}}, {"notes": [True]}),
        ({"notes": [False]}, {"notes": {"deeper": True}}),
    ],
)
def test_what_one_side_hides_the_other_does_not_show(hiding: str, nothing: Any, mask: Any) -> None:
    # GIVEN a value that becomes sensitive in this very plan, or is so no longer
    masks = {"before_sensitive": nothing, "after_sensitive": nothing, f"{hiding}_sensitive": mask}
    sides = {"before": {"notes": SECRET}, "after": {"notes": SECRET[::-1]}}
    told = everything(
        plan_of(
            entry(BUCKET, "update", **sides, **masks),
            output_changes={"notes": {"actions": ["update"], **sides, **masks}},
        )
    )
    # THEN neither the old one nor the new one is shown
    assert SECRET not in told and SECRET[::-1] not in told


@pytest.mark.parametrize(
    ("object_mask", "list_mask"),
    [({"pin": True}, [True]), ({"pin": True}, [False]), ({"pin": False}, [True])],
)
def test_an_attribute_that_turns_from_an_object_into_a_list_shows_neither(
    object_mask: Any, list_mask: Any
) -> None:
    # GIVEN values too short to be looked for elsewhere
    told = everything(
        plan_of(
            entry(
                "terraform_data.this",
                "update",
                before={"input": {"pin": "old47"}},
                after={"input": ["new11"]},
                before_sensitive={"input": object_mask},
                after_sensitive={"input": list_mask},
            )
        )
    )
    assert "old47" not in told and "new11" not in told


def test_a_secret_that_a_provider_copies_elsewhere_is_found() -> None:
    # GIVEN a sensitive value, and an attribute that Terraform does not mark holding a copy
    plan = plan_of(
        entry(
            "aws_db_instance.this",
            "update",
            before={"password": "x", "url": "mysql://u:old@db"},
            after={"password": SECRET, "url": f"mysql://u:{SECRET}@db"},
            before_sensitive={"password": True},
            after_sensitive={"password": True},
        ),
        output_changes={
            "url": {
                "actions": ["create"],
                "after": f"u:{SECRET}",
                "after_unknown": False,
                "after_sensitive": False,
            }
        },
    )
    told = everything(plan)
    assert SECRET not in told
    assert "mysql://u:(sensitive)@db" in told


def test_a_sensitive_variable_is_hidden_wherever_it_turns_up() -> None:
    told = everything(plan_of(entry(BUCKET, "create", after={"bucket": SECRET}), **VARIABLES))
    assert SECRET not in told and "(sensitive)" in told


def test_a_finding_tells_it_neither_in_its_message_nor_in_its_hint() -> None:
    plan = plan_of(entry("aws_instance.this", "create", after={"instance_type": f"{SECRET}.2"}), **VARIABLES)
    context = Context(policy=Policy(allowed_instance_types=(f"{SECRET}.1",)))
    (finding,) = build_review(plan, project=PROJECT, context=context).findings
    assert (finding.message, finding.hint) == ("(sensitive).2 not allowed here.", "Allowed: (sensitive).1.")


def test_sensitive_outputs_and_drift_are_hidden() -> None:
    hidden = {"before_sensitive": {"p": True}, "after_sensitive": {"p": True}}
    plan = plan_of(
        entry(BUCKET, "no-op"),
        resource_drift=[entry(BUCKET, "update", before={"p": "a"}, after={"p": SECRET}, **hidden)],
        output_changes={
            "p": {
                "actions": ["update"],
                "before": "old-" + SECRET,
                "after": SECRET,
                "before_sensitive": True,
                "after_sensitive": True,
            }
        },
    )
    assert SECRET not in everything(plan)


def test_unknown_values_are_named_so() -> None:
    assert shown(overlay({"a": 1}, None, {"id": True, "net": [{"ip": True}]})) == {
        "a": 1,
        "id": "(known after apply)",
        "net": [{"ip": "(known after apply)"}],
    }
    assert shown(overlay(None, None, [True])) == ["(known after apply)"]


LEAF = st.text("abc", min_size=1, max_size=3).map(lambda text: f"canary-{text}-0123")


@st.composite
def masked(draw: st.DrawFn) -> tuple[Any, Any]:
    """A value and a mask over it; each hidden leaf, and none else, holds "canary"."""
    shape = draw(st.integers(0, 4))
    if shape == 0:
        return draw(st.dictionaries(st.text("xyz", min_size=1), st.just("open"), max_size=2)), False
    if shape == 1:
        return {"k": draw(LEAF)}, True
    if shape == 2:
        return draw(LEAF), True
    if shape == 3:
        items = draw(st.lists(masked(), max_size=3))
        return [value for value, _ in items], [mask for _, mask in items]
    pairs = draw(st.dictionaries(st.text("xyz", min_size=1), masked(), max_size=3))
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


@given(masked(), masked(), st.sampled_from([["create"], ["update"], ["delete", "create"], ["delete"]]))
def test_no_masked_leaf_survives(one: Any, other: Any, actions: list[str]) -> None:
    plan = plan_of(
        entry(
            BUCKET,
            *actions,
            before={"v": one[0]},
            before_sensitive={"v": one[1]},
            after={"v": other[0]},
            after_sensitive={"v": other[1]},
        )
    )
    assert "canary" not in everything(plan)
