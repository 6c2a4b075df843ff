"""What CloudWatch takes as a dashboard, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from engine.local.dashboards import problems

GRAPH = {"region": "us-east-1", "metrics": [["AWS/SQS", "Age", "QueueName", "q", {"stat": "p99"}]]}


def widget(**change: Any) -> dict[str, Any]:
    return {"type": "metric", "x": 0, "y": 0, "width": 24, "height": 6, "properties": GRAPH} | change


def test_a_sound_body_is_taken() -> None:
    alarms = widget(type="alarm", y=6, properties={"alarms": ["arn:aws:cloudwatch:us-east-1:1:alarm:x"]})
    assert list(problems({"widgets": [widget(), alarms]})) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "/widgets"),
        ({"widgets": [widget(type="graph")]}, "/widgets/0/type"),
        ({"widgets": [widget(x=1)]}, "24 columns"),
        ({"widgets": [widget(height=0)]}, "rows"),
        ({"widgets": [widget(properties=None)]}, "/properties"),
        ({"widgets": [widget(properties={"metrics": GRAPH["metrics"]})]}, "'region'"),
        ({"widgets": [widget(properties={"region": "us-east-1"})]}, "'metrics'"),
        ({"widgets": [widget(properties=GRAPH | {"metrics": [["AWS/SQS", "Age", "QueueName"]]})]}, "pairs"),
        ({"widgets": [widget(properties=GRAPH | {"view": "film"})]}, "/view"),
        ({"widgets": [widget(type="log", properties={"region": "us-east-1"})]}, "'query'"),
    ],
)
def test_a_bad_body_is_refused(body: dict[str, Any], said: str) -> None:
    assert said in " ".join(problems(body))
