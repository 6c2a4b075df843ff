"""SQS's attribute RedriveAllowPolicy, which moto does not know.

Source: SQS API reference, SetQueueAttributes and GetQueueAttributes.
"""

from __future__ import annotations

from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.sqs.models import Queue

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self.redrive_allow_policy = None
        original(self, *args, **kwargs)

    original = patches.set(Queue, "__init__", init)
    patches.set(Queue, "BASE_ATTRIBUTES", [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"])
