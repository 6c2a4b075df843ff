"""Operations that were given up: seen, moved back in their order, and told of by doctor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.aws.checks import Level
from engine.aws.dead_letters import count_dead_letters, redrive
from engine.aws.doctor.service import examine_service
from engine.aws.queue import Queue
from engine.aws.session import Cloud
from engine.errors import NotBootstrapped
from engine.model.operation import Kind, Wish, requested

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
QUEUE, DEAD = "ops.fifo", "ops-dead.fifo"
ACCOUNT_REGION = "eu-west-3:123456789012"


@dataclass
class Service:
    """A queue of operations that gives up at the first failure, and its dead letters."""

    cloud: Cloud
    queue: Queue

    def ask(self, project: str) -> str:
        vlab_id, project_id = project.split("/")
        operation = requested(
            vlab_id=vlab_id,
            project_id=project_id,
            wish=Wish(Kind.RELEASE),
            requested_by="tester",
            now=datetime.now(UTC),
        )
        self.queue.send(operation)
        return operation.id

    def die(self) -> None:
        """Every message that is there is taken by a worker that does not come back."""
        for _ in range(2):
            while message := self.queue.receive():
                self.queue.keep(message, seconds=0)

    def waiting(self) -> list[str]:
        """Operations in the order in which workers get them."""
        found = []
        while message := self.queue.receive():
            found.append(json.loads(message.body)["operation_id"])
            self.queue.finish(message)
        return found


@pytest.fixture
def make_queue(cloud: Cloud) -> Callable[..., Queue]:
    def make(**more: str) -> Queue:
        cloud.sqs.create_queue(QueueName=QUEUE, Attributes={"FifoQueue": "true", **more})  # type: ignore[dict-item]
        return Queue(cloud, QUEUE)

    return make


@pytest.fixture
def service(cloud: Cloud, make_queue: Callable[..., Queue]) -> Service:
    cloud.sqs.create_queue(QueueName=DEAD, Attributes={"FifoQueue": "true"})
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:{ACCOUNT_REGION}:{DEAD}", "maxReceiveCount": 1}
    return Service(cloud, make_queue(RedrivePolicy=json.dumps(policy)))


def test_what_was_given_up_comes_back_in_its_order(cloud: Cloud, service: Service) -> None:
    # GIVEN two operations of one project and one of another, all given up
    first, second = service.ask("lab-1/proj-1"), service.ask("lab-1/proj-1")
    other = service.ask("lab-2/proj-1")
    service.die()
    assert service.waiting() == []
    assert count_dead_letters(cloud, service.queue) == 3

    # WHEN
    moved = redrive(cloud, service.queue)

    # THEN
    assert {(letter.project, letter.operation_id, letter.moved) for letter in moved} == {
        ("lab-1/proj-1", first, True),
        ("lab-1/proj-1", second, True),
        ("lab-2/proj-1", other, True),
    }
    waiting = service.waiting()
    assert sorted(waiting) == sorted([first, second, other])
    assert waiting.index(first) < waiting.index(second)
    assert count_dead_letters(cloud, service.queue) == 0
    assert redrive(cloud, service.queue) == []


def test_those_of_one_project_alone(cloud: Cloud, service: Service) -> None:
    mine, other = service.ask("lab-1/proj-1"), service.ask("lab-2/proj-1")
    service.die()

    moved = redrive(cloud, service.queue, project="lab-1/proj-1")

    assert [letter.operation_id for letter in moved] == [mine]
    assert service.waiting() == [mine]
    # AND the other one can be had at once
    assert [letter.operation_id for letter in redrive(cloud, service.queue)] == [other]


def test_looking_moves_nothing(cloud: Cloud, service: Service) -> None:
    service.ask("lab-1/proj-1")
    service.die()

    (letter,) = redrive(cloud, service.queue, move=False)

    assert not letter.moved and letter.to_dict()["project"] == "lab-1/proj-1"
    assert service.waiting() == []
    assert count_dead_letters(cloud, service.queue) == 1


def test_a_message_that_names_no_operation_stays(cloud: Cloud, service: Service) -> None:
    cloud.sqs.send_message(
        QueueUrl=service.queue.url, MessageBody="hello", MessageGroupId="x", MessageDeduplicationId="1"
    )
    service.die()

    (letter,) = redrive(cloud, service.queue)

    assert (letter.project, letter.moved) == ("", False)
    assert count_dead_letters(cloud, service.queue) == 1


def test_without_a_service_there_is_nothing_to_move(cloud: Cloud, make_queue: Callable[..., Queue]) -> None:
    with pytest.raises(NotBootstrapped, match="There is no queue"):
        redrive(cloud, Queue(cloud, QUEUE))
    with pytest.raises(NotBootstrapped, match="tried for ever"):
        redrive(cloud, make_queue())


class TestDoctor:
    def test_the_page_lists_every_check(self, cloud: Cloud, service: Service) -> None:
        names = {check.name for check in examine_service(cloud, operations_queue=QUEUE)}
        section = PAGE.read_text("utf-8").partition("\n## Service\n")[2]
        assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == {*names, "queue NAME"}

    def test_says_nothing_where_there_is_no_service(self, cloud: Cloud) -> None:
        assert examine_service(cloud, operations_queue=QUEUE) == []

    def test_finds_what_was_given_up_and_a_queue_that_nobody_works_on(
        self, cloud: Cloud, service: Service
    ) -> None:
        service.ask("lab-1/proj-1")
        service.die()

        worker, dead = examine_service(cloud, operations_queue=QUEUE)

        assert (worker.name, worker.level) == ("worker", Level.WARNING)
        assert "no function is connected" in worker.found
        assert (dead.name, dead.level) == ("dead letters", Level.WARNING)
        assert dead.found == "1 operation was given up" and "provisioner redrive" in dead.hint

    def test_is_content_with_a_whole_service(self, cloud: Cloud, service: Service) -> None:
        role = cloud._client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        cloud.lambdas.create_function(
            FunctionName="provisioner-worker",
            Role=role,
            PackageType="Image",
            Code={"ImageUri": "123456789012.dkr.ecr.eu-west-3.amazonaws.com/provisioner:1"},
        )
        cloud.lambdas.create_event_source_mapping(
            EventSourceArn=f"arn:aws:sqs:{ACCOUNT_REGION}:{QUEUE}", FunctionName="provisioner-worker"
        )

        checks = examine_service(cloud, operations_queue=QUEUE)

        assert [(check.name, check.level, check.found) for check in checks] == [
            ("worker", Level.OK, "provisioner-worker"),
            ("dead letters", Level.OK, "none"),
        ]
