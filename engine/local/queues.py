"""SQS's redrive attributes: moto does not know RedriveAllowPolicy, and writes RedrivePolicy anew.

Source: SQS API reference, SetQueueAttributes and GetQueueAttributes.
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.sqs.models import Queue

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self.redrive_allow_policy = None
        original(self, *args, **kwargs)

    original = patches.set(Queue, "__init__", init)
    patches.set(Queue, "BASE_ATTRIBUTES", [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"])

    def attributes(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = original_attributes.fget(self)
        if self.redrive_policy:
            # As clients send it, without blanks.
            answer["RedrivePolicy"] = json.dumps(self.redrive_policy, separators=(",", ":"))
        return answer

    original_attributes = patches.set(Queue, "attributes", property(attributes))
