"""Refusals by real Terraform, and applies that fail: what is said, what is left, and the way on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.local.server import LocalCloud
from engine.local.weather import Forecast, Trouble
from engine.model.names import names_for
from engine.model.settings import load_settings
from engine.operations import provision
from engine.operations.engine import open_engine
from engine.operations.reporting import Silent

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

ACCOUNT = "123456789012"
PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id=ACCOUNT)
STATE_BUCKET = f"provisioner-state-{ACCOUNT}-us-east-1"
LOCKS, REGISTRY = "provisioner-terraform-locks", "provisioner-registry"

# What a plan writes: the project's record, its address block with the counter, and Terraform's own lock.
PLANNING = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:TransactWriteItems", "dynamodb:DeleteItem"}
# And looking again why a cluster failed, which changes nothing.
PLANNING |= {"logs:FilterLogEvents"}

# As Terraform 1.11 writes it (its S3 backend: lock item "<bucket>/<key>").
LOCK_ID = f"{STATE_BUCKET}/{NAMES.state_key}"
LOCK = {
    "ID": "5c9d2d5f-f0e9-4a02-0c8e-0b0e8f1a2b3c",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "alice@head",
    "Version": "1.11.4",
    "Created": "2026-11-23T03:00:00.123456789Z",
    "Path": LOCK_ID,
}


def items(cloud: LocalCloud, table: str) -> list[Any]:
    """What stands in a table, but the history of operations: that is written whatever comes of them."""
    found = cloud.client("dynamodb").scan(TableName=table)["Items"]
    history = ("OPERATION#", "EVENT#", "LEASE")
    return sorted((one for one in found if not one.get("pk", {"S": ""})["S"].startswith(history)), key=str)


@contextmanager
def only_planned(cloud: LocalCloud) -> Iterator[None]:
    """Nothing is made, changed or removed, and no other calls succeed than those a plan needs."""

    def seen() -> tuple[Any, ...]:
        calls = {name: count for name, count in cloud.calls().items() if name not in PLANNING}
        return cloud.inventory(), calls, items(cloud, LOCKS)

    before = seen()
    yield
    for then, now in zip(before, seen(), strict=True):
        assert now == then


def test_a_state_lock_held_by_somebody_else(cloud, provisioner, backend, spec) -> None:
    # GIVEN a project that somebody else works on, by Terraform's own account
    dynamodb = cloud.client("dynamodb")
    item = {"LockID": {"S": LOCK_ID}, "Info": {"S": json.dumps(LOCK)}}
    dynamodb.put_item(TableName=LOCKS, Item=item)

    # WHEN it is planned or applied THEN the holder is named
    for command in (["plan", spec("efs")], ["apply", spec("efs"), "--yes"]):
        with only_planned(cloud):
            provisioner(*command).refused(
                4, "STATE_LOCKED", PROJECT, "alice@head", "OperationTypeApply", "force-unlock"
            )
    assert provisioner("status", PROJECT, "--json").ok().json["phase"] == "PLANNED"

    # WHEN it is given up THEN nothing of it goes, its address block and record neither
    registry = items(cloud, REGISTRY)
    for purge in ([], ["--purge-data"], ["--purge-data", "--now"]):
        with only_planned(cloud):
            provisioner("destroy", PROJECT, "--confirm", PROJECT, *purge).refused(
                4, "STATE_LOCKED", "alice@head"
            )
        assert items(cloud, REGISTRY) == registry

    # AND the lock is still theirs
    assert items(cloud, LOCKS) == [item]

    # WHEN they are done THEN it can be given up
    dynamodb.delete_item(TableName=LOCKS, Key={"LockID": {"S": LOCK_ID}})
    provisioner("destroy", PROJECT, "--confirm", PROJECT).ok()
    assert provisioner("list", "--json").json == {"projects": []}


@pytest.mark.long
def test_an_apply_that_nobody_confirms(cloud, provisioner, backend, spec) -> None:
    # WHEN nobody is at the terminal
    with only_planned(cloud):
        refused = provisioner("apply", spec("efs")).refused(
            3, "NOT_CONFIRMED", "Nothing was changed", "--yes"
        )
    # THEN the plan was shown all the same
    assert "aws_cloudformation_stack" in refused.out
    assert provisioner("status", PROJECT, "--json").json["phase"] == "PLANNED"

    # AND what was only planned cannot be released
    with only_planned(cloud):
        provisioner("release", PROJECT, "--yes").refused(3, "NOTHING_TO_RELEASE", "provisioner destroy")


def test_a_spec_is_deleted_whose_project_was_never_made(
    cloud, provisioner, backend, spec, tmp_path: Path
) -> None:
    # GIVEN no such project
    release = ("release", PROJECT, "--if-there")
    provisioner("release", PROJECT, "--yes").refused(3, "UNKNOWN_PROJECT")

    # WHEN a pipeline releases it all the same THEN there is nothing to do, and its report says so
    reports = tmp_path / "reports"
    with only_planned(cloud):
        for more in (["--dry-run", "--reports", str(reports)], ["--yes"]):
            said = provisioner(*release, *more).ok().out
            assert said == f"There is no project {PROJECT}. There is nothing to release.\n"
    assert (reports / "plan.md").read_text() == said

    nothing = {"nothing_to_do": True, "summary": said.removesuffix("\n")}
    assert provisioner(*release, "--dry-run", "--json").ok().json == nothing

    # GIVEN one that was only planned
    provisioner("plan", spec("efs")).ok()
    with only_planned(cloud):
        said = provisioner(*release, "--dry-run", "--reports", str(reports)).ok().out
        assert said == f"{PROJECT} was only planned; there is nothing to release.\n"
        assert (reports / "plan.md").read_text() == said
        provisioner(*release).refused(3, "NOT_CONFIRMED", "--yes")
    assert "proj-1" in str(items(cloud, REGISTRY))

    # WHEN it is released THEN its record and its address block go
    assert "It is forgotten." in provisioner(*release, "--yes").ok().out
    assert provisioner("list", "--json").json == {"projects": []}
    assert "proj-1" not in str(items(cloud, REGISTRY))


@pytest.mark.long
def test_what_a_person_applied_by_hand_is_not_forgotten(
    cloud, provisioner, backend, spec, tmp_path: Path
) -> None:
    # GIVEN a project that the registry has as planned, and part of it made by terraform alone
    before = cloud.inventory()
    provisioner("plan", spec("efs")).ok()
    settings = load_settings(environ={"PROVISIONER_ENDPOINT_URL": cloud.endpoint}).settings
    engine = open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())
    runner = engine.runner(NAMES, tmp_path / "projects" / NAMES.directory)
    runner.plan(tmp_path / "by-hand.tfplan", targets=("module.bucket.aws_s3_bucket.this",))
    runner.apply(tmp_path / "by-hand.tfplan")
    assert NAMES.bucket in {one["id"] for one in cloud.inventory()}

    # WHEN it is given up THEN that part goes, too
    provisioner("destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT).ok()
    assert cloud.inventory() == before


def test_a_cluster_that_does_not_come_up(cloud, provisioner, backend, spec) -> None:
    # GIVEN a cluster whose head node's script will fail
    cloud.fail("create", cluster=NAMES.cluster, code="OnNodeConfiguredExecutionFailure")

    # WHEN
    failed = provisioner("apply", spec("efs"), "--yes").refused(8, "CLUSTER_FAILED", PROJECT)

    # THEN the reason is said, in full, and where to look
    assert "OnNodeConfiguredExecutionFailure" in failed.err
    assert "  - node.sh: head-configured failed: ordered by the local cloud" in failed.err
    assert f"provisioner status {PROJECT}" in failed.err
    status = provisioner("status", PROJECT, "--json").ok().json
    assert status["phase"] == "FAILED"
    assert status["message"].startswith("CLUSTER_FAILED")
    assert status["cluster"]["failure_reasons"][0].startswith("node.sh: head-configured failed: ")
    assert "OnNodeConfiguredExecutionFailure" in " ".join(status["cluster"]["failure_reasons"])
    shown = provisioner("status", PROJECT).ok().out
    assert "FAILED" in shown
    assert "OnNodeConfiguredExecutionFailure" in shown
    # AND the lock is given back, and the key kept
    assert [item["LockID"]["S"] for item in items(cloud, LOCKS)] == [f"{LOCK_ID}-md5"]
    key = cloud.client("secretsmanager").get_secret_value(SecretId=NAMES.key_secret)["SecretString"]

    # WHEN nobody confirms giving it back THEN nothing changes
    with only_planned(cloud):
        provisioner("release", PROJECT).refused(3, "NOT_CONFIRMED")
        shown = provisioner("release", PROJECT, "--dry-run", "--json").ok().json
    assert shown["project"] == PROJECT and shown["counts"]["destroy"] > 0
    assert provisioner("status", PROJECT, "--json").json["phase"] == "FAILED"

    # WHEN the cause is gone, the same command brings it up
    provisioner("apply", spec("efs"), "--yes").ok()
    status = provisioner("status", PROJECT, "--json").ok().json
    assert (status["phase"], status["message"]) == ("READY", "")
    assert status["cluster"]["status"] == "CREATE_COMPLETE"
    assert status["cluster"]["failure_reasons"] == []
    assert cloud.client("secretsmanager").get_secret_value(SecretId=NAMES.key_secret)["SecretString"] == key
    # AND nothing of the failed one is left beside it
    stacks = [one["name"] for one in cloud.inventory() if one["type"] == "stack" and not one["seeded"]]
    assert sorted(stacks) == sorted([NAMES.cluster, NAMES.stack])
    assert provisioner("plan", spec("efs"), "--detailed-exitcode").code == 0


def test_a_cluster_that_lost_the_stack_around_it(cloud, provisioner, backend, spec) -> None:
    # GIVEN a cluster that runs, and whose outer stack was deleted without it
    provisioner("apply", spec("efs"), "--yes").ok()
    cloudformation = cloud.client("cloudformation")
    outer = cloudformation.describe_stacks(StackName=NAMES.stack)["Stacks"][0]["StackId"]
    with cloud.world.lock:
        cloud.world.backends.cloudformation("us-east-1").stacks.pop(outer)

    # WHEN the project is applied THEN no other stack is made, whose rollback would delete the cluster
    with only_planned(cloud):
        provisioner("apply", spec("efs"), "--yes").refused(
            8, "CLUSTER_FAILED", PROJECT, NAMES.cluster, f"delete-stack --stack-name {NAMES.cluster}"
        )
    status = cloudformation.describe_stacks(StackName=NAMES.cluster)["Stacks"][0]["StackStatus"]
    assert status == "CREATE_COMPLETE"

    # WHEN it is given up as the hint says THEN another one is made
    cloudformation.delete_stack(StackName=NAMES.cluster)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=NAMES.cluster, WaiterConfig={"Delay": 1}
    )
    provisioner("apply", spec("efs"), "--yes").ok()


def test_an_update_that_aws_refuses_is_taken_back(cloud, provisioner, backend, spec, mocker) -> None:
    # GIVEN a project that runs, and a change that AWS refuses and the engine did not foresee
    provisioner("apply", spec("efs"), "--yes").ok()
    mocker.patch("engine.operations.provision.refuse_cluster_update")
    smaller = spec("efs", compute={"max_nodes": 1})
    provisioner("apply", smaller, "--yes").refused(8, "CLUSTER_FAILED", "MaxCount")
    stack = cloud.client("cloudformation").describe_stacks(StackName=NAMES.stack)["Stacks"][0]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert provisioner("status", PROJECT, "--json").ok().json["phase"] == "FAILED"

    # WHEN a run found nothing to change, since it planned while that update was still under way
    plan = provision.plan
    late = mocker.patch.object(
        provision, "plan", lambda *arguments: replace(plan(*arguments), has_changes=False)
    )
    # THEN the project is not what its spec says all the same
    provisioner("apply", smaller, "--yes").refused(8, "CLUSTER_FAILED", "took the update", "MaxCount")
    assert provisioner("status", PROJECT, "--json").ok().json["phase"] == "FAILED"

    mocker.stop(late)
    # WHEN the spec is what it was THEN so is the project, although CloudFormation keeps that status
    provisioner("apply", spec("efs"), "--yes").ok()
    assert provisioner("status", PROJECT, "--json").ok().json["phase"] == "READY"


def test_the_answer_to_an_update_is_lost(cloud, provisioner, backend, spec, mocker) -> None:
    # GIVEN a project that runs, and an update that CloudFormation takes in without anybody hearing of it
    provisioner("apply", spec("efs"), "--yes").ok()
    bigger = spec("efs", compute={"max_nodes": 12})
    cloud.set_durations(cluster_update_s=8)

    def lost(_forecast: Forecast, operation: str, number: int) -> Trouble | None:
        return Trouble.LOST if (operation, number) == ("cloudformation:UpdateStack", 0) else None

    mocker.patch.object(Forecast, "trouble", lost)
    cloud.weather(1)

    # WHEN the provider asks a second time THEN it is told that work is under way, which passes
    provisioner("apply", bigger, "--yes").refused(8, "CLUSTER_BUSY", PROJECT, "Run the command again")

    # WHEN the same command runs again THEN it waits for that update, and makes no other
    provisioner("apply", bigger, "--yes").ok()
    assert cloud.calls()["cloudformation:UpdateStack"] == 1
    assert provisioner("status", PROJECT, "--json").json["phase"] == "READY"
