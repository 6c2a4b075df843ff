"""Mutual exclusion that claims and locks rest on: exactly one writer wins, however threads are switched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

TABLE = "claims"


@pytest.fixture
def table(cloud) -> str:
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return TABLE


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads are switched every microsecond, which makes moto alone let several writers win."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_one_winner_in_the_process(cloud, table, restless):
    from moto.dynamodb.exceptions import ConditionalCheckFailed

    backend = cloud.world.backends.dynamodb("us-east-1")

    def claim(who: int, key: str) -> bool:
        try:
            backend.put_item(
                table,
                {"id": {"S": key}, "who": {"N": str(who)}},
                condition_expression="attribute_not_exists(id)",
            )
        except ConditionalCheckFailed:
            return False
        return True

    for round_ in range(30):
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(lambda who, key=f"key-{round_}": claim(who, key), range(16)))
        assert won.count(True) == 1


def test_one_transaction_wins_in_the_process(cloud, table, restless):
    """Claims of address blocks are transactions; none of them may win by half."""
    from moto.dynamodb.exceptions import TransactionCanceledException

    backend = cloud.world.backends.dynamodb("us-east-1")

    def claim(who: int, block: str) -> bool:
        puts = [
            {
                "Put": {
                    "TableName": table,
                    "Item": {"id": {"S": key}},
                    "ConditionExpression": "attribute_not_exists(id)",
                }
            }
            for key in (block, f"{block}-{who}")
        ]
        try:
            backend.transact_write_items(puts)
        except TransactionCanceledException:
            return False
        return True

    for round_ in range(15):
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(lambda who, block=f"block-{round_}": claim(who, block), range(16)))
        assert won.count(True) == 1
    assert len(backend.get_table(table).all_items()) == 2 * 15


def test_a_transaction_is_known_by_its_token(cloud, table):
    """One that is sent again, since its answer was lost, is answered as before."""
    client = cloud.client("dynamodb")
    put = {"TableName": table, "Item": {"id": {"S": "x"}}, "ConditionExpression": "attribute_not_exists(id)"}

    for _ in range(2):
        client.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken="one")
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken="two")


def test_one_winner_over_http(cloud, table, restless):
    clients = [cloud.client("dynamodb") for _ in range(8)]

    def claim(client) -> bool:
        try:
            client.put_item(
                TableName=table, Item={"id": {"S": "one"}}, ConditionExpression="attribute_not_exists(id)"
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(claim, clients)).count(True) == 1


def test_one_object_with_if_none_match(cloud, restless):
    bucket = cloud.names.bucket
    clients = [cloud.client("s3") for _ in range(8)]

    def put(client) -> bool:
        try:
            client.put_object(Bucket=bucket, Key="lock", Body=b"mine", IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(put, clients)).count(True) == 1


def test_overlapping_subnets_cannot_both_be_made(cloud, ground, restless):
    clients = [cloud.client("ec2") for _ in range(6)]

    def make(client) -> bool:
        try:
            client.create_subnet(VpcId=ground.vpc, CidrBlock="10.42.64.0/24", AvailabilityZone="us-east-1a")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidSubnet.Conflict"
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(make, clients)).count(True) == 1
