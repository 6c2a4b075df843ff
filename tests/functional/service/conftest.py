"""The service on a local cloud, without Terraform: what it records and answers, not what workers do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.place import Place
from engine.operations.requests import Desk, open_desk
from engine.service.api import Service
from tests.functional.conftest import make_table
from tests.functional.service.gateway import Gateway


@pytest.fixture
def desk(cloud: LocalCloud) -> Desk:
    """A desk whose registry and queue are there."""
    settings = load_settings(environ=cloud.environment()).settings
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    make_table(aws, settings.registry_table, "pk", "sk")
    made = open_desk(Place(settings=settings, cloud=aws, now=lambda: datetime.now(UTC)))
    made.queue.make()
    return made


@pytest.fixture
def gateway(desk: Desk) -> Gateway:
    return Gateway(Service(desk))
