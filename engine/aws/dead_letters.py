"""Dead letters: messages of the queue of operations that failed on every try, and their way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from engine.aws.failures import aws_errors
from engine.aws.queue import Queue, UnreadableMessage, read_task
from engine.aws.session import Cloud
from engine.errors import NotBootstrapped

# How long a letter is out of sight of others while it is looked at and moved.
_IN_HAND_S = 120
# SQS API reference, ReceiveMessage: at most 10 at a time.
_AT_A_TIME = 10


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up.

    project, operation_id   empty for a message that names no operation
    receives                how often a worker was handed it before
    moved                   whether it is back in the queue of operations
    """

    message_id: str
    project: str
    operation_id: str
    receives: int
    moved: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; keys are stable."""
        return dict(vars(self))


def dead_letter_queue(cloud: Cloud, queue: Queue) -> str:
    """The address of the queue that takes what the queue of operations gives up.

    Raises   NotBootstrapped when the queue is not there or gives nothing up; AccessDenied, Unreachable
    """
    with aws_errors("asking the queue of operations for its dead letters"):
        answer = cloud.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy") or "{}")
    name = str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2]
    if not name:
        raise NotBootstrapped(
            "The queue of operations has no queue for dead letters: what fails is tried for ever.",
            hint="Apply workspaces/service, which makes one.",
        )
    return Queue(cloud, name).url


def count_dead_letters(cloud: Cloud, queue: Queue) -> int:
    """About how many there are; SQS counts as it goes.

    Raises   as `dead_letter_queue`
    """
    url = dead_letter_queue(cloud, queue)
    with aws_errors("counting dead letters"):
        answer = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def redrive(cloud: Cloud, queue: Queue, *, project: str | None = None, move: bool = True) -> list[DeadLetter]:
    """Hand dead letters to the workers once more, in their order; gives all that were looked at.

    project   only those of this one ("lab-1/proj-1"); the others stay
    move      False only looks

    A message that names no operation stays: no worker could do anything with it. Killed between sending and
    deleting, a letter is in both queues; moved again within five minutes SQS drops the second copy, and after
    that the worker finds the operation finished.
    Raises    as `dead_letter_queue`
    """
    url = dead_letter_queue(cloud, queue)
    seen: list[DeadLetter] = []
    kept: list[str] = []
    try:
        while batch := _receive(cloud, url):
            for message in batch:
                letter = _read(message)
                wanted = bool(letter.project) and project in (None, letter.project)
                if move and wanted:
                    _send(cloud, queue.url, message)
                    with aws_errors(f"deleting the dead letter of {letter.project}"):
                        cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    letter = DeadLetter(**{**vars(letter), "moved": True})
                else:
                    kept.append(message["ReceiptHandle"])
                if wanted or project is None:
                    seen.append(letter)
    finally:
        _put_back(cloud, url, kept)
    return seen


def _receive(cloud: Cloud, url: str) -> list[Any]:
    with aws_errors("reading dead letters"):
        answer = cloud.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_AT_A_TIME,
            VisibilityTimeout=_IN_HAND_S,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
        )
    return list(answer.get("Messages", []))


def _read(message: Any) -> DeadLetter:
    receives = int(message["Attributes"].get("ApproximateReceiveCount", 0))
    try:
        task = read_task(message["Body"])
    except UnreadableMessage:
        return DeadLetter(message["MessageId"], "", "", receives)
    return DeadLetter(message["MessageId"], task.project, task.operation_id, receives)


def _send(cloud: Cloud, url: str, message: Any) -> None:
    with aws_errors("handing a dead letter to the workers"):
        cloud.sqs.send_message(
            QueueUrl=url,
            MessageBody=message["Body"],
            MessageGroupId=message["Attributes"]["MessageGroupId"],
            # Not the old one: SQS would drop what it has seen within the last five minutes.
            MessageDeduplicationId=f"redrive-{message['MessageId']}",
        )


def _put_back(cloud: Cloud, url: str, receipts: list[str]) -> None:
    """The last first, so that none is handed to somebody else before those that came ahead of it."""
    for receipt in reversed(receipts):
        with aws_errors("putting a dead letter back"):
            cloud.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
