"""Whole operations by API and worker, as AWS runs them: asked for, carried out, looked at.

One project goes from nothing to nothing, since each step costs a run of Terraform; every call that either
function makes is held against the policies that modules/service gives its role.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.engine import open_engine
from engine.operations.place import Place
from engine.operations.reporting import Silent
from engine.operations.requests import Desk, open_desk
from engine.service.api import Service
from engine.service.worker import Worker
from tests.functional.conftest import QUICK, _carry, make_backend
from tests.functional.service.gateway import Answered, Gateway
from tests.policies.permissions import ROLES, Need, Policies, journal, require_allowed

__all__ = ["make_backend"]

PROJECT = "/v1/projects/lab-1/proj-1"
OLD = "/hpc-provisioner/pcluster"
# What the API may do as well: a creation may have failed, keys may just have been deleted, and S3 says
# that an object is absent only to somebody who may list the bucket.
MEANT = {
    "cloudformation:DescribeStackEvents",
    "cloudformation:ListStacks",
    "s3:ListBucket",
    "secretsmanager:RestoreSecret",
}


@dataclass(frozen=True)
class Request:
    """Lambda's context."""

    aws_request_id: str
    function_name: str = "worker"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass
class Functions:
    """Both functions, each call of theirs noted by who made it."""

    cloud: LocalCloud
    desk: Desk
    gateway: Gateway
    worker: Worker
    asked: dict[str, set[Need]]
    runs: int = 0

    def api(self, method: str, path: str = PROJECT, **more: Any) -> Answered:
        with journal(self.cloud) as asked:
            answer = self.gateway(method, path, **more)
        self.asked["service-api"] |= asked
        return answer

    def carry_out(self) -> None:
        """Hand the queue's message to the worker, as SQS and Lambda do."""
        message = self.desk.queue.receive()
        assert message, "nothing waits"
        self.runs += 1
        record = {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": message.attributes,
        }
        with journal(self.cloud) as asked:
            answer = self.worker.answer({"Records": [record]}, Request(f"request-{self.runs}"))
        self.asked["service-worker"] |= asked
        assert answer == {"batchItemFailures": []}
        self.desk.queue.finish(message)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK) as cloud:
        yield cloud


@pytest.fixture
def functions(
    cloud: LocalCloud, make_backend: Any, terraform: str, tmp_path: Path, known_provider: Path
) -> Functions:
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    make_backend(aws)
    _carry(known_provider, tmp_path / "home")
    environ = cloud.environment() | {
        "PROVISIONER_HOME": str(tmp_path / "home"),
        "PROVISIONER_WORKSPACES_DIR": str(tmp_path / "projects"),
        "PROVISIONER_TERRAFORM": terraform,
    }
    settings = load_settings(environ=environ).settings
    engine = open_engine(settings, base=tmp_path, environ=os.environ | environ, reporter=Silent())
    desk = open_desk(Place(settings=engine.settings, cloud=aws, now=lambda: datetime.now(UTC)))
    desk.queue.make()
    asked: dict[str, set[Need]] = {"service-api": set(), "service-worker": set()}
    return Functions(cloud, desk, Gateway(Service(desk)), Worker(engine), asked)


@pytest.mark.long
@pytest.mark.terraform
@pytest.mark.timeout(600)
def test_from_a_wish_to_nothing(functions: Functions) -> None:
    api, carry_out = functions.api, functions.carry_out

    # WHEN a project is asked for THEN its review can be read as soon as the operation has planned
    spec: dict[str, Any] = {"storage": {"kind": "efs"}}
    assert api("GET", f"{PROJECT}/plan").code == "UNKNOWN_PROJECT"
    up = api(
        "POST", "/hpc-provisioner/pcluster", query="include_lustre=false&project_id=proj-1&vlab_id=lab-1"
    )
    assert up.status == 200
    made = api("PUT", body=spec).body["operation"]
    assert api("GET", f"{PROJECT}/plan").code == "NO_PLAN_STORED"
    carry_out()
    review = require_succeeded(functions, made)
    assert {change["action"] for change in review["changes"]} == {"create"}
    assert review["cost"]["after"] and review["project"] == "lab-1/proj-1"
    assert api("GET").body["project"]["phase"] == "READY"
    assert [one["clusterStatus"] for one in api("GET", OLD).body["clusters"]] == ["CREATE_COMPLETE"]

    # WHEN it is changed, given back and given up THEN each time the review is that of the last operation
    changed = api("PUT", body=spec | {"compute": {"max_nodes": 16}}).body["operation"]
    carry_out()
    review = require_succeeded(functions, changed)
    assert review["counts"]["change"] and not review["counts"]["destroy"]
    released = api("DELETE").body["operation"]
    carry_out()
    review = require_succeeded(functions, released)
    assert review["counts"]["destroy"] and not review["counts"]["add"]
    purged = api("DELETE", query="confirm=lab-1%2Fproj-1&purge_data=true&purge_now=true").body["operation"]
    carry_out()
    assert api("GET", f"{PROJECT}/operations/{purged['id']}").body["operation"]["state"] == "SUCCEEDED"

    # THEN the review has gone with the project
    assert api("GET", f"{PROJECT}/plan").code == "UNKNOWN_PROJECT"
    assert not [line for line in functions.cloud.left_over() if "review" in line or "pc-" in line]

    # AND neither function did what its role may not do, nor may the API do what only the worker does
    for role, asked in functions.asked.items():
        require_allowed(asked, role)
    by_api = {need.action for need in functions.asked["service-api"]}
    only_worker = [need for need in functions.asked["service-worker"] if need.action not in by_api]
    assert {"cloudformation:CreateStack", "s3:DeleteBucket"} <= {need.action for need in only_worker}
    policies = Policies(*ROLES["service-api"])
    assert {need.action for need in only_worker if policies.allow(need)} <= MEANT


def require_succeeded(functions: Functions, operation: dict[str, Any]) -> dict[str, Any]:
    """The operation has; gives the review that is kept of it, in which no secret is."""
    found = functions.api("GET", f"{PROJECT}/operations/{operation['id']}").body["operation"]
    assert found["state"] == "SUCCEEDED", found["error"]
    kept = functions.api("GET", f"{PROJECT}/plan").body
    assert kept["operation_id"] == operation["id"]
    text = json.dumps(kept)
    assert not [name for name, secret in secrets(functions.cloud) if secret in text]
    return dict(kept["plan"])


def secrets(cloud: LocalCloud) -> Iterator[tuple[str, str]]:
    """Name and content of every secret: each word of it that is long enough to be one."""
    client = cloud.client("secretsmanager")
    for secret in client.list_secrets()["SecretList"]:
        content = client.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        for word in re.findall(r"[A-Za-z0-9+/=_-]{16,}", content):
            yield secret["Name"], word
