"""The old interface, as its clients use it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.aws.clusters import HeadNode
from engine.aws.queue import read_task
from engine.aws.registry import Phase
from engine.errors import PurgeCancelled
from engine.local.server import LocalCloud
from engine.model.operation import Failure, Kind, Owner, Wish, failed, requested, succeeded
from engine.operations.requests import Desk
from engine.operations.status import ProjectStatus
from engine.service import old_routes
from engine.service.api import Service
from engine.service.old_routes import old_status
from tests.functional.service.gateway import Gateway, recorded

TTL = timedelta(minutes=1)
CLUSTER = "/hpc-provisioner/pcluster"
PROJECT = "project_id=proj&vlab_id=lab"
KNOWN = {
    "CREATE_IN_PROGRESS",
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_IN_PROGRESS",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
}


def end(desk: Desk, phase: Phase, *, failure: Failure | None = None) -> None:
    """As a worker ends the operation that is under way."""
    store, now = desk.store, datetime.now(UTC)
    active = store.active("lab/proj")
    assert active
    lease, operation = store.claim("lab/proj", active.id, Owner("process", "me", {}), now=now, ttl=TTL)
    store.finish(lease, failed(operation, failure, now) if failure else succeeded(operation, now))
    record = desk.place.registry.get("lab", "proj")
    assert record
    desk.place.registry.replace(record, now=now, phase=phase)


def test_up_answers_both_keys_and_nothing_that_looks_like_an_error(gateway: Gateway, desk: Desk) -> None:
    # WHEN the workflow service asks, in its own way
    up = gateway("POST", CLUSTER, query=f"{PROJECT}&dev=True")
    # THEN both private keys can be fetched at once, and no `message` is there
    assert up.status == 200
    cluster = up.body["cluster"]
    assert cluster["clusterStatus"] == "CREATE_REQUEST_RECEIVED"
    assert cluster["ssh_user"] == "sim"
    assert cluster["private_ssh_key_arn"] == cluster["user_private_ssh_key_arn"]
    for name in ("user_private_ssh_key_arn", "admin_private_ssh_key_arn"):
        secret = desk.place.cloud.secretsmanager.get_secret_value(SecretId=cluster[name])
        assert "PRIVATE KEY" in secret["SecretString"]
    assert "message" not in str(up.body)
    # AND the operation waits for a worker, under the queue's only message
    operation = desk.store.active("lab/proj")
    message = desk.queue.receive()
    assert operation and message and read_task(message.body).operation_id == operation.id
    assert operation.requested_by.endswith("assumed-role/workflow-service/session")


# What the previous generation put on all of a cluster's things, for bills.
BILLED = {
    "obp:costcenter:vlabid": "{vlab_id}",
    "obp:costcenter:project": "{project_id}",
    "SBO_Billing": "hpc:parallelcluster",
}


def of_settings(desk: Desk, **settings: Any) -> Gateway:
    changed = desk.place.settings.model_copy(update=settings)
    return Gateway(Service(replace(desk, place=replace(desk.place, settings=changed))))


def test_the_installations_tags_are_on_the_keys_that_are_made_for_an_old_client(desk: Desk) -> None:
    gateway = of_settings(desk, project_tags=BILLED, required_tags=tuple(BILLED))
    assert gateway("POST", CLUSTER, query=PROJECT).status == 200
    wanted = {
        "obp:costcenter:vlabid": "lab",
        "obp:costcenter:project": "proj",
        "SBO_Billing": "hpc:parallelcluster",
    }
    made = [*desk.place.cloud.ec2.describe_key_pairs()["KeyPairs"]]
    secrets = [*desk.place.cloud.secretsmanager.list_secrets()["SecretList"]]
    assert (len(made), len(secrets)) == (2, 2)
    for thing in [*made, *secrets]:
        assert wanted.items() <= {tag["Key"]: tag["Value"] for tag in thing["Tags"]}.items()


def test_what_would_lack_a_tag_that_is_demanded_is_refused_at_once(desk: Desk) -> None:
    gateway = of_settings(desk, required_tags=("cost-center", "provisioner:vlab"))
    refused = gateway("POST", CLUSTER, query=PROJECT)
    assert refused.status == 400 and refused.body["message"] == "RULE_BROKEN"
    assert "cost-center" in refused.body["detail"] and "provisioner:vlab" not in refused.body["detail"]
    assert "project_tags" in refused.body["hint"]
    # THEN nothing was begun
    assert desk.store.active("lab/proj") is None and desk.queue.receive() is None
    assert not desk.place.cloud.ec2.describe_key_pairs()["KeyPairs"]


def test_a_cluster_that_is_being_made_is_answered_whatever_is_demanded_since(desk: Desk) -> None:
    assert of_settings(desk)("POST", CLUSTER, query=PROJECT).status == 200
    assert of_settings(desk, required_tags=("cost-center",))("POST", CLUSTER, query=PROJECT).status == 200


def test_the_status_can_be_asked_for_right_after_up(gateway: Gateway) -> None:
    gateway("POST", CLUSTER, query=PROJECT)
    found = gateway.send(recorded("old_get_one"))
    assert (found.status, found.body["clusterStatus"]) == (200, "CREATE_IN_PROGRESS")
    assert (found.body["vlab_id"], found.body["project_id"], found.body["clusterFsxId"]) == (
        "lab",
        "proj",
        None,
    )
    assert "headNode" not in found.body
    (listed,) = gateway("GET", CLUSTER).body["clusters"]
    assert (listed["clusterName"], listed["clusterStatus"]) == (
        found.body["clusterName"],
        "CREATE_IN_PROGRESS",
    )


def test_a_cluster_with_lustre_is_told_with_all_that_clients_read(
    gateway: Gateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a cluster that stands, with a head node and Lustre
    gateway("POST", CLUSTER, query=PROJECT)
    end(desk, Phase.READY)
    born = datetime(2026, 11, 30, 8, tzinfo=UTC)
    node = HeadNode("i-1", "t3.medium", "10.1.2.3", "running", born)
    real = old_routes.project_status

    def as_it_stands(*asked: Any) -> ProjectStatus:
        status = real(*asked)
        cluster = replace(
            status.cluster,
            status="CREATE_COMPLETE",
            cluster_stack_status="UPDATE_COMPLETE",
            head_node=node,
            created_at=born,
            updated_at=born + timedelta(hours=1),
            version="3.15.0",
            stack_arn="arn:stack",
            tags={"b": "2", "a": "1"},
        )
        return replace(status, cluster=cluster, lustre="fs-0123 AVAILABLE")

    monkeypatch.setattr(old_routes, "project_status", as_it_stands)
    monkeypatch.setattr(old_routes.clusters, "fleet_status", lambda *_: "RUNNING")
    # WHEN it is looked at
    found = gateway.send(recorded("old_get_one")).body
    # THEN each value is what it says (the dashboard asks CloudWatch by clusterFsxId and headNode.instanceId)
    assert {key: found[key] for key in found if key != "clusterName"} == {
        "creationTime": "2026-11-30T08:00:00.000Z",
        "lastUpdatedTime": "2026-11-30T09:00:00.000Z",
        "clusterStatus": "CREATE_COMPLETE",
        "cloudFormationStackStatus": "UPDATE_COMPLETE",
        "cloudformationStackArn": "arn:stack",
        "computeFleetStatus": "RUNNING",
        "region": desk.place.settings.region,
        "version": "3.15.0",
        "scheduler": {"type": "slurm"},
        "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}],
        "clusterConfiguration": {"url": None},
        "vlab_id": "lab",
        "project_id": "proj",
        "clusterFsxId": "fs-0123",
        "headNode": {
            "instanceId": "i-1",
            "instanceType": "t3.medium",
            "state": "running",
            "launchTime": "2026-11-30T08:00:00.000Z",
            "privateIpAddress": "10.1.2.3",
        },
    }


def test_fifty_at_once_make_one_operation_and_one_pair_of_keys(
    gateway: Gateway, desk: Desk, cloud: LocalCloud
) -> None:
    before = cloud.calls()
    # WHEN 50 callers ask for one project at the same time
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: gateway("POST", CLUSTER, query=PROJECT), range(50)))
    # THEN all of them get the same answer
    assert {answer.status for answer in answers} == {200}
    assert len({str(answer.body) for answer in answers}) == 1
    # AND there is one operation, one message, one admin key and one user key
    assert len(desk.store.list("lab/proj").operations) == 1
    assert desk.queue.receive() and not desk.queue.receive()
    made = Counter(cloud.calls())
    made.subtract(before)
    assert (made["ec2:CreateKeyPair"], made["secretsmanager:CreateSecret"]) == (2, 2)
    assert made["ec2:DeleteKeyPair"] == 0


def test_what_stands_is_left_as_it_is(gateway: Gateway, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a cluster that stands
    first = gateway("POST", CLUSTER, query=f"{PROJECT}&tier=prod-mpi")
    # WHEN another client asks with other parameters, while it is made and afterwards
    again = gateway("POST", CLUSTER, query=PROJECT)
    end(desk, Phase.READY)
    monkeypatch.setattr(
        old_routes.clusters, "describe_cluster", lambda *_, **__: type("Ready", (), {"ready": True})
    )
    afterwards = gateway("POST", CLUSTER, query=PROJECT)
    # THEN it gets the cluster that is there, and nothing is changed
    assert first.body == again.body == afterwards.body
    assert len(desk.store.list("lab/proj").operations) == 1
    # AND so it is where a change of the cluster has failed
    gateway("PUT", "/v1/projects/lab/proj", body={"tier": "debug"})
    end(desk, Phase.FAILED, failure=Failure("NO_CAPACITY", "none left"))
    assert gateway("POST", CLUSTER, query=PROJECT).body == first.body
    assert len(desk.store.list("lab/proj").operations) == 2
    # BUT a cluster that was to be given back is asked for anew
    gateway("DELETE", "/v1/projects/lab/proj")
    end(desk, Phase.FAILED, failure=Failure("DATA_AT_RISK", "the export failed"))
    assert gateway("POST", CLUSTER, query=PROJECT).body == first.body
    assert len(desk.store.list("lab/proj").operations) == 4


def test_a_deletion_that_a_person_left_is_not_carried_out_for_whoever_wants_a_cluster(
    gateway: Gateway, desk: Desk
) -> None:
    # GIVEN a person's deletion, which died at its question an hour ago
    gateway("POST", CLUSTER, query=PROJECT)
    end(desk, Phase.READY)
    while message := desk.queue.receive():
        desk.queue.finish(message)
    then = datetime.now(UTC) - timedelta(hours=1)
    wish = Wish(Kind.DESTROY, purge_data=True, purge_now=True)
    left = desk.store.submit(
        requested(vlab_id="lab", project_id="proj", wish=wish, requested_by="me@here", now=then)
    ).operation
    desk.store.claim("lab/proj", left.id, Owner("process", "me@here", {}), now=then, ttl=TTL)
    # WHEN a client asks for its cluster THEN it is told, and no worker hears of the deletion
    refused = gateway("POST", CLUSTER, query=PROJECT)
    assert (refused.status, refused.code) == (409, "OPERATION_IN_PROGRESS")
    assert desk.queue.receive() is None


def test_down_removes_what_was_only_asked_for(gateway: Gateway, desk: Desk) -> None:
    gateway("POST", CLUSTER, query=PROJECT)
    busy = gateway("DELETE", CLUSTER, query=PROJECT)
    assert (busy.status, busy.code) == (409, "OPERATION_IN_PROGRESS")
    end(desk, Phase.READY, failure=Failure("UNREACHABLE", "nobody answered"))
    down = gateway("DELETE", CLUSTER, query=PROJECT)
    assert (down.status, down.body["cluster"]["clusterStatus"]) == (200, "DELETE_IN_PROGRESS")
    operation = desk.store.active("lab/proj")
    assert operation and operation.wish.kind is Kind.RELEASE and not operation.wish.purge_data
    assert gateway("GET", CLUSTER, query=PROJECT).body["clusterStatus"] == "DELETE_IN_PROGRESS"
    end(desk, Phase.PARKED)
    gone = gateway("GET", CLUSTER, query=PROJECT)
    assert (gone.status, gone.code) == (404, "UNKNOWN_PROJECT")
    assert gateway("GET", CLUSTER).body == {"clusters": []}
    assert gateway("DELETE", CLUSTER, query=PROJECT).status == 404


def test_a_failure_is_told_with_its_reason(gateway: Gateway, desk: Desk) -> None:
    gateway("POST", CLUSTER, query=PROJECT)
    reason = "OnNodeStartExecutionFailure: node.sh ended with 3"
    end(desk, Phase.FAILED, failure=Failure("CLUSTER_FAILED", reason))
    found = gateway("GET", CLUSTER, query=PROJECT)
    assert found.body["clusterStatus"] == "CREATE_FAILED"
    assert {"failureCode": "CLUSTER_FAILED", "failureReason": reason} in found.body["failures"]
    assert "message" not in found.body


def test_booleans_are_text_in_any_case(gateway: Gateway, desk: Desk) -> None:
    for number, flag in enumerate(("true", "True", "TRUE", "false", "False", "FALSE")):
        flags = f"include_lustre={flag}&benchmark={flag}&dev={flag}"
        gateway("POST", CLUSTER, query=f"{flags}&project_id=p{number}&vlab_id=lab")
        operation = desk.store.active(f"lab/p{number}")
        assert operation
        kind = operation.wish.to_dict()["spec"]["storage"]["kind"]
        assert kind == ("lustre" if flag.lower() == "true" else "efs"), flag


BAD_REQUESTS = [
    ("POST", "vlab_id=lab", "INVALID_REQUEST"),
    ("POST", "", "INVALID_REQUEST"),
    ("DELETE", "project_id=proj", "INVALID_REQUEST"),
    ("GET", "project_id=proj", "INVALID_REQUEST"),
    ("POST", f"{PROJECT}&colour=red", "INVALID_REQUEST"),
    ("POST", f"{PROJECT}&include_lustre=yes", "INVALID_REQUEST"),
    ("POST", f"{PROJECT}&vlab_id=lab", "INVALID_REQUEST"),
    ("POST", f"{PROJECT}&tier=gigantic", "INVALID_SPEC"),
    ("POST", "project_id=../../etc&vlab_id=lab", "INVALID_SPEC"),
    ("POST", "project_id=&vlab_id=lab", "INVALID_SPEC"),
    ("POST", f"vlab_id=lab&project_id={'x' * 10_000}", "INVALID_SPEC"),
    ("POST", "vlab_id=lab&project_id=1%27%20OR%201=1", "INVALID_SPEC"),
    ("GET", "vlab_id=lab&project_id=%F0%9F%90%8D", "INVALID_SPEC"),
    ("PUT", PROJECT, "METHOD_NOT_ALLOWED"),
]


def test_a_bad_request_is_one_word(gateway: Gateway, desk: Desk) -> None:
    for method, query, code in BAD_REQUESTS:
        refused = gateway(method, CLUSTER, query=query)
        assert (refused.status, refused.body["message"]) == (400, code), (method, query[:80])
        assert " " not in refused.body["message"] and refused.body["detail"]
    assert not list(desk.place.registry.list())


def test_an_unknown_old_address_is_400_as_its_clients_know(gateway: Gateway) -> None:
    assert gateway("GET", "/hpc-provisioner/nothing").status == 400


def test_no_status_is_one_that_old_clients_do_not_know(desk: Desk, gateway: Gateway) -> None:
    gateway("POST", CLUSTER, query=PROJECT)
    record = desk.place.registry.get("lab", "proj")
    waiting = desk.store.latest("lab/proj")
    assert record and waiting
    now = datetime.now(UTC)
    latest: list[Any] = [None, waiting, succeeded(waiting, now), failed(waiting, Failure("X", "y"), now)]
    words = [
        None,
        *(
            f"{verb}_{end}"
            for verb in ("CREATE", "UPDATE", "DELETE")
            for end in ("IN_PROGRESS", "COMPLETE", "FAILED")
        ),
    ]
    times = (None, now - timedelta(days=1), now + timedelta(seconds=1))
    seen = {old_status(record, word, at, one) for word in words for at in times for one in latest}
    assert seen - {None} <= KNOWN
    # An operator's adoption of what stands is no removal of it.
    adopting = replace(waiting, wish=Wish(Kind.ADOPT))
    for one in (adopting, failed(adopting, Failure("X", "y"), now), succeeded(adopting, now)):
        assert old_status(record, "CREATE_COMPLETE", times[1], one) == "CREATE_COMPLETE"
    # What an operation makes is complete when the operation is; what stood before it stays so meanwhile.
    assert old_status(record, "CREATE_COMPLETE", times[2], waiting) == "CREATE_IN_PROGRESS"
    assert old_status(record, "CREATE_COMPLETE", times[1], waiting) == "CREATE_COMPLETE"
    assert old_status(record, "UPDATE_IN_PROGRESS", times[1], waiting) == "UPDATE_IN_PROGRESS"


def test_a_deletion_that_was_called_off_is_no_failure_of_what_it_left_whole(
    desk: Desk, gateway: Gateway
) -> None:
    """POST asks for nothing where a cluster stands, so whoever polls would wait for good."""
    gateway("POST", CLUSTER, query=PROJECT)
    end(desk, Phase.READY)
    confirmed = "purge_data=true&purge_now=true&confirm=lab%2Fproj"
    assert gateway("DELETE", "/v1/projects/lab/proj", query=confirmed).status == 202
    end(desk, Phase.READY, failure=Failure(PurgeCancelled.code, "kept after all"))
    record, purge = desk.place.registry.get("lab", "proj"), desk.store.latest("lab/proj")
    assert record and purge
    begun = datetime.now(UTC) - timedelta(days=1)
    assert old_status(record, "CREATE_COMPLETE", begun, purge) == "CREATE_COMPLETE"
    assert old_status(record, "UPDATE_IN_PROGRESS", begun, purge) == "UPDATE_IN_PROGRESS"
    assert old_status(replace(record, phase=Phase.PARKED), None, None, purge) is None
    # BUT one that was left half parked is to be removed, or made again
    assert old_status(replace(record, phase=Phase.FAILED), None, None, purge) == "DELETE_FAILED"
