"""DynamoDB's transactions without a copy of the table for each.

moto keeps a copy of every table that a transaction touches, to go back to when it fails: with a registry of
some hundred projects that is a second for each step of each of them. Here the items alone are kept that the
transaction names.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World


def install(world: World, patches: Patches) -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    at_work: list[bool] = []

    def deepcopy(table: Any, memo: dict[int, Any]) -> Any:
        if at_work:
            return table
        made = table.__class__.__new__(table.__class__)
        memo[id(table)] = made
        made.__dict__.update(copy.deepcopy(table.__dict__, memo))
        return made

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        with world.lock:
            before = list(_items(backend, transact_items))
            at_work.append(True)
            try:
                original(backend, transact_items)
            except BaseException:
                for table, hash_key, range_key, item in before:
                    _put_back(table, hash_key, range_key, item)
                raise
            finally:
                at_work.pop()

    original = DynamoDBBackend.transact_write_items
    patches.set(Table, "__deepcopy__", deepcopy)
    patches.set(DynamoDBBackend, "transact_write_items", functools.wraps(original)(transact_write_items))


def _items(backend: Any, transact_items: list[dict[str, Any]]) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Table, keys and a copy of each item that is named; None for one that is not there."""
    from moto.dynamodb.models.dynamo_type import DynamoType

    for one in transact_items:
        for kind, write in one.items():
            table = backend.tables.get(write.get("TableName"))
            given = write.get("Item" if kind == "Put" else "Key", {})
            if table is None or not set(_key_names(table)) <= set(given):
                continue  # moto refuses it
            hash_key, range_key, *_ = [*(DynamoType(given[name]) for name in _key_names(table)), None]
            yield table, hash_key, range_key, copy.deepcopy(table.get_item(hash_key, range_key))


def _key_names(table: Any) -> list[str]:
    return [name for name in (table.hash_key_attr, table.range_key_attr) if name]


def _put_back(table: Any, hash_key: Any, range_key: Any, item: Any) -> None:
    if item is None:
        if table.get_item(hash_key, range_key) is not None:
            table.delete_item(hash_key, range_key)
    elif table.has_range_key:
        table.items[hash_key][range_key] = item
    else:
        table.items[hash_key] = item
