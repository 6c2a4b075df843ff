"""Conditional writes to DynamoDB made atomic, also for callers inside the process.

moto checks a condition and writes in two steps. Requests over HTTP are served one at a time anyway;
this covers code that calls the backend directly. S3's If-None-Match lives in moto's request handler
and is covered by the gateway's lock alone.

moto does not know transactions by their token either: one that is sent again, since its answer was lost,
would meet its own writes and be refused. DynamoDB answers it as it did the first time.
Source: DynamoDB API reference, TransactWriteItems, "ClientRequestToken"
"""

from __future__ import annotations

import functools
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World

WRITES = ("put_item", "update_item", "delete_item", "transact_write_items", "create_table")


def install(world: World, patches: Patches) -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.responses import DynamoHandler

    for name in WRITES:
        original = getattr(DynamoDBBackend, name)
        patches.set(DynamoDBBackend, name, _locked(world, original))
    patches.set(DynamoHandler, "transact_write_items", _once(DynamoHandler.transact_write_items))


def _once(original: Any) -> Any:
    answers: dict[str, Any] = {}

    @functools.wraps(original)
    def once(self: Any) -> Any:
        token = self.body.get("ClientRequestToken")
        if token is None:
            return original(self)
        # A transaction that was refused has written nothing, and is judged anew.
        if token not in answers:
            answers[token] = original(self)
        return answers[token]

    return once


def _locked(world: World, original: Any) -> Any:
    @functools.wraps(original)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with world.lock:
            return original(*args, **kwargs)

    return locked
