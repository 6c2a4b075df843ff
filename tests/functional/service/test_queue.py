"""The queue between API and workers, as SQS has it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.aws.queue import Queue, UnreadableMessage, read_task
from engine.aws.session import Cloud
from engine.errors import NotBootstrapped
from engine.model.operation import Kind, Operation, Wish, requested
from engine.operations.requests import Desk


def wished(vlab_id: str = "lab", project_id: str = "proj") -> Operation:
    wish = Wish(Kind.RELEASE)
    now = datetime.now(UTC)
    return requested(vlab_id=vlab_id, project_id=project_id, wish=wish, requested_by="me", now=now)


def test_one_slice_is_handed_out_once_however_often_it_is_sent(desk: Desk) -> None:
    for _ in range(3):
        desk.queue.send(OPERATION)
    message = desk.queue.receive()
    assert message and read_task(message.body).operation_id == OPERATION.id
    desk.queue.finish(message)
    assert desk.queue.receive() is None


def test_a_message_that_is_held_back_comes_again(desk: Desk) -> None:
    desk.queue.send(OPERATION)
    first = desk.queue.receive()
    assert first and desk.queue.receive() is None
    desk.queue.keep(first, seconds=0)
    again = desk.queue.receive()
    assert again and again.id == first.id


def test_projects_do_not_wait_for_each_other_and_each_for_itself(desk: Desk) -> None:
    for project_id in ("a", "a", "b"):
        desk.queue.send(wished(project_id=project_id))
    handed_out = [desk.queue.receive() for _ in range(3)]
    tasks = sorted(read_task(one.body).project_id for one in handed_out if one)
    assert tasks == ["a", "b"], "the second operation of a waits for the first"


def test_the_longest_ids_make_a_group_that_sqs_takes(desk: Desk) -> None:
    longest = wished("v" * 64, "p" * 64)
    desk.queue.send(longest)
    message = desk.queue.receive()
    assert message and read_task(message.body).project == longest.project


def test_without_a_queue_it_is_said_what_to_do(aws: Cloud) -> None:
    with pytest.raises(NotBootstrapped, match=r"no queue absent\.fifo"):
        Queue(aws, "absent.fifo").send(OPERATION)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"project": "x", "operation_id": "op-1"}', "null", '"a/b"']
)
def test_what_somebody_else_has_sent_is_not_read(body: str) -> None:
    with pytest.raises(UnreadableMessage):
        read_task(body)


OPERATION = wished()
