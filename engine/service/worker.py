"""The entry point of the worker function: messages of the queue in, one run on an operation each.

A run ends SUCCEEDED or FAILED, or CONTINUES when its time is up: then the next message is sent, and the
next run goes on with the same operation. A message that could not be worked on is given back; SQS hands it
out again, and after some such times it becomes a dead letter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import settle
from engine.aws.events import publish
from engine.aws.queue import Queue, Received, Task, read_task
from engine.aws.registry import ProjectRecord
from engine.errors import BusyError, EngineError, LeaseLost, RequestError
from engine.model.operation import Event, Operation, Owner, State
from engine.operations.drift import drift
from engine.operations.engine import Engine, open_engine
from engine.operations.installation import base_folder, read_catalogue, read_prices, read_settings
from engine.operations.reporting import Silent
from engine.operations.sweep import ask_for_due_purges, send_lost
from engine.operations.token_keys import refresh_keys
from engine.operations.watch import Look, watch
from engine.operations.work import work
from engine.service.logging import about, count, left_out, logger, note
from engine.service.tracing import span
from engine.terraform.processes import lambda_request

if TYPE_CHECKING:
    from engine.operations.duty import Duty

# Kept back from the end of the request, for sending the next message and answering.
_LAST_S = 5.0
# As long as a run lasts at most: five tries then last longer than any command that a person has under way.
_AGAIN_S = 900
FOLDER_VARIABLE = "PROVISIONER_INTERNAL_FOLDER"
"""Where relative folders of the settings start, if not where a Lambda function may write."""
# The only place of a Lambda function that can be written to.
_LAMBDA_FOLDER = "/tmp/provisioner"  # noqa: S108

_Work = Callable[..., Operation]


class Context(Protocol):
    """As much of Lambda's context as is used."""

    aws_request_id: str
    function_name: str

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """What Lambda calls: with a batch of SQS FIFO messages (of one message, as it is set up), or by the clock
    with {"schedule": name} (modules/service)."""
    if "schedule" in event:
        return worker().by_the_clock(str(event["schedule"]), context)
    return worker().answer(event, context)


@cache
def worker() -> Worker:
    """Made by the first batch that a function's process gets, and kept."""
    effective = read_settings(environ=os.environ)
    base = base_folder()
    engine = open_engine(
        effective.settings,
        base=Path(os.environ.get(FOLDER_VARIABLE, _LAMBDA_FOLDER)),
        environ=os.environ,
        reporter=Silent(),
        catalogue=read_catalogue(effective, base=base),
        prices=read_prices(effective, base=base),
    )
    settle()
    return Worker(engine)


@dataclass(frozen=True)
class Run:
    """Who works, and until when.

    deadline   time.monotonic() by which the run must have ended; None: no limit
    started    given the duty, so that somebody can stop it
    """

    owner: Owner
    deadline: float | None = None
    started: Callable[[Duty], None] | None = None


