"""Messages in, runs out: what is given back, what is sent on, and what is told."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.aws import buckets
from engine.aws.operation_store import OperationStore
from engine.aws.queue import read_task
from engine.aws.registry import Phase
from engine.errors import LeaseLost, OperationInProgress, RequestError, UnknownOperation, Unreachable
from engine.local.server import LocalCloud
from engine.model.operation import (
    Event,
    Failure,
    Kind,
    Operation,
    Owner,
    State,
    Wish,
    failed,
    requested,
    succeeded,
)
from engine.model.spec import ProjectSpec, dump_spec
from engine.operations import records
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.requests import Desk
from engine.operations.work import work
from engine.review.drift import Drifted, DriftReport, ProjectDrift, Standing
from engine.review.model import Action, Change
from engine.service.worker import Worker
from engine.terraform.processes import proof_of_death
from tests.functional.conftest import make_table
from tests.functional.identity.identity_provider import identity_provider, status
from tests.policies.permissions import permitted
from tests.unit.model.test_jwks import key

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@dataclass
class Lambda:
    aws_request_id: str = "11111111-2222-4333-8444-555555555555"
    function_name: str = "worker"

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


def wished(project_id: str = "proj", wish: Wish = Wish(Kind.RELEASE)) -> Operation:  # noqa: B008 (frozen)
    return requested(vlab_id="lab", project_id=project_id, wish=wish, requested_by="me", now=NOW)


def message(number: int, operation: Operation) -> dict[str, Any]:
    body = json.dumps({"project": operation.project, "operation_id": operation.id})
    return {
        "messageId": str(number),
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {"MessageGroupId": operation.project},
    }


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


@pytest.fixture
def working(desk: Desk, tmp_path: Path) -> Callable[..., Worker]:
    """A worker whose runs are what the test says."""

    def make(carry_out: Callable[..., Operation], **settings: Any) -> Worker:
        changed = desk.place.settings.model_copy(update=settings)
        engine = open_engine(changed, base=tmp_path, environ={}, reporter=Silent())
        return Worker(engine, carry_out=carry_out)

    return make


def given_back(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_a_run_gets_the_time_that_the_request_has(working: Callable[..., Worker]) -> None:
    seen: dict[str, Any] = {}

    def carry_out(_engine: Any, project: str, operation_id: str, **more: Any) -> Operation:
        seen.update(more, project=project, operation_id=operation_id)
        return succeeded(wished(), NOW)

    operation = wished()
    assert not given_back(working(carry_out).answer(batch(message(1, operation)), Lambda()))
    assert (seen["project"], seen["operation_id"]) == ("lab/proj", operation.id)
    assert 590 < seen["deadline"] - time.monotonic() < 596
    assert seen["owner"].kind == "lambda" and seen["owner"].identity["request_id"] == Lambda.aws_request_id


def test_a_state_lock_says_which_request_holds_it(
    working: Callable[..., Worker], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of a function outlives its requests, and no other function's process can see it end."""
    operation = desk.store.submit(wished()).operation
    worker = working(work)
    table = worker.engine.settings.lock_table
    make_table(desk.place.cloud, table, "LockID")
    held: list[Owner] = []

    def release(engine: Engine, vlab_id: str, project_id: str, **_: Any) -> None:
        with engine.state_lock(engine.names(vlab_id, project_id)).held("apply"):
            (item,) = desk.place.cloud.dynamodb.scan(TableName=table)["Items"]
            held.append(Owner.from_json(item["Owner"]["S"]))

    monkeypatch.setattr("engine.operations.work.release", release)
    assert not given_back(worker.answer(batch(message(1, operation)), Lambda()))
    (owner,) = held
    assert (owner.kind, owner.identity["request_id"]) == ("lambda", Lambda.aws_request_id)
    # Whoever's clock is five minutes wrong, which signatures allow, takes it from no living request.
    ends_at = datetime.fromisoformat(owner.identity["ends_at"])
    assert proof_of_death(owner, now=ends_at + timedelta(minutes=5)) is None
    assert proof_of_death(owner, now=ends_at + timedelta(minutes=7))
    desk.place.cloud.dynamodb.delete_table(TableName=table)


