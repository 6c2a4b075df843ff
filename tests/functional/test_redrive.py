"""`provisioner redrive` as a person sees it; what it does to the queues: aws/test_dead_letters.py."""

from __future__ import annotations

import json

import pytest

from engine.local.server import LocalCloud
from tests.functional.conftest import Provisioner
from tests.policies.permissions import permitted

DEAD = "provisioner-operations-dead.fifo"


@pytest.mark.parametrize("cloud", [{"seeded": False}], indirect=True)
def test_redrive_shows_and_moves(cloud: LocalCloud, provisioner: Provisioner) -> None:
    # GIVEN no service
    provisioner("redrive").refused(7, "There is no queue provisioner-operations.fifo", "workspaces/service")

    # GIVEN a service with one operation that was given up
    sqs = cloud.client("sqs")
    dead = sqs.create_queue(QueueName=DEAD, Attributes={"FifoQueue": "true"})["QueueUrl"]
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:123456789012:{DEAD}", "maxReceiveCount": 5}
    attributes = {"FifoQueue": "true", "RedrivePolicy": json.dumps(policy)}
    queue = sqs.create_queue(QueueName="provisioner-operations.fifo", Attributes=attributes)["QueueUrl"]
    body = json.dumps({"project": "lab-1/proj-1", "operation_id": "op-1"})
    sqs.send_message(
        QueueUrl=dead, MessageBody=body, MessageGroupId="lab-1/proj-1", MessageDeduplicationId="1"
    )

    with permitted(cloud, "redrive"):
        # WHEN it is only shown THEN it stays
        shown = provisioner("redrive", "--dry-run").ok().out
        assert "lab-1/proj-1" in shown and "op-1" in shown
        # WHEN those of another project are moved THEN it stays
        assert "no dead letters of lab-2/proj-1" in provisioner("redrive", "lab-2/proj-1").ok().out
        # WHEN it is moved THEN it is where workers find it
        (letter,) = provisioner("redrive", "--json").ok().json["dead_letters"]
    assert (letter["project"], letter["moved"]) == ("lab-1/proj-1", True)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == body
    assert "no dead letters" in provisioner("redrive").ok().out
