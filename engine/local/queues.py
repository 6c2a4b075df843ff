"""SQS's redrive attributes, and queues that are as quick with many messages as with few.

moto does not know RedriveAllowPolicy, and writes RedrivePolicy anew. It counts a queue's messages four times
for each one that is sent, and asks the clock for each of them: with 200 waiting that took longer than all
else of a request to the service. Here one reading of the clock counts them all.
Source: SQS API reference, SetQueueAttributes and GetQueueAttributes.
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.core.utils import unix_time_millis
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

    def messages(self: Any) -> list[Any]:
        now = unix_time_millis()
        return [one for one in self._messages if now > one.visible_at and now >= one.delayed_until]

    def delayed(self: Any) -> int:
        now = unix_time_millis()
        return sum(now < one.delayed_until for one in self._messages)

    def not_visible(self: Any) -> int:
        now = unix_time_millis()
        return sum(now <= one.visible_at for one in self._messages)

    patches.set(Queue, "messages", property(messages))
    patches.set(Queue, "approximate_number_of_messages_delayed", property(delayed))
    patches.set(Queue, "approximate_number_of_messages_not_visible", property(not_visible))
