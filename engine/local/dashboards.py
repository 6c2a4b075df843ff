"""CloudWatch's look at a dashboard before it is taken; moto takes any JSON.

Source: CloudWatch API reference, "Dashboard body structure and syntax".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from engine.local.patches import Patches

COLUMNS = 24
ROWS_OF_A_WIDGET = 1000
REQUIRED = {
    "alarm": ("alarms",),
    "log": ("query", "region"),
    "metric": ("region",),
    "text": ("markdown",),
    "explorer": ("metrics",),
}
VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")


def install(patches: Patches) -> None:
    from moto.cloudwatch.exceptions import DashboardInvalidInputError
    from moto.cloudwatch.models import CloudWatchBackend

    def put_dashboard(backend: Any, name: str, body: str) -> None:
        found = list(problems(json.loads(body)))
        if found:
            raise DashboardInvalidInputError(
                f"The dashboard body is invalid, there are {len(found)} validation errors: {found}"
            )
        original(backend, name, body)

    original = patches.set(CloudWatchBackend, "put_dashboard", put_dashboard)


def problems(body: Any) -> Iterator[str]:
    """What CloudWatch finds wrong with a dashboard's body."""
    widgets = body.get("widgets") if isinstance(body, dict) else None
    if not isinstance(widgets, list):
        yield "/widgets: should be an array"
        return
    for number, widget in enumerate(widgets):
        for problem in _widget_problems(widget):
            yield f"/widgets/{number}{problem}"


def _widget_problems(widget: dict[str, Any]) -> Iterator[str]:
    kind, properties = widget.get("type"), widget.get("properties")
    if kind not in REQUIRED:
        yield f"/type: should be one of {', '.join(sorted(REQUIRED))}"
        return
    if not isinstance(properties, dict):
        yield "/properties: should be an object"
        return
    for name in REQUIRED[kind]:
        if not properties.get(name):
            yield f"/properties: should have required property '{name}'"
    yield from _place_problems(widget)
    if kind == "metric":
        yield from _metric_problems(properties)


def _place_problems(widget: dict[str, Any]) -> Iterator[str]:
    x, y, width, height = (
        widget.get(key, default) for key, default in (("x", 0), ("y", 0), ("width", 6), ("height", 6))
    )
    if not (isinstance(x, int) and isinstance(width, int) and x >= 0 and width >= 1 and x + width <= COLUMNS):
        yield f": should lie in the {COLUMNS} columns, not at {x} with {width}"
    if not (isinstance(y, int) and isinstance(height, int) and y >= 0 and 1 <= height <= ROWS_OF_A_WIDGET):
        yield f": should have a row and 1 to {ROWS_OF_A_WIDGET} rows, not {y} and {height}"


def _metric_problems(properties: dict[str, Any]) -> Iterator[str]:
    if properties.get("view", "timeSeries") not in VIEWS:
        yield f"/properties/view: should be one of {', '.join(VIEWS)}"
    metrics = properties.get("metrics")
    if not metrics and not properties.get("annotations", {}).get("alarms"):
        yield "/properties: should have required property 'metrics'"
    for number, metric in enumerate(metrics or []):
        names = metric[:-1] if metric and isinstance(metric[-1], dict) else metric
        # Namespace, name, then pairs of a dimension's name and value; an expression is an object alone.
        if names and (len(names) % 2 or not all(isinstance(name, str) for name in names)):
            yield f"/properties/metrics/{number}: should be namespace, name, and pairs of dimensions"
