"""The queue between the service's API and its workers: SQS FIFO, one group for each project.

A group's messages are handed out one at a time and in order, so a project has one worker at most, and
any number of projects go on side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import BackendError, NotBootstrapped
from engine.model.names import split_project
from engine.model.operation import Operation

# SQS API reference, ReceiveMessage: the code of its JSON protocol, and that of the older one.
_ABSENT = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_DUE_S = 30


class UnreadableMessage(BackendError):
    """A message in the queue of operations is none of this engine; it goes to the dead letters."""

    code = "UNREADABLE_MESSAGE"


@dataclass(frozen=True)
class Task:
    """What a message says: carry out, or go on with, this operation."""

    vlab_id: str
    project_id: str
    operation_id: str

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"


@dataclass(frozen=True)
class Received:
    """A message as the queue hands it out. receipt: what deletes or postpones it."""

    id: str
    receipt: str
    body: str
    attributes: Mapping[str, str]


def read_task(body: str) -> Task:
    """The task in a message's body.

    Raises   UnreadableMessage for anything that `Queue.send` did not write
    """
    try:
        message = json.loads(body)
        vlab_id, project_id = split_project(message["project"])
        return Task(vlab_id, project_id, str(message["operation_id"]))
    except Exception as error:
        raise UnreadableMessage(
            f"A message of the queue names no operation ({type(error).__name__}).",
            hint="Something else writes to this queue. The message goes to the dead letters.",
        ) from error


class Queue:
    """Sends tasks, and hands them out where no Lambda does.

    Every method may raise NotBootstrapped (no such queue), AccessDenied, Unreachable, BackendError.
    """

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self._name = name

    @cached_property
    def url(self) -> str:
        with aws_errors(f"looking for the queue {self._name}"):
            try:
                return self._cloud.sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
            except ClientError as error:
                if error_code(error) not in _ABSENT:
                    raise
                raise NotBootstrapped(
                    f"There is no queue {self._name}.",
                    hint="Apply workspaces/service, or check region and operations_queue in the settings.",
                    details={"missing": [self._name]},
                ) from error

    def send(self, operation: Operation) -> None:
        """Have a worker take the operation up, for the first time or once more.

        Sending the same slice again within five minutes changes nothing: SQS knows its id. After that
        the second worker finds the operation taken, or finished.
        """
        body = {"project": operation.project, "operation_id": operation.id}
        with aws_errors(f"sending {operation.id} of {operation.project} to the workers"):
            self._cloud.sqs.send_message(
                QueueUrl=self.url,
                MessageBody=json.dumps(body),
                MessageGroupId=_group(operation.project),
                MessageDeduplicationId=f"{operation.id}-{operation.slices}",
            )

    def make(self, *, due_s: int = _DUE_S) -> None:
        """Make the queue where there is none: for the local cloud; elsewhere Terraform makes it.

        due_s   after so many seconds a message that nobody finished is handed out again
        """
        attributes: dict[Any, str] = {"FifoQueue": "true", "VisibilityTimeout": str(due_s)}
        with aws_errors(f"making the queue {self._name}"):
            self._cloud.sqs.create_queue(QueueName=self._name, Attributes=attributes)

    def receive(self) -> Received | None:
        """The next message that is due, or None. Returns at once."""
        with aws_errors(f"asking the queue {self._name}"):
            answer = self._cloud.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=1, WaitTimeSeconds=0, AttributeNames=["All"]
            )
        for message in answer.get("Messages", []):
            attributes: dict[Any, str] = dict(message.get("Attributes", {}))
            return Received(message["MessageId"], message["ReceiptHandle"], message["Body"], attributes)
        return None

    def keep(self, message: Received, *, seconds: int = _DUE_S) -> None:
        """Hold a message back for so many seconds from now; 0 hands it out again."""
        with aws_errors(f"holding a message of {self._name}"):
            self._cloud.sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )

    def finish(self, message: Received) -> None:
        with aws_errors(f"deleting a message of {self._name}"):
            self._cloud.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)


def _group(project: str) -> str:
    """SQS takes 128 letters, digits and punctuation: two ids of 64 and the '/' are one too many."""
    vlab_id, _, project_id = project.partition("/")
    return project if len(project) <= 128 else f"{vlab_id}/{project_id[:-1]}"
