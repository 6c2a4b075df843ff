"""The service on a local cloud, without Terraform: what it records and answers, not what workers do."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from engine.aws.session import Cloud
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.place import Place
from engine.operations.requests import Desk, open_desk
from engine.service.api import Service
from engine.service.logging import logger
from tests.functional.conftest import make_table
from tests.functional.service.gateway import Gateway


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """One empty local cloud for a module's tests: starting one takes longer than most of them."""
    with LocalCloud(durations=INSTANT, seeded=False) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def aws(cloud: LocalCloud) -> Cloud:
    return Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)


@pytest.fixture
def desk(cloud: LocalCloud, aws: Cloud) -> Iterator[Desk]:
    """A desk with a registry and a queue; what a test has made goes with it."""
    settings = load_settings(environ=cloud.environment()).settings
    make_table(aws, settings.registry_table, "pk", "sk")
    made = open_desk(Place(settings=settings, cloud=aws, now=lambda: datetime.now(UTC)))
    made.queue.make()
    yield made
    aws.dynamodb.delete_table(TableName=settings.registry_table)
    aws.sqs.delete_queue(QueueUrl=made.queue.url)
    for pair in aws.ec2.describe_key_pairs()["KeyPairs"]:
        aws.ec2.delete_key_pair(KeyName=pair["KeyName"])
    for secret in aws.secretsmanager.list_secrets()["SecretList"]:
        aws.secretsmanager.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def gateway(desk: Desk) -> Gateway:
    return Gateway(Service(desk))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the service logs, from now on."""
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)
