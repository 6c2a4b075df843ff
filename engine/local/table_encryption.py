"""Encryption of a DynamoDB table that is changed later; moto keeps only what a table was made with."""

from __future__ import annotations

from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.dynamodb.responses import DynamoHandler

    def update_table(self: Any) -> Any:
        wanted = self.body.get("SSESpecification")
        if wanted:
            backend = self.dynamodb_backend
            table = backend.get_table(self.body["TableName"])
            # DynamoDB API, SSESpecification: without a key of one's own it is the account's key for DynamoDB.
            key = table._get_default_encryption_key(backend.account_id, backend.region_name)
            table.sse_specification = {"KMSMasterKeyId": key} | wanted
        return original(self)

    original = patches.set(DynamoHandler, "update_table", update_table)
