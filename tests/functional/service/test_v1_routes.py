"""The clean interface."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.aws import clusters
from engine.aws.clusters import ClusterStatus
from engine.aws.queue import read_task
from engine.aws.registry import Phase
from engine.aws.session import Cloud
from engine.errors import Unreachable
from engine.model.operation import Event, Kind, Owner, State, Wish, requested, succeeded
from engine.model.spec import dump_spec, load_spec
from engine.operations import records
from engine.operations.requests import Desk, is_lost
from engine.service import v1_routes
from engine.service.api import Service
from tests.functional.conftest import make_table
from tests.functional.service.gateway import Gateway

TTL = timedelta(minutes=1)
PROJECT = "/v1/projects/lab/proj"
EFS = {"storage": {"kind": "efs"}}
ROLE = "arn:aws:sts::123456789012:assumed-role/workflow-service"


def test_a_spec_becomes_an_operation_that_can_be_looked_at(gateway: Gateway, desk: Desk) -> None:
    accepted = gateway("PUT", PROJECT, body=EFS)
    operation = accepted.body["operation"]
    assert accepted.status == 202
    assert accepted.headers["Location"] == f"{PROJECT}/operations/{operation['id']}"
    assert (operation["state"], operation["phase"]) == ("QUEUED", "QUEUED")
    assert operation["wish"]["spec"]["storage"] == {"kind": "efs"}
    assert gateway("GET", accepted.headers["Location"]).body["operation"] == operation
    project = gateway("GET", PROJECT).body["project"]
    assert (project["phase"], project["operation"]["id"]) == ("PLANNED", operation["id"])
    assert gateway("GET", f"{PROJECT}/operations").body == {"operations": [operation], "next": None}
    assert gateway("GET", f"{PROJECT}/operations/{operation['id']}/events").body["events"] == []


def test_a_cluster_whose_nodes_keep_failing_to_start_is_told(
    gateway: Gateway, desk: Desk, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a project whose cluster is complete, and whose fleet ParallelCluster protects from failing on
    gateway("PUT", PROJECT, body=EFS)
    name = gateway("GET", PROJECT).body["project"]["cluster"]["name"]
    complete = ClusterStatus(name, *["CREATE_COMPLETE"] * 3, head_node=None, created_at=datetime.now(UTC))
    monkeypatch.setattr(clusters, "describe_cluster", lambda *_, **__: complete)
    table = f"parallelcluster-{name}"
    # WHEN its fleet cannot be asked THEN all else is told
    found = gateway("GET", PROJECT).body["project"]["cluster"]
    assert (found["status"], found["compute_fleet"], found["failure_reasons"]) == (
        "CREATE_COMPLETE",
        None,
        [],
    )
    # WHEN it can THEN why jobs wait is told with it
    make_table(aws, table, "Id")
    item = {"Id": {"S": "COMPUTE_FLEET"}, "Data": {"M": {"status": {"S": "PROTECTED"}}}}
    aws.dynamodb.put_item(TableName=table, Item=item)
    found = gateway("GET", PROJECT).body["project"]["cluster"]
    aws.dynamodb.delete_table(TableName=table)
    assert found["compute_fleet"] == "PROTECTED"
    (reason,) = found["failure_reasons"]
    assert f"--cluster-name {name} --status START_REQUESTED" in reason


def test_the_same_wish_is_joined_and_another_is_told_which_one_is_under_way(gateway: Gateway) -> None:
    first = gateway("PUT", PROJECT, body=EFS).body["operation"]
    same = gateway("PUT", PROJECT, body={"project_id": "proj", "vlab_id": "lab", "tier": "debug", **EFS})
    assert same.body["operation"] == first
    other = gateway("PUT", PROJECT, body={})
    assert (other.status, other.code) == (409, "OPERATION_IN_PROGRESS")
    assert other.body["operation"] == first
    assert other.headers["Content-Type"] == "application/problem+json"


def test_what_was_left_is_taken_up_again_and_does_not_bar_the_way_for_ever(
    gateway: Gateway, desk: Desk
) -> None:
    # GIVEN an operation whose worker died, and whose message is lost
    begun, now = begun_and_lost(gateway, desk)
    # WHEN it is asked for once more at once THEN its worker may live
    gateway("PUT", PROJECT, body=EFS)
    assert desk.queue.receive() is None
    # WHEN somebody looks at it weeks later THEN nobody wants it any more
    after_weeks = Gateway(Service(at(desk, now + timedelta(days=21))))
    assert after_weeks("GET", f"{PROJECT}/operations/{begun['id']}").status == 200
    assert desk.queue.receive() is None
    # WHEN somebody looks at it, or asks for it, an hour later THEN it is sent again
    after_an_hour = Gateway(Service(at(desk, now + timedelta(hours=1))))
    assert after_an_hour("GET", f"{PROJECT}/operations/{begun['id']}").status == 200
    again = desk.queue.receive()
    assert again and read_task(again.body).operation_id == begun["id"]
    desk.queue.finish(again)
    # AND another wish waits for it, but not for weeks
    assert after_an_hour("DELETE", PROJECT).code == "OPERATION_IN_PROGRESS"
    assert after_weeks("DELETE", PROJECT).status == 202
    assert desk.store.require("lab/proj", begun["id"]).state is State.FAILED


def test_a_wish_that_is_asked_for_again_is_sent_again(gateway: Gateway, desk: Desk) -> None:
    begun, now = begun_and_lost(gateway, desk)
    joined = Gateway(Service(at(desk, now + timedelta(days=21))))("PUT", PROJECT, body=EFS)
    assert joined.body["operation"]["id"] == begun["id"]
    again = desk.queue.receive()
    assert again and read_task(again.body).operation_id == begun["id"]


def test_what_a_person_began_and_a_client_joins_does_not_wait_for_ever(desk: Desk) -> None:
    # GIVEN a person at work on the very wish
    now = datetime.now(UTC)
    spec = load_spec('{"vlab_id": "lab", "project_id": "proj", "storage": {"kind": "efs"}}', source="test")
    wish = Wish(Kind.PROVISION, dump_spec(spec))
    begun = desk.store.submit(
        requested(vlab_id="lab", project_id="proj", wish=wish, requested_by="ada@host", now=now)
    ).operation
    lease, running = desk.store.claim("lab/proj", begun.id, Owner("process", "ada", {}), now=now, ttl=TTL)
    records.first_record(desk.place, spec)
    meanwhile = Gateway(Service(at(desk, now + TTL / 2)))
    after_an_hour = Gateway(Service(at(desk, now + timedelta(hours=1))))
    path = f"{PROJECT}/operations/{begun.id}"

    def sent() -> bool:
        if message := desk.queue.receive():
            desk.queue.finish(message)
        return message is not None and read_task(message.body).operation_id == begun.id

    # WHEN somebody only looks THEN it is the person's
    after_an_hour("GET", path)
    assert not sent()
    # WHEN a client wishes the same THEN the person goes on, and workers need not hear of it
    assert meanwhile("PUT", PROJECT, body=EFS).body["operation"]["id"] == begun.id
    meanwhile("GET", path)
    assert not sent()
    # BUT should the person die, whoever looks has a worker go on with it, and so has the clock
    after_an_hour("GET", path)
    assert sent()
    standing = desk.store.standing("lab/proj")
    assert is_lost(running, standing, now + timedelta(hours=1))
    # AND not for weeks
    assert not is_lost(running, standing, now + timedelta(days=21))
    # WHEN the person has put it down THEN whoever joins it need not wait
    desk.store.hand_over(lease, replace(running, state=State.CONTINUES, slices=2))
    meanwhile("PUT", PROJECT, body=EFS)
    assert sent()
    # AND what has ended is wanted no more
    lease, running = desk.store.claim("lab/proj", begun.id, Owner("process", "ada", {}), now=now, ttl=TTL)
    desk.store.finish(lease, succeeded(running, now))
    assert desk.store.standing("lab/proj").wanted_at is None


def test_a_repeated_request_does_not_bring_back_a_project_that_is_gone(gateway: Gateway, desk: Desk) -> None:
    key = {"Idempotency-Key": "night-run-3"}
    begun = gateway("PUT", PROJECT, body=EFS, headers=key).body["operation"]
    finish(desk)
    record = desk.place.registry.get("lab", "proj")
    assert record and desk.place.registry.remove(record)
    assert gateway("PUT", PROJECT, body=EFS, headers=key).body["operation"]["id"] == begun["id"]
    assert desk.place.registry.get("lab", "proj") is None


def begun_and_lost(gateway: Gateway, desk: Desk) -> tuple[dict[str, Any], datetime]:
    """An operation that a worker has just begun and died at, whose message is gone; and when that was."""
    begun = gateway("PUT", PROJECT, body=EFS).body["operation"]
    received = desk.queue.receive()
    assert received
    desk.queue.finish(received)
    now = datetime.now(UTC)
    desk.store.claim("lab/proj", begun["id"], Owner("process", "me", {}), now=now, ttl=TTL)
    return begun, now


def at(desk: Desk, moment: datetime) -> Desk:
    return replace(desk, place=replace(desk.place, now=lambda: moment))


def test_an_idempotency_key_stands_for_one_request_of_one_caller(gateway: Gateway, desk: Desk) -> None:
    key = {"Idempotency-Key": "night-run-1"}
    first = gateway("PUT", PROJECT, body=EFS, headers=key).body["operation"]
    finish(desk)
    again = gateway("PUT", PROJECT, body=EFS, headers={"idempotency-key": "night-run-1"})
    assert again.body["operation"]["id"] == first["id"]
    assert again.body["operation"]["state"] == "SUCCEEDED"
    reused = gateway("PUT", PROJECT, body={}, headers=key)
    assert (reused.status, reused.code) == (422, "IDEMPOTENCY_CONFLICT")
    fresh = gateway("PUT", PROJECT, body=EFS, headers={"Idempotency-Key": "night-run-2"})
    assert fresh.body["operation"]["id"] != first["id"]
    finish(desk)
    # A role's sessions are one caller: the process that repeats a request may be another one.
    session = gateway("PUT", PROJECT, body=EFS, headers=key, caller=f"{ROLE}/another-task")
    assert session.body["operation"]["id"] == first["id"]
    stranger = f"{ROLE.replace('workflow-service', 'another-service')}/session"
    other = gateway("PUT", PROJECT, body=EFS, headers=key, caller=stranger)
    assert other.body["operation"]["id"] not in (first["id"], fresh.body["operation"]["id"])
    for bad in ("", "two words", "ü", "x" * 256):
        assert gateway("PUT", PROJECT, body=EFS, headers={"Idempotency-Key": bad}).code == "INVALID_REQUEST"


def test_deleting_keeps_the_data_unless_the_name_is_typed(gateway: Gateway, desk: Desk) -> None:
    gateway("PUT", PROJECT, body=EFS)
    finish(desk)
    for query in ("purge_data=true", "purge_data=true&confirm=lab/other", "skip_export=broken"):
        refused = gateway("DELETE", PROJECT, query=query)
        assert (refused.status, refused.code) == (400, "NOT_CONFIRMED")
    released = gateway("DELETE", PROJECT).body["operation"]
    assert (released["kind"], released["wish"]["purge_data"]) == ("release", False)
    finish(desk, Phase.PARKED)
    purged = gateway("DELETE", PROJECT, query="purge_data=true&confirm=lab%2Fproj").body["operation"]
    assert (purged["kind"], purged["wish"]["purge_data"]) == ("destroy", True)


def test_a_purge_with_a_key_can_be_asked_again_when_nothing_is_left(gateway: Gateway, desk: Desk) -> None:
    gateway("PUT", PROJECT, body=EFS)
    finish(desk)
    purge: Any = {"query": "purge_data=true&confirm=lab%2Fproj", "headers": {"Idempotency-Key": "purge-1"}}
    purged = gateway("DELETE", PROJECT, **purge).body["operation"]
    finish(desk)
    record = desk.place.registry.get("lab", "proj")
    assert record and desk.place.registry.remove(record)
    again = gateway("DELETE", PROJECT, **purge)
    assert (again.status, again.body["operation"]["id"]) == (202, purged["id"])
    assert again.body["operation"]["state"] == "SUCCEEDED"
    assert gateway("DELETE", PROJECT).status == 404
    assert gateway("GET", f"{PROJECT}/operations/{purged['id']}").status == 200


def test_a_project_that_was_only_planned_is_forgotten(gateway: Gateway, desk: Desk) -> None:
    gateway("PUT", PROJECT, body=EFS)
    finish(desk, Phase.PLANNED)
    assert gateway("DELETE", PROJECT).body["operation"]["kind"] == "destroy"


def test_lists_come_in_pages(gateway: Gateway) -> None:
    for number in range(5):
        gateway("PUT", f"/v1/projects/lab/p{number}", body=EFS)
    seen, query = [], "limit=2"
    while query:
        page = gateway("GET", "/v1/projects", query=query).body
        seen += [project["project_id"] for project in page["projects"]]
        assert len(page["projects"]) <= 2
        query = page["next"] and f"limit=2&next={page['next']}"
    assert seen == [f"p{number}" for number in range(5)]


def test_a_spec_of_a_newer_version_keeps_no_other_project_from_being_listed(
    gateway: Gateway, desk: Desk
) -> None:
    gateway("PUT", PROJECT, body=EFS)
    gateway("PUT", "/v1/projects/lab/other", body=EFS)
    record = desk.place.registry.get("lab", "proj")
    assert record
    newer = {**json.loads(record.spec_json), "of_the_future": 1}
    desk.place.registry.replace(record, now=datetime.now(UTC), spec_json=json.dumps(newer))
    listed = gateway("GET", "/v1/projects").body["projects"]
    assert [one["project_id"] for one in listed] == ["other", "proj"]
    assert {one["tier"] for one in listed} == {"debug"}
    # Whoever asks for that one did nothing wrong.
    asked = gateway("GET", PROJECT)
    assert (asked.status, asked.code) == (500, "INTERNAL_ERROR")
    assert "SPEC_UNREADABLE" in asked.body["detail"]


def test_events_go_on_where_the_last_page_ended(gateway: Gateway, desk: Desk) -> None:
    operation = gateway("PUT", PROJECT, body=EFS).body["operation"]
    now = datetime.now(UTC)
    lease, taken = desk.store.claim("lab/proj", operation["id"], Owner("process", "me", {}), now=now, ttl=TTL)
    desk.store.write(lease, taken, [Event(number, now, "step", f"step {number}") for number in (1, 2, 3)])
    address = f"{PROJECT}/operations/{operation['id']}/events"
    first = gateway("GET", address, query="limit=2").body
    assert [event["number"] for event in first["events"]] == [1, 2]
    rest = gateway("GET", address, query=f"next={first['next']}").body
    assert [event["text"] for event in rest["events"]] == ["step 3"]
    assert gateway("GET", address, query=f"next={rest['next']}").body == {"events": [], "next": None}


def test_a_token_that_is_none_is_refused(gateway: Gateway) -> None:
    for token in ("x", "WyJh", "WyJwcm9qZWN0cyIsIiJd", "W1tbW1tb", "ü", "%00", "e30", ""):
        refused = gateway("GET", "/v1/projects", query=f"next={token}")
        assert (refused.status, refused.code) == (400, "INVALID_REQUEST"), token


def test_a_token_of_another_list_is_refused(gateway: Gateway) -> None:
    gateway("PUT", PROJECT, body=EFS)
    gateway("PUT", "/v1/projects/lab/two", body=EFS)
    token = gateway("GET", "/v1/projects", query="limit=1").body["next"]
    assert gateway("GET", f"{PROJECT}/operations", query=f"next={token}").status == 400


def test_the_stored_review_is_shown(gateway: Gateway, desk: Desk) -> None:
    gateway("PUT", PROJECT, body=EFS)
    bucket = desk.place.settings.state_bucket
    desk.place.cloud.s3.create_bucket(Bucket=bucket)
    absent = gateway("GET", f"{PROJECT}/plan")
    assert (absent.status, absent.code) == (404, "NO_PLAN_STORED")
    kept = {"operation_id": "op-1", "plan": {"project": "lab/proj", "counts": {"create": 3}}}
    key = desk.place.names("lab", "proj").review_key
    desk.place.cloud.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(kept))
    assert gateway("GET", f"{PROJECT}/plan").body == kept
    for spoilt in ("{", "[]", "{}"):
        desk.place.cloud.s3.put_object(Bucket=bucket, Key=key, Body=spoilt)
        broken = gateway("GET", f"{PROJECT}/plan")
        assert broken.status == 500 and "BACKEND_ERROR" in broken.body["detail"], spoilt


def test_v1_itself_lists_its_requests(gateway: Gateway) -> None:
    found = gateway("GET", "/v1")
    assert found.status == 200 and found.body["version"]
    listed = {(one["method"], one["path"]) for one in found.body["requests"]}
    assert listed == {(route.method, route.path) for route in v1_routes.ROUTES}
    assert gateway("POST", "/v1").status == 405


BAD_BODIES = [
    ("", "BAD_REQUEST"),
    ("{", "BAD_REQUEST"),
    ("[]", "INVALID_SPEC"),
    ("null", "INVALID_SPEC"),
    ('"text"', "INVALID_SPEC"),
    ('{"tier": "gigantic"}', "INVALID_SPEC"),
    ('{"tier": "debug", "tier": "prod-mpi"}', "INVALID_SPEC"),
    ('{"colour": "red"}', "INVALID_SPEC"),
    ('{"project_id": "other"}', "INVALID_SPEC"),
    ('{"tags": {"a": "\\ud800"}}', "INVALID_SPEC"),
    ("[" * 60_000, "BAD_REQUEST"),
    ('{"owner": ' + "9" * 5000 + "}", "BAD_REQUEST"),
    ('{"compute": {"max_nodes": NaN}}', "INVALID_SPEC"),
]


def test_a_bad_body_is_refused_and_leaves_no_trace(gateway: Gateway, desk: Desk) -> None:
    for body, code in BAD_BODIES:
        refused = gateway("PUT", PROJECT, body=body)
        assert (refused.status, refused.code) == (400, code), body[:80]
    assert not list(desk.place.registry.list()) and desk.store.latest("lab/proj") is None


def test_a_body_must_be_small_and_json(gateway: Gateway) -> None:
    large = gateway("PUT", PROJECT, body=json.dumps({"owner": "x" * 70_000}))
    assert (large.status, large.code) == (413, "BODY_TOO_LARGE")
    yaml = gateway("PUT", PROJECT, body="tier: debug", headers={"Content-Type": "application/yaml"})
    assert (yaml.status, yaml.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


BAD_IDS = [
    "..",
    "..%2f..%2fetc",
    "a b",
    "a'; DROP TABLE projects; --",
    "-a",
    "ä",
    "𝒶",
    "a\u202eb",
    "a\x00b",
    "a\nb",
    "x" * 65,
    '"',
    "<script>",
    "{{7*7}}",
    "${jndi}",
]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_bad_ids_are_refused_with_a_code(gateway: Gateway, desk: Desk, method: str) -> None:
    body: Any = {} if method == "PUT" else None
    for path in (
        address for bad in BAD_IDS for address in (f"/v1/projects/{bad}/proj", f"/v1/projects/lab/{bad}")
    ):
        refused = gateway(method, path, body=body)
        assert 400 <= refused.status < 500, path
        assert refused.code in ("INVALID_SPEC", "UNKNOWN_ADDRESS"), path
    assert not list(desk.place.registry.list())


def test_too_long_an_address_is_refused(gateway: Gateway) -> None:
    for path in (
        f"/v1/projects/{'x' * 10_000}/proj",
        f"{PROJECT}/operations/{'x' * 10_000}",
        "/" + "x" * 9999,
    ):
        refused = gateway("GET", path)
        assert (refused.status, refused.code) == (414, "ADDRESS_TOO_LONG")


def test_an_unknown_address_is_a_problem(gateway: Gateway) -> None:
    for path in ("/v1/projects//proj", "/v1/projects/lab/", "/", "/v1/nothing", "//"):
        refused = gateway("GET", path)
        assert (refused.status, refused.code) == (404, "UNKNOWN_ADDRESS"), path
        assert refused.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_method_is_a_problem_that_says_which_are_known(gateway: Gateway) -> None:
    for method in ("HEAD", "POST", "PATCH", "OPTIONS"):
        refused = gateway(method, PROJECT)
        assert (refused.status, refused.code) == (405, "METHOD_NOT_ALLOWED"), method
        assert refused.headers["Allow"] == "PUT, GET, DELETE"


def test_what_is_not_there_is_404(gateway: Gateway) -> None:
    for path in (PROJECT, f"{PROJECT}/operations", f"{PROJECT}/plan", f"{PROJECT}/operations/op-1"):
        refused = gateway("GET", path)
        assert refused.status == 404 and refused.code in ("UNKNOWN_PROJECT", "UNKNOWN_OPERATION"), path


def test_trouble_inside_is_told_without_its_details(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def passing(*_: Any, **__: Any) -> None:
        raise Unreachable("https://dynamodb did not answer")

    def bug(*_: Any, **__: Any) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(v1_routes, "list_page", passing)
    later = gateway("GET", "/v1/projects")
    assert (later.status, later.code, later.headers["Retry-After"]) == (503, "UNREACHABLE", "10")
    monkeypatch.setattr(v1_routes, "list_page", bug)
    broken = gateway("GET", "/v1/projects")
    assert (broken.status, broken.code) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in str(broken.body)
    assert "hunter2" in log.getvalue(), "the log has it"


def test_lines_carry_project_and_operation_and_no_key(
    gateway: Gateway, desk: Desk, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    up = gateway("POST", "/hpc-provisioner/pcluster", query="project_id=proj&vlab_id=lab").body["cluster"]
    operation = desk.store.latest("lab/proj")
    assert operation
    gateway("GET", f"{PROJECT}/operations/{operation.id}")
    out = log.getvalue()
    lines = [json.loads(line) for line in out.splitlines()]
    told = [line for line in lines if line.get("message") == "answered"]
    assert [line["project"] for line in told] == ["lab/proj", "lab/proj"]
    assert [line.get("operation_id") for line in told] == [operation.id, operation.id]
    assert {line["status"] for line in told} == {200}
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["outcome"] for line in metrics} == {"2xx"} and all("_aws" in line for line in metrics)
    for arn in (up["user_private_ssh_key_arn"], up["admin_private_ssh_key_arn"]):
        key = desk.place.cloud.secretsmanager.get_secret_value(SecretId=arn)["SecretString"]
        assert not any(part in out for part in key.split("\n")[1:-2]) and "PRIVATE KEY" not in out


def finish(desk: Desk, phase: Phase = Phase.READY) -> None:
    """As a worker ends the operation that is under way."""
    store, now = desk.store, datetime.now(UTC)
    active = store.active("lab/proj")
    assert active
    lease, taken = store.claim("lab/proj", active.id, Owner("process", "me", {}), now=now, ttl=TTL)
    store.finish(lease, replace(taken, state=State.SUCCEEDED, phase="DONE", finished_at=now))
    record = desk.place.registry.get("lab", "proj")
    assert record
    desk.place.registry.replace(record, now=now, phase=phase)
