"""Leaf-by-leaf differences, also inside JSON strings."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.review.differences import differences
from engine.review.values import UNKNOWN, Hidden

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def told(before: Any, after: Any, **more: Any) -> list[tuple[str, str, Any, Any]]:
    return [(d.path, d.label, d.before, d.after) for d in differences(before, after, **more)]


def cluster(*queues: tuple[str, int]) -> str:
    listed = [{"Name": name, "ComputeResources": [{"Name": "cr", "MaxCount": n}]} for name, n in queues]
    configuration = {"Scheduling": {"SlurmQueues": listed}}
    return json.dumps({"Resources": {"Cluster": {"Properties": {"ClusterConfiguration": configuration}}}})


QUEUES = "template_body.Resources.Cluster.Properties.ClusterConfiguration.Scheduling.SlurmQueues"


def test_a_number_deep_in_a_template_is_one_line() -> None:
    found = told({"template_body": cluster(("debug", 8))}, {"template_body": cluster(("debug", 16))})
    assert found == [
        (
            f"{QUEUES}[0].ComputeResources[0].MaxCount",
            f"{QUEUES}[debug].ComputeResources[cr].MaxCount",
            8,
            16,
        )
    ]


def test_a_queue_put_in_front_does_not_make_the_others_look_changed() -> None:
    found = told(
        {"template_body": cluster(("debug", 8))}, {"template_body": cluster(("new", 4), ("debug", 8))}
    )
    assert [(path, before) for path, _, before, _ in found] == [(f"{QUEUES}[0]", None)]


def test_another_order_of_named_members_is_told() -> None:
    found = told({"q": [{"Name": "a"}, {"Name": "b"}]}, {"q": [{"Name": "b"}, {"Name": "a"}]})
    assert found == [("q.(order)", "q.(order)", ["a", "b"], ["b", "a"])]


def test_members_without_a_name_are_matched_by_what_they_hold() -> None:
    found = told({"rule": [{"p": 1}, {"p": 2}]}, {"rule": [{"p": 2}, {"p": 3}]})
    assert found == [("rule[1].p", "rule[1].p", 1, 3)]


def test_the_same_json_written_differently_is_still_told() -> None:
    ((path, _, before, after),) = told({"policy": '{"a":1}'}, {"policy": '{ "a": 1 }'})
    assert (path, before, after) == ("policy", "(JSON)", "(the same JSON, written differently)")


def test_text_that_only_looks_like_json_stays_text() -> None:
    assert told({"user_data": "{oops"}, {"user_data": "{oops!"}) == [
        ("user_data", "user_data", "{oops", "{oops!")
    ]


def test_one_and_true_differ() -> None:
    assert [after for *_, after in told({"a": 1}, {"a": True})] == [True]


def test_odd_keys_are_quoted() -> None:
    assert told({"tags": {"a:b.c": "1"}}, {"tags": {}})[0][0] == 'tags["a:b.c"]'


def test_a_hidden_value_is_compared_and_not_shown() -> None:
    assert told({"p": Hidden("old")}, {"p": Hidden("old")}) == []
    assert told({"p": Hidden("old")}, {"p": Hidden("new")}) == [("p", "p", "(sensitive)", "(sensitive)")]


def test_an_unknown_value_is_never_the_same() -> None:
    (found,) = differences({"id": "x"}, {"id": UNKNOWN})
    assert (found.after, found.unknown) == ("(known after apply)", True)


def test_what_forces_the_replacement_is_marked_even_when_it_looks_the_same() -> None:
    (looks_same,) = differences({"a": 1}, {"a": 1}, replace_paths=[["a"]])
    assert looks_same.forces_replacement
    (inner,) = differences({"b": [{"c": 1}]}, {"b": [{"c": 2}]}, replace_paths=[["b", 0, "c"]])
    assert inner.forces_replacement
    (other,) = [
        d for d in differences({"a": 1, "ab": 1}, {"a": 1, "ab": 2}, replace_paths=[["a"]]) if d.path == "ab"
    ]
    assert not other.forces_replacement


@given(JSON)
@settings(deadline=None)
def test_a_value_never_differs_from_itself(value: Any) -> None:
    assert differences({"v": value}, {"v": value}) == ()


@given(JSON, JSON)
@settings(deadline=None)
def test_values_that_differ_are_told(before: Any, after: Any) -> None:
    # Absent and null are the same to Terraform, so maps are compared without their nulls.
    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if v is not None and bare(v) != {}}
        return [bare(item) for item in value] if isinstance(value, list) else value

    if json.dumps(bare(before), sort_keys=True) != json.dumps(bare(after), sort_keys=True):
        assert differences({"v": before}, {"v": after})
