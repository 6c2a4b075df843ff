"""What moto lacks of DynamoDB: encryption that is switched on later, or changed to another key."""

from __future__ import annotations


def test_encryption_of_a_table_can_be_changed(cloud):
    dynamodb, kms = cloud.client("dynamodb"), cloud.client("kms")
    dynamodb.create_table(
        TableName="plain",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def encryption():
        return dynamodb.describe_table(TableName="plain")["Table"].get("SSEDescription", {})

    assert encryption() == {}

    dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": True})
    of_account = kms.describe_key(KeyId="alias/aws/dynamodb")["KeyMetadata"]["Arn"]
    assert encryption() == {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": of_account}

    own = kms.create_key()["KeyMetadata"]["Arn"]
    dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": True, "KMSMasterKeyId": own})
    assert encryption()["KMSMasterKeyArn"] == own

    dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": False})
    assert encryption() == {}

    # The account's own key is AWS's, and not told of as something that was left behind.
    assert [item["id"] for item in cloud.inventory() if item["type"] == "key"] == [own.rpartition("/")[2]]
