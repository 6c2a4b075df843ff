"""API Gateway as far as the service sees it: proxy events in, answers checked against the document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.service.api import Service
from tests.functional.service.document import require_documented
from tests.functional.service.events import CALLER, event, recorded

__all__ = ["CALLER", "Answered", "Gateway", "event", "recorded"]


@dataclass(frozen=True)
class Answered:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The stable code of an error, of either interface."""
        return str(self.body.get("code") or self.body["message"])


class Gateway:
    """`gateway("GET", "/v1/version")` calls the service; every answer must be one of the document's."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def __call__(self, method: str, path: str, **more: Any) -> Answered:
        return self.send(event(method, path, **more))

    def send(self, sent: dict[str, Any]) -> Answered:
        answer = self.service.answer(sent)
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        body = json.loads(answer["body"])
        require_documented(
            sent["httpMethod"], sent["path"], answer["statusCode"], headers["Content-Type"], body
        )
        return Answered(answer["statusCode"], body, headers)
