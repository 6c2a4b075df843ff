"""Transactions of the local cloud's DynamoDB: all or nothing, and no copy of the table for each."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

TABLE = "registry"


@pytest.fixture
def table(cloud) -> Any:
    """A client, and a table with two items in it."""
    client = cloud.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for sort in ("kept", "changed", "deleted"):
        client.put_item(TableName=TABLE, Item=item(sort, "1"))
    return client


def item(sort: str, number: str) -> dict[str, Any]:
    return {**key(sort), "number": {"N": number}}


def key(sort: str) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sort}}


def everything(client: Any) -> dict[str, str]:
    return {one["sk"]["S"]: one["number"]["N"] for one in client.scan(TableName=TABLE)["Items"]}


def writes(condition: str) -> list[dict[str, Any]]:
    """One of each kind; the last is a check with this condition."""
    check = {"TableName": TABLE, "Key": key("kept"), "ConditionExpression": condition}
    update = {
        "TableName": TABLE,
        "Key": key("changed"),
        "UpdateExpression": "SET #n = :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    return [
        {"Put": {"TableName": TABLE, "Item": item("new", "2")}},
        {"Update": update},
        {"Delete": {"TableName": TABLE, "Key": key("deleted")}},
        {"ConditionCheck": check},
    ]


def test_one_that_fails_leaves_all_as_it_was(table: Any) -> None:
    with pytest.raises(ClientError, match="TransactionCanceled"):
        table.transact_write_items(TransactItems=writes("attribute_not_exists(pk)"))
    assert everything(table) == {"kept": "1", "changed": "1", "deleted": "1"}
    # Twice the same item is refused, after the first write was made.
    twice = [{"Put": {"TableName": TABLE, "Item": item("kept", number)}} for number in ("2", "3")]
    with pytest.raises(ClientError, match="Transaction"):
        table.transact_write_items(TransactItems=twice)
    assert everything(table)["kept"] == "1"


def test_one_that_holds_makes_all_of_it(table: Any) -> None:
    table.transact_write_items(TransactItems=writes("attribute_exists(pk)"))
    assert everything(table) == {"kept": "1", "changed": "2", "new": "2"}


def test_what_it_does_not_name_is_not_touched(table: Any, cloud) -> None:
    held = cloud.world.backends.dynamodb("us-east-1").tables[TABLE]
    kept = id(next(one for one in held.all_items() if one.attrs["sk"].value == "kept"))
    with pytest.raises(ClientError):
        table.transact_write_items(TransactItems=[*writes("attribute_exists(pk)")[:3], failing()])
    held = cloud.world.backends.dynamodb("us-east-1").tables[TABLE]
    assert id(next(one for one in held.all_items() if one.attrs["sk"].value == "kept")) == kept


def failing() -> dict[str, Any]:
    condition = "attribute_exists(pk)"
    return {"ConditionCheck": {"TableName": TABLE, "Key": key("absent"), "ConditionExpression": condition}}
