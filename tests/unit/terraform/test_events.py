"""Lines of Terraform's -json stream, as events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.terraform.diagnostics import Diagnostic
from engine.terraform.events import (
    ChangeSummary,
    DiagnosticSeen,
    DriftSeen,
    Event,
    Message,
    OutputsSeen,
    PlannedChange,
    RefreshFinished,
    RefreshStarted,
    ResourceFailed,
    ResourceFinished,
    ResourceProgress,
    ResourceStarted,
    decode,
    event_from,
)

RESOURCE = {
    "addr": "module.subnet[0].aws_subnet.this",
    "module": "module.subnet[0]",
    "resource": "aws_subnet.this",
    "implied_provider": "aws",
    "resource_type": "aws_subnet",
    "resource_name": "this",
    "resource_key": None,
}
HOOK = {
    "resource": RESOURCE,
    "action": "create",
    "id_key": "id",
    "id_value": "subnet-1",
    "elapsed_seconds": 10,
}
NAMED = {"address": RESOURCE["addr"], "action": "create", "type": "aws_subnet", "id": "subnet-1"}


def message(kind: str, **more: Any) -> dict[str, Any]:
    return {"@level": "info", "@message": "words", "@module": "terraform.ui", "type": kind, **more}


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (message("apply_start", hook=HOOK), ResourceStarted(**NAMED)),
        (message("apply_progress", hook=HOOK), ResourceProgress(**NAMED, elapsed_s=10)),
        (message("apply_complete", hook=HOOK), ResourceFinished(**NAMED, elapsed_s=10)),
        (message("apply_errored", hook=HOOK), ResourceFailed(**NAMED, elapsed_s=10)),
        (message("refresh_start", hook=HOOK), RefreshStarted(RESOURCE["addr"], "aws_subnet", "subnet-1")),
        (message("refresh_complete", hook=HOOK), RefreshFinished(RESOURCE["addr"], "aws_subnet", "subnet-1")),
        (
            message(
                "planned_change", change={"resource": RESOURCE, "action": "replace", "reason": "tainted"}
            ),
            PlannedChange(RESOURCE["addr"], "replace", "aws_subnet", "tainted"),
        ),
        (
            message("resource_drift", change={"resource": RESOURCE, "action": "update"}),
            DriftSeen(RESOURCE["addr"], "update", "aws_subnet"),
        ),
        (
            message(
                "change_summary",
                changes={"add": 3, "change": 1, "import": 2, "remove": 4, "operation": "plan"},
            ),
            ChangeSummary("plan", add=3, change=1, remove=4, imported=2),
        ),
        (
            message("diagnostic", diagnostic={"severity": "warning", "summary": "Old", "detail": ""}),
            DiagnosticSeen(Diagnostic("warning", "Old")),
        ),
        (
            message(
                "outputs",
                outputs={"key": {"sensitive": True}, "ip": {"sensitive": False, "value": "10.0.0.1"}},
            ),
            OutputsSeen({"key": True, "ip": False}),
        ),
        (message("log"), Message("words", "info")),
        (message("something_new", hook={}), Message("words", "info")),
        (message("apply_start", hook={"resource": "changed its shape"}), Message("words", "info")),
        ({"no": "type"}, Message("", "info")),
    ],
)
def test_a_message_becomes_its_event(raw: dict[str, Any], event: Event) -> None:
    assert event_from(raw) == event


@pytest.mark.parametrize("line", ["", "panic: runtime error", "[1, 2]", '{"cut off', "null"])
def test_lines_that_are_no_message_are_not_decoded(line: str) -> None:
    assert decode(line) is None


def test_a_message_is_decoded() -> None:
    assert decode(json.dumps({"type": "log"})) == {"type": "log"}
