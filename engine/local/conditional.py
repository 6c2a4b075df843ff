"""Conditional writes to DynamoDB made atomic, also for callers inside the process.

moto checks a condition and writes in two steps. Requests over HTTP are served one at a time anyway;
this covers code that calls the backend directly. S3's If-None-Match lives in moto's request handler
and is covered by the gateway's lock alone.
"""

from __future__ import annotations

import functools
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World

WRITES = ("put_item", "update_item", "delete_item", "transact_write_items", "create_table")


def install(world: World, patches: Patches) -> None:
    from moto.dynamodb.models import DynamoDBBackend

    for name in WRITES:
        original = getattr(DynamoDBBackend, name)
        patches.set(DynamoDBBackend, name, _locked(world, original))


def _locked(world: World, original: Any) -> Any:
    @functools.wraps(original)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with world.lock:
            return original(*args, **kwargs)

    return locked
