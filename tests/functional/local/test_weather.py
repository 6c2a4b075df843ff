"""Bad weather: what a call meets, as boto3 sees it, and what was carried out all the same."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from engine.local.server import LocalCloud
from engine.local.weather import WEIGHTS, Forecast, Trouble
from engine.model.passing import Why, codes


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(seeded=False) as cloud:
        yield cloud


@pytest.fixture
def once(cloud: LocalCloud) -> Iterator[Callable[[str], Any]]:
    """Makes clients that try once."""
    session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")

    def make(service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1})
        return session.client(service, region_name=cloud.region, endpoint_url=cloud.endpoint, config=config)

    yield make
    cloud.weather(0)


# A call of each protocol: ec2, query, json, rest-xml, rest-json.
CALLS = [
    ("ec2", "describe_vpcs"),
    ("cloudformation", "list_stacks"),
    ("dynamodb", "list_tables"),
    ("fsx", "describe_file_systems"),
    ("s3", "list_buckets"),
    ("efs", "describe_file_systems"),
    ("lambda", "list_functions"),
]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("throttled", Why.THROTTLED), ("ill", Why.ILL), ("expired", Why.EXPIRED)],
)
def test_a_refusal_reads_as_the_service_writes_it(cloud, once, trouble: str, why: Why) -> None:
    cloud.weather(1, only=[trouble])
    for service, operation in CALLS:
        with pytest.raises(ClientError) as refused:
            getattr(once(service), operation)()
        assert refused.value.response["Error"]["Code"] in codes(why), service


@pytest.mark.parametrize("trouble", ["reset", "hung", "lost"])
def test_no_answer_comes(cloud, once, trouble: str) -> None:
    sqs = once("sqs")
    cloud.weather(1, only=[trouble])
    with pytest.raises(BotoCoreError):
        sqs.create_queue(QueueName=trouble)
    assert cloud.weather_counts() == {"calls": 1, trouble: 1}

    cloud.weather(0)
    # Only the lost one was carried out.
    assert ("QueueUrls" in sqs.list_queues(QueueNamePrefix=trouble)) is (trouble == "lost")
    assert cloud.calls().get("sqs:CreateQueue", 0) == (trouble == "lost")
    cloud.world.calls.clear()


def test_the_share_holds_and_the_seed_repeats_it() -> None:
    met = [Forecast(0.2, 7, WEIGHTS).trouble("ec2:DescribeVpcs", number) for number in range(5000)]

    assert met == [Forecast(0.2, 7, WEIGHTS).trouble("ec2:DescribeVpcs", number) for number in range(5000)]
    assert met != [Forecast(0.2, 8, WEIGHTS).trouble("ec2:DescribeVpcs", number) for number in range(5000)]
    counts = Counter(met)
    assert 850 < 5000 - counts[None] < 1150
    assert set(counts) == {None, *Trouble}


def test_over_http(cloud) -> None:
    def ask(method: str, content: bytes | None = None) -> Any:
        request = urllib.request.Request(f"{cloud.endpoint}/_local/weather", data=content, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    assert ask("POST", b'{"share": 0.5, "seed": 3}') == {"calls": 0}
    cloud.client("ec2").describe_vpcs()
    assert ask("GET")["calls"] >= 1
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask("POST", b'{"share": 2}')
    assert ask("POST", b'{"share": 0}') == {"calls": 0}


def test_half_a_request_is_not_carried_out(cloud) -> None:
    """Its sender was killed while it wrote; moto would keep what it got."""
    cloud.client("s3").create_bucket(Bucket="half")
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=5) as sender:
        sender.sendall(
            b"PUT /half/object HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request\r\n\r\n"
            b"the first part"
        )
    time.sleep(0.3)
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket="half")
