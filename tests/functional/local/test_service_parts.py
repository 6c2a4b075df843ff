"""Queues, REST APIs and functions as AWS answers, where moto alone does not."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from engine.local.aws_policies import POLICIES
from engine.local.server import LocalCloud

# One cloud for the file, so one worker.
pytestmark = pytest.mark.xdist_group("service-parts")

COUNT = "ApproximateNumberOfMessages"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture(scope="module")
def cloud() -> Any:
    with LocalCloud(seeded=False) as cloud:
        yield cloud


def test_a_dead_letter_queue_says_who_may_use_it(cloud: LocalCloud) -> None:
    sqs = cloud.client("sqs")
    allow = json.dumps({"redrivePermission": "denyAll"}, separators=(",", ":"))
    dead = sqs.create_queue(QueueName="dead", Attributes={"RedriveAllowPolicy": allow})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert arn["RedriveAllowPolicy"] == allow

    redrive = f'{{"deadLetterTargetArn":"{arn["QueueArn"]}","maxReceiveCount":5}}'
    queue = sqs.create_queue(QueueName="ops", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert answer["RedrivePolicy"] == redrive
    assert "RedriveAllowPolicy" not in answer


def test_a_queue_counts_what_waits_what_is_late_and_what_is_held(cloud: LocalCloud) -> None:
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="counted")["QueueUrl"]
    for delay in (0, 0, 0, 60, 60):
        sqs.send_message(QueueUrl=queue, MessageBody="body", DelaySeconds=delay)
    assert sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    counts = {name.removeprefix(COUNT): told[name] for name in told if name.startswith(COUNT)}
    assert counts == {"": "2", "Delayed": "2", "NotVisible": "1"}
    rest = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert len(rest) == 2


def test_sending_does_not_look_at_each_message_that_waits(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core import utils

    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="long.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    read: list[None] = []
    clock = utils.utcnow
    monkeypatch.setattr(utils, "utcnow", lambda: read.append(None) or clock())
    looks = []
    for number in range(40):
        read.clear()
        sqs.send_message(
            QueueUrl=queue, MessageBody="body", MessageGroupId=f"{number}", MessageDeduplicationId=f"{number}"
        )
        looks.append(len(read))
    assert looks[0] == looks[-1] > 0


def test_an_answer_needs_no_look_at_motos_own_files(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = cloud.client("sqs")
    sqs.list_queues()
    looked: list[Any] = []
    listed = os.listdir

    def listdir(*path: Any) -> list[Any]:
        looked.append(path)
        return listed(*path)

    monkeypatch.setattr(os, "listdir", listdir)
    sqs.list_queues()
    assert looked == []


def test_the_policy_of_an_api_comes_back_escaped(cloud: LocalCloud) -> None:
    gateway = cloud.client("apigateway")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    api = gateway.create_rest_api(name="a", policy=policy)["id"]
    answered = gateway.get_rest_api(restApiId=api)["policy"]
    assert answered.startswith('{\\"Version\\"')
    assert json.loads(json.loads(f'"{answered}"')) == json.loads(policy)


def test_awss_own_policies_can_be_attached(cloud: LocalCloud) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=TRUST)
    (name,) = POLICIES
    arn = f"arn:aws:iam::aws:policy/service-role/{name}"
    iam.attach_role_policy(RoleName="gateway", PolicyArn=arn)
    assert [
        one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName="gateway")["AttachedPolicies"]
    ] == [arn]


def test_a_function_keeps_where_it_logs(cloud: LocalCloud) -> None:
    functions = cloud.client("lambda")
    role = cloud.client("iam").create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    image = {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/provisioner:1"}
    made = functions.create_function(FunctionName="f", Role=role, PackageType="Image", Code=image)
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    wanted = {"LogFormat": "JSON", "LogGroup": "/aws/lambda/f", "SystemLogLevel": "WARN"}
    made = functions.create_function(
        FunctionName="g", Role=role, PackageType="Image", Code=image, LoggingConfig=wanted
    )
    assert functions.get_function_configuration(FunctionName="g")["LoggingConfig"] == wanted


def test_the_inventory_has_what_the_service_is_made_of(cloud: LocalCloud) -> None:
    cloud.client("events").put_rule(Name="sweep", ScheduleExpression="rate(1 hour)")
    cloud.client("sqs").create_queue(QueueName="seen")
    cloud.client("apigateway").create_rest_api(name="seen")
    kinds = {(item["service"], item["type"]) for item in cloud.inventory()}
    assert {("events", "rule"), ("sqs", "queue"), ("apigateway", "rest-api")} <= kinds
