"""Every call that the API function makes to AWS: what its role must allow, and no more than that."""

from __future__ import annotations

from engine.local.calls import Request
from engine.local.server import LocalCloud
from engine.operations.requests import Desk
from tests.functional.service.gateway import Gateway

CALLS = {
    "cloudformation:DescribeStacks",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:TransactWriteItems",  # allowed by PutItem and UpdateItem
    "ec2:CreateKeyPair",
    "ec2:DescribeInstances",
    "fsx:DescribeFileSystems",
    "s3:GetObject",
    "secretsmanager:CreateSecret",
    "secretsmanager:DescribeSecret",
    "sqs:GetQueueUrl",
    "sqs:SendMessage",
}
# Where something has failed, or a secret is scheduled for deletion.
SELDOM = {"cloudformation:DescribeStackEvents", "cloudformation:ListStacks", "secretsmanager:RestoreSecret"}


# A request that many make at once: each call more is waited for by all of them.
CALLS_OF_A_PUT = {
    # First the record: whether the project's data is to be kept, or being deleted.
    "new": ["dynamodb:GetItem", "dynamodb:TransactWriteItems", "dynamodb:PutItem", "sqs:SendMessage"],
    # What is under way already is looked at: its lease, then the operation.
    "joined": [
        "dynamodb:GetItem",
        "dynamodb:TransactWriteItems",
        "dynamodb:GetItem",
        "dynamodb:GetItem",
        "sqs:SendMessage",
    ],
}


def test_the_api_asks_for_this_and_nothing_else(gateway: Gateway, desk: Desk, cloud: LocalCloud) -> None:
    desk.place.cloud.s3.create_bucket(Bucket=desk.place.settings.state_bucket)
    heard: set[str] = set()

    def listen(request: Request) -> None:
        heard.add(f"{request.service}:{request.operation}")

    old, query, project = "/hpc-provisioner/pcluster", "project_id=proj&vlab_id=lab", "/v1/projects/lab/two"
    with cloud.heard(listen):
        for method in ("POST", "POST", "GET", "DELETE"):
            gateway(method, old, query=query)
        gateway("GET", old)
        operation = gateway("PUT", project, body={}, headers={"Idempotency-Key": "one"}).body["operation"]
        gateway("PUT", project, body={}, headers={"Idempotency-Key": "one"})
        for path in ("", "/plan", "/operations", f"/operations/{operation['id']}/events"):
            gateway("GET", f"{project}{path}")
        gateway("GET", "/v1/projects")
        gateway("DELETE", project)
    assert heard - SELDOM == CALLS


def test_a_put_makes_so_many_calls(gateway: Gateway, desk: Desk, cloud: LocalCloud) -> None:
    heard: list[str] = []
    assert desk.queue.url  # asked for once in a process's life
    for calls in CALLS_OF_A_PUT.values():
        heard.clear()
        with cloud.heard(lambda request: heard.append(f"{request.service}:{request.operation}")):
            gateway("PUT", "/v1/projects/lab/proj", body={})
        assert heard == calls