def test_what_is_not_done_is_sent_on_and_what_has_ended_is_not(
    working: Callable[..., Worker], desk: Desk
) -> None:
    operation = replace(wished(), state=State.CONTINUES, slices=1)
    assert not given_back(working(lambda *_, **__: operation).answer(batch(message(1, operation)), Lambda()))
    sent = desk.queue.receive()
    assert sent and read_task(sent.body).operation_id == operation.id
    assert sent.attributes["MessageGroupId"] == "lab/proj"
    assert sent.attributes["MessageDeduplicationId"] == f"{operation.id}-1"
    desk.queue.finish(sent)
    for ended in (succeeded(operation, NOW), failed(operation, Failure("CLUSTER_FAILED", "why"), NOW)):
        worker = working(lambda *_, _ended=ended, **__: _ended)
        assert not given_back(worker.answer(batch(message(1, operation)), Lambda()))
    assert desk.queue.receive() is None


@pytest.mark.parametrize(
    ("error", "back"),
    [
        (LeaseLost("another has it"), False),
        (OperationInProgress("another has it now"), True),
        (UnknownOperation("never heard of it"), True),
        (Unreachable("no DynamoDB"), True),
        (RuntimeError("a bug"), True),
    ],
)
def test_a_message_is_given_back_unless_there_is_nothing_to_do(
    working: Callable[..., Worker], error: Exception, back: bool
) -> None:
    def carry_out(*_: Any, **__: Any) -> Operation:
        raise error

    answer = working(carry_out).answer(batch(message(1, wished())), Lambda())
    assert given_back(answer) == (["1"] if back else [])


