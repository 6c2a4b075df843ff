"""The API function asks for no more than its policy allows, whatever is asked of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.place import Place
from engine.operations.requests import open_desk
from engine.service.api import Service
from tests.functional.conftest import make_table
from tests.policies.permissions import ROLES, permitted

ROOT = Path(__file__).parents[2]
IDS = {"vlab_id": "lab-1", "project_id": "proj-1"}
SPEC = {**IDS, "storage": {"kind": "efs"}}
PROJECT = "/v1/projects/lab-1/proj-1"


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=INSTANT, seeded=False) as cloud:
        yield cloud


@pytest.fixture
def service(cloud: LocalCloud) -> Service:
    settings = load_settings(environ=cloud.environment()).settings
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    make_table(aws, settings.registry_table, "pk", "sk")
    aws.s3.create_bucket(Bucket=settings.state_bucket)
    desk = open_desk(Place(settings=settings, cloud=aws, now=lambda: datetime.now(UTC)))
    desk.queue.make()
    return Service(desk)


def ask(service: Service, method: str, path: str, *, query: Any = None, body: Any = None) -> dict[str, Any]:
    """What API Gateway would answer."""
    return service.answer(
        {
            "httpMethod": method,
            "path": path,
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()}
            or None,
            "headers": {"Content-Type": "application/json"},
            "multiValueHeaders": {"Content-Type": ["application/json"], "Idempotency-Key": ["a-key-of-mine"]},
            "body": json.dumps(body) if body else None,
            "isBase64Encoded": False,
            "requestContext": {
                "requestId": "request-1",
                "stage": "production",
                "httpMethod": method,
                "path": path,
                "identity": {"userArn": "arn:aws:sts::123456789012:assumed-role/workflow-service/x"},
            },
        }
    )


def test_every_answer_is_within_the_policy(cloud: LocalCloud, service: Service) -> None:
    answers: dict[str, int] = {}
    with permitted(cloud, "service-api"):
        for name, method, path, more in (
            ("old up", "POST", "/hpc-provisioner/pcluster", {"query": {**IDS, "include_lustre": "false"}}),
            (
                "old up again",
                "POST",
                "/hpc-provisioner/pcluster",
                {"query": {**IDS, "include_lustre": "false"}},
            ),
            ("old list", "GET", "/hpc-provisioner/pcluster", {}),
            ("old status", "GET", "/hpc-provisioner/pcluster", {"query": IDS}),
            ("old version", "GET", "/hpc-provisioner/version", {}),
            ("projects", "GET", "/v1/projects", {}),
            ("project", "GET", PROJECT, {}),
            ("operations", "GET", f"{PROJECT}/operations", {}),
            ("plan", "GET", f"{PROJECT}/plan", {}),
            ("another wish", "DELETE", PROJECT, {}),
            ("old down", "DELETE", "/hpc-provisioner/pcluster", {"query": IDS}),
            ("put", "PUT", PROJECT, {"body": SPEC}),
            ("post", "POST", "/v1/projects", {"body": SPEC}),
        ):
            answers[name] = ask(service, method, path, **more)["statusCode"]
    # Refusals are answers as well; a call that failed inside would be a 5xx.
    assert {name: status for name, status in answers.items() if status >= 500} == {}
    assert answers["old up"] == answers["old up again"] == answers["old status"] == answers["project"] == 200


def test_the_functions_have_the_policies_that_calls_are_held_against() -> None:
    roles = (ROOT / "modules" / "service" / "roles.tf").read_text("utf-8")
    for function in ("api", "worker"):
        (attached,) = re.findall(rf"^    {function} +=( \[[^]]*\])$", roles, re.MULTILINE)
        assert sorted(json.loads(attached)) == sorted(ROLES[f"service-{function}"])
