"""A lock table that takes no checksum of a state from Terraform."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.models import DynamoDBBackend


def refuse_digests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse from now on what Terraform writes, and not what the engine does, which is conditional; gives the
    checksums that were refused.
    """
    taken = DynamoDBBackend.put_item
    refused: list[str] = []

    def put_item(table: Any, table_name: str, item: dict[str, Any], *more: Any, **options: Any) -> Any:
        if "Digest" in item and "Digest = :wrong" not in (*more, *options.values()):
            refused.append(item["Digest"]["S"])
            raise JsonRESTError("ExpiredTokenException", "The security token is expired")
        return taken(table, table_name, item, *more, **options)

    monkeypatch.setattr(DynamoDBBackend, "put_item", put_item)
    return refused