@pytest.mark.parametrize("trouble", ["its end is not written", "the lease runs out unheard"])
def test_a_message_stays_until_its_operation_is_put_down(
    working: Callable[..., Worker], desk: Desk, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Without its message nobody would ever go on with an operation that has begun."""
    operation = desk.store.submit(wished()).operation
    worker = working(work)

    def release(*_: Any, **__: Any) -> None:
        if trouble == "the lease runs out unheard":
            raise LeaseLost("DynamoDB did not answer for a minute")

    def finish(*_: Any, **__: Any) -> None:
        raise Unreachable("no DynamoDB")

    # GIVEN a run that comes to its end, or not, while DynamoDB does not answer
    monkeypatch.setattr("engine.operations.work.release", release)
    with monkeypatch.context() as patch:
        patch.setattr(OperationStore, "finish", finish)
        answer = worker.answer(batch(message(1, operation)), Lambda())
    # THEN the message comes again
    assert given_back(answer) == ["1"]
    assert desk.store.active("lab/proj") == desk.store.require("lab/proj", operation.id)
    # AND the run that takes it up, once the lease is over, ends it
    monkeypatch.setattr("engine.operations.work.release", lambda *_, **__: None)
    monkeypatch.setattr("engine.operations.work.is_dead", lambda _: True)
    assert not given_back(worker.answer(batch(message(1, operation)), Lambda()))
    assert desk.store.require("lab/proj", operation.id).state is State.SUCCEEDED
    # AND a message of what has ended has nothing to do
    assert not given_back(worker.answer(batch(message(1, operation)), Lambda()))


def test_what_is_given_back_is_handed_out_again_before_the_queue_would(
    working: Callable[..., Worker], desk: Desk
) -> None:
    # GIVEN a message that the queue would hold back for an hour and a half
    operation = wished()
    desk.queue.send(operation)
    received = desk.queue.receive()
    assert received
    desk.queue.keep(received, seconds=5400)
    record = message(1, operation) | {"receiptHandle": received.receipt}

    def carry_out(*_: Any, **__: Any) -> Operation:
        raise OperationInProgress("another has it now")

    # WHEN the worker cannot take it now
    worker = working(carry_out)
    held: list[int] = []
    keep = worker.queue.keep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            worker.queue, "keep", lambda one, *, seconds: (held.append(seconds), keep(one, seconds=0))
        )
        assert given_back(worker.answer(batch(record), Lambda())) == ["1"]
    # THEN SQS took the shorter time
    assert held == [900]
    again = desk.queue.receive()
    assert again and again.id == received.id
    desk.queue.finish(again)


@pytest.mark.parametrize(
    ("asked_by", "minutes", "gives_way"),
    [
        ("arn:aws:sts::123456789012:assumed-role/workflow-service/session", 0, False),
        ("arn:aws:sts::123456789012:assumed-role/workflow-service/session", 31, True),
        ("ada@host", 0, True),
        ("the schedule", 0, True),
    ],
)
def test_a_command_gives_up_what_a_person_left_and_not_what_a_worker_is_to_take_up(
    working: Callable[..., Worker], desk: Desk, asked_by: str, minutes: int, gives_way: bool
) -> None:
    # GIVEN what waits for its next run
    engine = working(work).engine
    then = engine.now() - timedelta(minutes=minutes)
    spec = dump_spec(ProjectSpec(vlab_id="lab", project_id="proj"))
    waits = requested(
        vlab_id="lab",
        project_id="proj",
        wish=Wish(Kind.PROVISION, spec),
        requested_by=asked_by,
        now=then,
    )
    desk.store.submit(waits)
    # WHEN a person wishes something else
    refused: OperationInProgress | None = None
    try:
        with carrying_out(engine, "lab", "proj", Wish(Kind.RELEASE)):
            pass
    except OperationInProgress as error:
        refused = error
    # THEN
    assert (refused is None) is gives_way
    assert (desk.store.require("lab/proj", waits.id).state is State.FAILED) is gives_way
    if refused is not None:
        assert waits.id in refused.message and asked_by in refused.hint


@pytest.mark.parametrize(
    ("phase", "wish", "then", "says_so"),
    [
        (Phase.APPLYING, Wish(Kind.RELEASE), Phase.FAILED, True),
        (Phase.PARKING, Wish(Kind.RELEASE), Phase.FAILED, True),
        (Phase.DESTROYING, Wish(Kind.DESTROY, purge_data=True), Phase.DESTROYING, True),
        # What is refused since the data is being deleted does not hide why that failed
        (Phase.DESTROYING, Wish(Kind.RELEASE), Phase.DESTROYING, False),
        (Phase.READY, Wish(Kind.RELEASE), Phase.READY, False),
    ],
)
def test_a_run_that_fails_before_it_goes_on_says_so_in_the_record(
    working: Callable[..., Worker],
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    phase: Phase,
    wish: Wish,
    then: Phase,
    says_so: bool,
) -> None:
    # GIVEN an operation that an earlier run has put down
    operation = desk.store.submit(wished(wish=wish)).operation
    worker = working(work)
    spec = ProjectSpec(vlab_id="lab", project_id="proj")
    record = records.note_planned(worker.engine, spec)
    desk.place.registry.replace(record, now=NOW, phase=phase, message="the next run goes on with it")

    # WHEN the next one cannot even plan
    def fail(*_: Any, **__: Any) -> None:
        raise RequestError("no such tier any more")

    monkeypatch.setattr("engine.operations.work.release", fail)
    monkeypatch.setattr("engine.operations.work.destroy", fail)
    worker.answer(batch(message(1, operation)), Lambda())

    # THEN
    assert desk.store.require("lab/proj", operation.id).state is State.FAILED
    found = records.record_of(worker.engine, "lab", "proj")
    assert found.phase is then
    assert ("no such tier any more" in found.message) is says_so


def test_the_clock_sends_what_was_lost_and_nothing_else(working: Callable[..., Worker], desk: Desk) -> None:
    # GIVEN operations of the service: one asked for long ago, one just now, and one of a person
    worker = working(lambda *_, **__: succeeded(wished(), NOW))
    now = worker.engine.now()
    caller = "arn:aws:sts::123456789012:assumed-role/workflow-service/x"

    def ask(project_id: str, *, by: str = caller, minutes: int = 45) -> Operation:
        at = now - timedelta(minutes=minutes)
        wish = Wish(Kind.RELEASE)
        operation = requested(vlab_id="lab", project_id=project_id, wish=wish, requested_by=by, now=at)
        return desk.store.submit(operation, idempotency=None).operation

    lost = ask("lost")
    ask("new", minutes=5)
    ask("old", minutes=2000)
    ask("mine", by="me@here")
    # AND one that somebody works on, one whose worker died, and one whose worker just put it down
    owner = Owner("process", "me@here", {})
    desk.store.claim("lab/taken", ask("taken").id, owner, now=now, ttl=timedelta(minutes=5))
    left = ask("left", minutes=100)
    desk.store.claim("lab/left", left.id, owner, now=now - timedelta(minutes=90), ttl=timedelta(minutes=1))
    lease, running = desk.store.claim(
        "lab/slices", ask("slices").id, owner, now=now, ttl=timedelta(minutes=1)
    )
    desk.store.hand_over(lease, replace(running, state=State.CONTINUES))

    # WHEN
    assert worker.by_the_clock("sweep", Lambda()) == {"sent": [left.id, lost.id]}

    # THEN
    sent = [one for one in (desk.queue.receive(), desk.queue.receive()) if one]
    assert {read_task(one.body).operation_id for one in sent} == {left.id, lost.id}
    for one in sent:
        desk.queue.finish(one)
    assert desk.queue.receive() is None
    with pytest.raises(RequestError, match="knows no schedule 'tides'"):
        worker.by_the_clock("tides", Lambda())


def test_the_clock_looks_for_drift_while_there_is_time(
    working: Callable[..., Worker], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN five projects, of which one has drifted and one cannot be looked at
    worker = working(lambda *_, **__: succeeded(wished(), NOW))
    for number in range(5):
        records.note_planned(worker.engine, ProjectSpec(vlab_id="lab", project_id=f"p{number}"))
    change = Change("aws_s3_bucket.this", "", "managed", "aws_s3_bucket", "this", "bucket", Action.UPDATE)
    found = {
        "lab/p1": ProjectDrift(
            "lab/p1", Standing.DRIFTED, drifted=(Drifted(change, "b", ("It is public.",)),)
        ),
        "lab/p2": ProjectDrift("lab/p2", Standing.FAILED, because="ACCESS_DENIED: no"),
    }
    looked: list[str] = []

    def drift(_engine: Any, projects: Any) -> DriftReport:
        (names,) = projects
        looked.append("/".join(names))
        one = found.get(looked[-1], ProjectDrift(looked[-1], Standing.CLEAN))
        return DriftReport(NOW, "123456789012", "us-east-1", (one,))

    worker = Worker(worker.engine, look=drift)
    # WHEN there is time THEN all are looked at, and what is amiss is told
    assert worker.by_the_clock("drift", Lambda()) == {"looked_at": 5, "drifted": ["lab/p1"]}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (told,) = [line for line in lines if line.get("message") == "has drifted"]
    assert (told["project"], told["what"]) == ("lab/p1", ["It is public."])
    assert any(line.get("because") == ["ACCESS_DENIED: no"] for line in lines)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    outcomes = [one["outcome"] for one in metrics if one["function"] == "drift"]
    assert sorted(outcomes) == ["clean", "clean", "clean", "drifted", "failed"]
    # WHEN the request is nearly over THEN no more is begun
    late = Lambda()
    late.get_remaining_time_in_millis = lambda: 100_000  # type: ignore[method-assign]
    assert worker.by_the_clock("drift", late) == {"looked_at": 0, "drifted": []}


def metrics_of(written: str, function: str) -> list[str]:
    """The outcomes that were counted of a function, from what a test has printed."""
    lines = [json.loads(line) for line in written.splitlines() if '"_aws"' in line]
    return [line["outcome"] for line in lines if line["function"] == function]


def test_the_clock_hands_on_the_keys_that_the_identity_provider_signs_with_now(
    working: Callable[..., Worker],
    cloud: LocalCloud,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with identity_provider() as provider:
        worker = working(
            lambda *_, **__: succeeded(wished(), NOW),
            jwks_url=provider.url,
            jwt_issuer="https://sso.example.org",
            jwt_audience="slurm",
        )
        nodes = worker.engine.settings.nodes_bucket
        worker.engine.cloud.s3.create_bucket(Bucket=nodes)
        # WHEN it rotates its key THEN the nodes bucket has the new one, and nobody applied anything
        assert worker.by_the_clock("keys", Lambda()) == {"keys": ["key-1"], "changed": True}
        provider.text = json.dumps({"keys": [key("key-2")]})
        with permitted(cloud, "service-worker"):
            assert worker.by_the_clock("keys", Lambda()) == {"keys": ["key-2"], "changed": True}
        assert worker.by_the_clock("keys", Lambda()) == {"keys": ["key-2"], "changed": False}
        assert metrics_of(capsys.readouterr().out, "keys") == ["changed", "changed", "unchanged"]
        # WHEN it is ill THEN the keys stay, and the log and the alarm's metric tell it
        provider.respond = status(503)
        assert worker.by_the_clock("keys", Lambda()) == {"failed": "KEYS_UNAVAILABLE"}
        assert metrics_of(capsys.readouterr().out, "keys") == ["failed"]
        kept = buckets.find_object(worker.engine.cloud, nodes, "jwks.json")
        assert kept is not None and "key-2" in kept.decode()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (told,) = [line for line in lines if line["level"] == "ERROR"]
    assert told["message"] == "the keys of tokens stay as they are"
    assert told["code"] == "KEYS_UNAVAILABLE" and "503" in told["detail"]


def test_the_clock_has_no_keys_to_hand_on_without_an_identity_provider(
    working: Callable[..., Worker], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = working(lambda *_, **__: succeeded(wished(), NOW))
    assert worker.by_the_clock("keys", Lambda()) == {"keys": [], "changed": False}
    (told,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (told["level"], told["message"]) == ("INFO", "no keys to refresh")
    assert told["because"] == "jwks_url is not set"
    assert metrics_of(capsys.readouterr().out, "keys") == []


def test_behind_a_message_that_is_given_back_its_project_waits(working: Callable[..., Worker]) -> None:
    first, other = wished("a"), wished("b")

    def carry_out(_engine: Any, project: str, *_: Any, **__: Any) -> Operation:
        if project == "lab/a":
            raise Unreachable("no DynamoDB")
        return succeeded(other, NOW)

    records = batch(message(1, first), message(2, other), message(3, wished("a")))
    assert given_back(working(carry_out).answer(records, Lambda())) == ["1", "3"]


def test_each_phase_is_told_to_the_log_and_the_bus(
    working: Callable[..., Worker], desk: Desk, log: io.StringIO
) -> None:
    operation = replace(wished(), state=State.RUNNING, phase="APPLYING")
    sent: list[dict[str, Any]] = []

    def carry_out(*_: Any, published: Callable[[Operation, Event], None], **__: Any) -> Operation:
        published(operation, Event(3, NOW, "step", "Applying"))
        return succeeded(operation, NOW)

    worker = working(carry_out, event_bus="default")
    client = worker.engine.cloud.events
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "put_events", lambda **call: sent.extend(call["Entries"]) or {})
        worker.answer(batch(message(1, operation)), Lambda())
        patch.setattr(client, "put_events", lambda **_: {"FailedEntryCount": 1, "Entries": [{}]})
        assert not given_back(worker.answer(batch(message(1, operation)), Lambda())), "nobody need listen"
    (entry,) = sent
    detail = json.loads(entry["Detail"])
    assert (entry["Source"], entry["DetailType"]) == (
        "parallelcluster.provisioner",
        "Operation Phase Change",
    )
    assert (detail["project"], detail["phase"], detail["event"]["text"]) == (
        "lab/proj",
        "APPLYING",
        "Applying",
    )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = [line for line in lines if line["message"] in ("takes up", "Applying", "ended")]
    assert {(line["project"], line["operation_id"]) for line in told if line["message"] != "ended"} == {
        ("lab/proj", operation.id)
    }
    assert [line["phase"] for line in told if line["message"] == "Applying"] == ["APPLYING"] * 2