class Worker:
    """Works through messages. carry_out and look are those of engine.operations, but for tests."""

    def __init__(self, engine: Engine, *, carry_out: _Work = work, look: Look = drift) -> None:
        self.engine = engine
        self._carry_out = carry_out
        self._look = look
        self.queue = Queue(engine.cloud, engine.settings.operations_queue)

    def answer(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Lambda's answer: the messages that are to be handed out again, and with each of them the later
        ones of its project, so that their order stays."""
        failed: list[str] = []
        stuck: set[str] = set()
        for record in event["Records"]:
            group = str(record.get("attributes", {}).get("MessageGroupId"))
            if group in stuck or not self.take(record["messageId"], record["body"], _run(context)):
                stuck.add(group)
                failed.append(record["messageId"])
                self._hold(record)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def by_the_clock(self, schedule: str, context: Context) -> dict[str, Any]:
        """What is done once in a while:

        sweep   sends lost operations again, and purges data whose time has come; gives their ids
        drift   looks which projects are not as they were left at AWS; gives them, and how many were looked at
        keys    hands on the keys of the REST API's tokens; gives their ids, or the code of what went wrong
        Raises  RequestError for a schedule of another name
        """
        with about():
            match schedule:
                case "sweep":
                    return self._sweep()
                case "drift":
                    return self._look_for_drift(_run(context).deadline or 0.0)
                case "keys":
                    return self._hand_on_keys()
        raise RequestError(
            f"The worker knows no schedule {schedule!r}.", hint="There are three: sweep, drift and keys."
        )

    def _sweep(self) -> dict[str, Any]:
        sent = send_lost(self.engine, self.queue, passed_over=left_out)
        for operation in sent:
            logger.warning("was lost", project=operation.project, operation_id=operation.id)

        def skipped(record: ProjectRecord, because: str) -> None:
            logger.warning("its data is due, and stays for now", project=record.project, because=because)

        due = ask_for_due_purges(self.engine, self.queue, passed_over=left_out, skipped=skipped)
        for operation in due:
            logger.info("its data is due", project=operation.project, operation_id=operation.id)
        logger.info("swept", sent=len(sent), due=len(due))
        return {"sent": [operation.id for operation in [*sent, *due]]}

    def _look_for_drift(self, deadline: float) -> dict[str, Any]:
        looked, drifted, begun = 0, [], time.monotonic()

        def unkept(error: EngineError) -> None:
            logger.warning("nobody knows where the next look begins", code=error.code, detail=error.message)

        for seen in watch(self.engine, deadline=deadline, look=self._look, unkept=unkept):
            looked += 1
            if seen.drifted:
                drifted.append(seen.project)
                logger.warning("has drifted", project=seen.project, owner=seen.owner, what=seen.what)
            elif seen.failed:
                logger.warning("could not be looked at", project=seen.project, because=seen.what)
            count("drift", seen.standing, seconds=time.monotonic() - begun)
            begun = time.monotonic()
        logger.info("looked for drift", looked=looked, drifted=len(drifted))
        return {"looked_at": looked, "drifted": sorted(drifted)}

    def _hand_on_keys(self) -> dict[str, Any]:
        if not self.engine.settings.has_rest_api:
            logger.info("no keys to refresh", because="jwks_url is not set")
            return {"keys": [], "changed": False}
        begun = time.monotonic()
        try:
            keys = refresh_keys(self.engine)
        except EngineError as error:
            logger.error("the keys of tokens stay as they are", code=error.code, detail=error.message)
            count("keys", "failed", seconds=time.monotonic() - begun)
            return {"failed": error.code}
        logger.info("refreshed the keys of tokens", keys=keys.ids, changed=keys.changed)
        count("keys", "changed" if keys.changed else "unchanged", seconds=time.monotonic() - begun)
        return {"keys": list(keys.ids), "changed": keys.changed}

    def _hold(self, record: Mapping[str, Any]) -> None:
        """Have a message that is given back handed out again in a while: by itself the queue would wait for
        six times the function's time limit."""
        message = Received(record["messageId"], record["receiptHandle"], record["body"], {})
        try:
            self.queue.keep(message, seconds=_AGAIN_S)
        except EngineError as error:
            logger.warning("is handed out again later", code=error.code, detail=error.message)

    def take(self, message_id: str, body: str, run: Run) -> bool:
        """One run on the operation that a message names; False when the message must be handed out again."""
        started = time.monotonic()
        with about(message_id=message_id, worker=run.owner.name):
            outcome = self._outcome(body, run)
            seconds = time.monotonic() - started
            logger.info("ended", outcome=outcome, duration_ms=round(seconds * 1000))
            count("worker", outcome, seconds=seconds)
        return outcome not in ("refused", "busy")

    def _outcome(self, body: str, run: Run) -> str:
        try:
            task = read_task(body)
            note(project=task.project, operation_id=task.operation_id)
            logger.info("takes up")
            with span("operation", enabled=self.engine.settings.tracing, operation=task.operation_id):
                operation = self._carry_out(
                    self.engine,
                    task.project,
                    task.operation_id,
                    owner=run.owner,
                    deadline=run.deadline,
                    published=self._publish,
                    started=run.started,
                )
            if operation.state is State.CONTINUES:
                self.queue.send(operation)
        except LeaseLost as error:
            return self._without_lease(task, error)
        except BusyError as error:
            logger.info("another works on it", code=error.code, detail=error.message)
            return "busy"
        except EngineError as error:
            logger.error("could not work", code=error.code, detail=error.message)
            return "refused"
        except Exception:  # noqa: BLE001 - the message is given back, and the next one may fare better
            logger.exception("a bug")
            return "refused"
        if operation.failure is not None:
            logger.error("failed", code=operation.failure.code, detail=operation.failure.message)
        return str(operation.state).lower()

    def _without_lease(self, task: Task, lost: LeaseLost) -> str:
        """Whether the message has done its duty: only when its operation is finished. Who goes on with it
        may die, and where AWS did not answer for a minute nobody goes on with it at all."""
        try:
            operation = self.engine.operations.get(task.project, task.operation_id)
        except EngineError as error:
            logger.error("could not look", code=error.code, detail=error.message)
            return "refused"
        if operation is not None and not operation.state.finished:
            logger.info("gave it up", code=lost.code, detail=lost.message)
            return "busy"
        logger.info("nothing to do", code=lost.code, detail=lost.message)
        return "superfluous"

    def _publish(self, operation: Operation, event: Event) -> None:
        """Tell the log, and the bus if there is one; whether anybody listens decides nothing."""
        logger.info(event.text, phase=operation.phase, percent=operation.progress.percent)
        bus = self.engine.settings.event_bus
        if bus is None:
            return
        try:
            publish(self.engine.cloud, bus, operation, event)
        except EngineError as error:
            logger.warning("nobody was told", code=error.code, detail=error.message)


def _run(context: Context) -> Run:
    left_s = context.get_remaining_time_in_millis() / 1000
    owner = lambda_request(
        function=context.function_name,
        request_id=context.aws_request_id,
        ends_at=datetime.now(UTC) + timedelta(seconds=left_s),
    )
    return Run(owner, deadline=time.monotonic() + left_s - _LAST_S)
