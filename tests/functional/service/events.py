"""Proxy events as API Gateway sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

EVENTS = Path(__file__).parents[2] / "events"
CALLER = "arn:aws:sts::123456789012:assumed-role/workflow-service/session"


def recorded(name: str) -> dict[str, Any]:
    """An event as API Gateway sends it, from tests/events."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def event(
    method: str,
    path: str,
    *,
    query: str = "",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    caller: str = CALLER,
) -> dict[str, Any]:
    """The recorded event, with another request in it. body: text as it is, anything else as JSON."""
    made = recorded("old_get_one")
    several: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        several.setdefault(name, []).append(value)
    sent = {**made["headers"], **({"Content-Type": "application/json"} if body is not None else {})}
    sent |= dict(headers or {})
    return made | {
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "requestContext": {
            **made["requestContext"],
            "httpMethod": method,
            "path": f"/production{path}",
            "identity": {**made["requestContext"]["identity"], "userArn": caller},
        },
    }
