"""Terraform against a backend that is locked, missing, or down: clear errors, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from engine.errors import NotBootstrapped, StateLocked, TerraformMissing, Unreachable
from engine.terraform.state import instances

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Workplace

BUCKET, TABLE, KEY = "provisioner-state", "provisioner-locks", "projects/lab-1/proj-1/terraform.tfstate"
LOCK = {
    "ID": "5c9d2d5f-f0e9-4a02-0c8e-0b0e8f1a2b3c",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "alice@head",
    "Version": "1.11.4",
    "Created": "2026-11-23T03:00:00.123456789Z",
    "Path": f"{BUCKET}/{KEY}",
}
CONFIGURATION = f"""
terraform {{
  backend "s3" {{
    bucket                      = "{BUCKET}"
    key                         = "{KEY}"
    region                      = "us-east-1"
    dynamodb_table              = "{TABLE}"
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    max_retries                 = 1
  }}
}}
resource "terraform_data" "a" {{}}
"""
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str) -> Any:
    """Clients of an empty cloud, by service."""
    clients = {name: boto3.client(name, endpoint_url=endpoint, **CREDENTIALS) for name in ("s3", "dynamodb")}
    urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    return clients


@pytest.fixture
def here(workplace: Workplace, endpoint: str) -> Workplace:
    workplace.aws.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        AWS_REGION="us-east-1",
    )
    return workplace.write(CONFIGURATION)


def make_bucket(aws: Any) -> None:
    aws["s3"].create_bucket(Bucket=BUCKET)


def make_table(aws: Any) -> None:
    aws["dynamodb"].create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def objects(aws: Any) -> int:
    return int(aws["s3"].list_objects_v2(Bucket=BUCKET)["KeyCount"])


def test_a_lock_held_by_somebody_else(here: Workplace, aws: Any) -> None:
    # GIVEN a plan, and somebody who began an apply since
    make_bucket(aws)
    make_table(aws)
    runner = here.runner()
    runner.init()
    runner.plan(here.plan)
    item = {"LockID": {"S": f"{BUCKET}/{KEY}"}, "Info": {"S": json.dumps(LOCK)}}
    aws["dynamodb"].put_item(TableName=TABLE, Item=item)

    # WHEN
    for call in (lambda: runner.apply(here.plan), lambda: runner.plan(here.folder / "other.tfplan")):
        with pytest.raises(StateLocked) as raised:
            call()

        # THEN the holder is named
        assert raised.value.details["holder"]["who"] == "alice@head"
        assert raised.value.details["holder"]["id"] == LOCK["ID"]
        assert "lab-1/proj-1" in raised.value.message

    # AND the lock is still theirs, and nothing was written
    assert aws["dynamodb"].scan(TableName=TABLE)["Items"] == [item]
    assert objects(aws) == 0

    # WHEN a person takes the lock away, THEN work goes on
    aws["dynamodb"].delete_item(TableName=TABLE, Key={"LockID": item["LockID"]})
    runner.apply(here.plan)
    assert [one.address for one in instances(runner.state())] == ["terraform_data.a"]


def test_no_bucket(here: Workplace, aws: Any) -> None:
    make_table(aws)

    with pytest.raises(NotBootstrapped) as raised:
        here.runner().init()

    assert BUCKET in raised.value.message
    assert "provisioner bootstrap" in raised.value.hint
    assert aws["s3"].list_buckets()["Buckets"] == []


def test_no_lock_table(here: Workplace, aws: Any) -> None:
    make_bucket(aws)
    runner = here.runner()
    runner.init()

    with pytest.raises(NotBootstrapped):
        runner.plan(here.plan)

    assert objects(aws) == 0


def test_a_workspace_that_was_never_initialised(here: Workplace) -> None:
    for call in (lambda: here.runner().plan(here.plan), here.runner().state):
        with pytest.raises(NotBootstrapped, match="not initialised"):
            call()


def test_nobody_answers(here: Workplace, closed_port: int) -> None:
    here.aws["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{closed_port}"
    with pytest.raises(Unreachable) as raised:
        here.runner().init()
    assert raised.value.retryable
    assert "connection refused" in raised.value.message


def test_no_provider(here: Workplace, tmp_path: Any) -> None:
    # GIVEN a CLI configuration whose mirror is empty
    config = tmp_path / "terraformrc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{tmp_path}/empty"\n  }}\n}}\n'
    )
    here.write(
        'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n'
    )
    environment = here.environment() | {"TF_CLI_CONFIG_FILE": str(config)}

    # THEN
    with pytest.raises(TerraformMissing) as raised:
        here.runner(env=environment).init()
    assert "provisioner setup" in raised.value.hint
