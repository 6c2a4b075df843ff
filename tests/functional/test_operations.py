"""Operations on real Terraform: in slices of time, one worker at a time, taken up where they were left."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OperationInProgress
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.operation import Kind, Operation, Owner, State, Wish, requested
from engine.model.settings import load_settings
from engine.model.spec import dump_spec, load_spec
from engine.operations.duty import Duty
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.work import work
from engine.terraform.processes import this_process
from tests.functional.conftest import QUICK, LeapingClock, answer_to

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

PROJECT = "lab-1/proj-1"
SPEC = load_spec(
    json.dumps({"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "efs"}}), source="test"
)
LOCKS = "provisioner-terraform-locks"
STATE = "provisioner-state-123456789012-us-east-1"
SLOW_CLUSTER = {"clock": LeapingClock(), "durations": dataclasses.replace(QUICK, cluster_create_s=600.0)}
ONCE = ("efs:CreateFileSystem", "cloudformation:CreateStack", "ec2:CreateSubnet", "ec2:CreateKeyPair")


@pytest.fixture
def engine(cloud: LocalCloud, backend: Any, terraform: str, tmp_path: Path) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "terraform": terraform, "home": str(tmp_path / "home")}
    settings = load_settings(environ={}, flags={**flags, "lock_wait_s": "0"}).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())


def submitted(engine: Engine, wish: Wish) -> Operation:
    now = engine.now()
    wished = requested(vlab_id="lab-1", project_id="proj-1", wish=wish, requested_by="test", now=now)
    return engine.operations.submit(wished).operation


def sliced(cloud: LocalCloud, engine: Engine, operation: Operation) -> Operation:
    """Run after run, as a worker's queue would start them, until the operation is finished; each is stopped
    soon after it has come to wait for the cluster, which is there when one has done nothing but wait: all
    that however fast this machine is."""
    for _ in range(30):
        operation = work(
            engine,
            PROJECT,
            operation.id,
            owner=this_process(),
            started=lambda duty: threading.Thread(target=stop_soon, args=(cloud, duty), daemon=True).start(),
        )
        if operation.state.finished:
            return operation
        assert operation.state is State.CONTINUES
        # Nothing is held between two runs.
        assert not engine.operations.standing(PROJECT).held(engine.now())
        assert engine.state_lock(names()).holder() is None
        if operation.phase == "WAITING":
            cloud.advance(600)
    raise AssertionError(f"not done after 30 slices: {operation}")


def stop_soon(cloud: LocalCloud, duty: Duty) -> None:
    with answer_to(cloud, "CreateStack") as made:
        while duty.operation.state is State.RUNNING:
            if made.wait(0.2) or duty.operation.phase == "WAITING":
                time.sleep(3)
                duty.stop()
                return


@pytest.mark.parametrize("cloud", [SLOW_CLUSTER], indirect=True)
def test_a_creation_longer_than_a_slice(cloud: LocalCloud, engine: Engine) -> None:
    # GIVEN a project whose state a person has locked
    wish = Wish(Kind.PROVISION, dump_spec(SPEC))
    operation = submitted(engine, wish)
    item = {"LockID": {"S": f"{STATE}/{names().state_key}"}, "Info": {"S": '{"ID": "1", "Who": "alice"}'}}
    cloud.client("dynamodb").put_item(TableName=LOCKS, Item=item)
    # WHEN a worker takes it up THEN it steps back, and the next one may try again
    waits = work(engine, PROJECT, operation.id, owner=this_process())
    assert (waits.state, waits.retries) == (State.CONTINUES, 1)
    assert "alice" in engine.operations.events(operation.id)[-1].text
    cloud.client("dynamodb").delete_item(TableName=LOCKS, Key={"LockID": item["LockID"]})

    # WHEN each run is stopped while the cluster is being made
    done = sliced(cloud, engine, operation)

    # THEN it comes to its end in several, and everything was made once
    assert done.state is State.SUCCEEDED, done
    assert done.slices >= 3
    calls = cloud.calls()
    assert {name: calls[name] for name in ONCE} == dict.fromkeys(ONCE, 1) | {"ec2:CreateKeyPair": 2}
    assert not any("Delete" in name for name in calls if name.startswith(("efs", "cloudformation", "ec2")))
    record = engine.registry.get("lab-1", "proj-1")
    assert record is not None and str(record.phase) == "READY"
    texts = [event.text for event in engine.operations.events(operation.id)]
    assert any("still in progress" in text for text in texts) and texts[-1] == "Done"
    assert engine.operations.active(PROJECT) is None

    # AND the same wish again is done in one run and changes nothing
    again = work(engine, PROJECT, submitted(engine, wish).id, owner=this_process())
    assert (again.state, again.slices) == (State.SUCCEEDED, 1)
    assert {name: cloud.calls()[name] for name in ONCE} == {name: calls[name] for name in ONCE}


def test_who_works_on_it_is_named_and_a_dead_one_is_succeeded(
    cloud: LocalCloud, engine: Engine, provisioner, spec
) -> None:
    # GIVEN a worker at work on another machine
    operation = submitted(engine, Wish(Kind.RELEASE))
    elsewhere = Owner("process", "bert@elsewhere", {"boot": "b", "pids": "p", "pid": "1", "started": "1"})
    engine.operations.claim(PROJECT, operation.id, elsewhere, now=engine.now(), ttl=engine.lease_ttl)
    with pytest.raises(OperationInProgress, match="bert@elsewhere"):
        work(engine, PROJECT, operation.id, owner=this_process())
    # WHEN somebody asks for something else here THEN nothing is changed
    provisioner("apply", spec("efs"), "--yes").refused(4, "OPERATION_IN_PROGRESS", operation.id)
    assert "cloudformation:CreateStack" not in cloud.calls()
    listed = provisioner("operations", PROJECT, "--json").ok().json["operations"]
    assert [(one["id"], one["state"]) for one in listed] == [(operation.id, "RUNNING")]
    assert operation.id in provisioner("operations", PROJECT).ok().out

    # WHEN that worker's Lambda request is over THEN what is asked here takes its place
    over = Owner("lambda", "worker", {"request_id": "r", "ends_at": "2026-01-01T00:00:00+00:00"})
    engine.operations.claim(
        PROJECT, operation.id, over, now=engine.now(), ttl=engine.lease_ttl, dead=lambda _: True
    )
    provisioner("apply", spec("efs"), "--yes").ok()
    new, old = engine.operations.list(PROJECT).operations
    assert (new.wish.kind, new.state) == (Kind.PROVISION, State.SUCCEEDED)
    assert old.failure is not None and old.failure.code == "SUPERSEDED"
    told = provisioner("operations", PROJECT, new.id).ok()
    assert "Applying" in told.out and "SUCCEEDED" in told.out

    # AND a lock is shown, and taken by a person alone
    assert "Nobody" in provisioner("unlock", PROJECT).ok().out
    item = {"LockID": {"S": f"{STATE}/{names().state_key}"}, "Info": {"S": '{"ID": "1-2", "Who": "alice"}'}}
    cloud.client("dynamodb").put_item(TableName=LOCKS, Item=item)
    assert "alice" in provisioner("unlock", PROJECT).ok().out
    provisioner("unlock", PROJECT, "--id", "other", "--confirm", PROJECT).refused(3, "BAD_REQUEST", "1-2")
    provisioner("unlock", PROJECT, "--id", "1-2").refused(3, "NOT_CONFIRMED")
    assert "free" in provisioner("unlock", PROJECT, "--id", "1-2", "--confirm", PROJECT).ok().out


def names() -> Any:
    return names_for("lab-1", "proj-1", account_id="123456789012")
