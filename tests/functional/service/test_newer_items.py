"""After going back a version: one item that a newer engine has written holds up no other project."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.aws.operation_items import operation_key
from engine.aws.registry import Phase
from engine.aws.session import Cloud
from engine.errors import ItemUnreadable
from engine.model.operation import Failure, Kind, Operation, Wish, failed, requested
from engine.model.rules import Policy
from engine.model.spec import ProjectSpec
from engine.operations import plan_all, policy, records
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.requests import Desk
from engine.operations.status import list_projects
from engine.review.drift import DriftReport, ProjectDrift, Standing
from engine.service.worker import Worker
from tests.functional.service.gateway import Gateway
from tests.functional.service.test_worker import Lambda

CALLER = "arn:aws:sts::123456789012:assumed-role/workflow-service/x"
EFS = {"storage": {"kind": "efs"}}


@pytest.fixture
def engine(desk: Desk, tmp_path: Path) -> Engine:
    return open_engine(desk.place.settings, base=tmp_path, environ={}, reporter=Silent())


@pytest.fixture
def table(desk: Desk) -> str:
    return desk.place.settings.registry_table


def registered(engine: Engine, project_id: str) -> None:
    """A project that stands, and whose data is due."""
    made = records.note_planned(engine, ProjectSpec(vlab_id="lab", project_id=project_id))
    due = engine.now() - timedelta(days=1)
    engine.registry.replace(made, now=engine.now(), phase=Phase.READY, purge_at=due)


def lost(engine: Engine, project_id: str) -> Operation:
    """An operation that the service took in, and nobody works on."""
    at = engine.now() - timedelta(minutes=45)
    wish = Wish(Kind.RELEASE)
    wished = requested(vlab_id="lab", project_id=project_id, wish=wish, requested_by=CALLER, now=at)
    return engine.operations.submit(wished).operation


def rewrite(aws: Cloud, table: str, key: Any, attribute: str, text: str) -> None:
    """What a newer engine would have written there."""
    aws.dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #it = :text",
        ExpressionAttributeNames={"#it": attribute},
        ExpressionAttributeValues={":text": {"S": text}},
    )


@pytest.fixture
def newer_record(engine: Engine, aws: Cloud, table: str) -> None:
    """Two projects, of which the first is in a phase that this version does not know."""
    registered(engine, "new")
    registered(engine, "old")
    rewrite(aws, table, {"pk": {"S": "PROJECT"}, "sk": {"S": "lab/new"}}, "phase", "MOVING")


@pytest.mark.usefixtures("newer_record")
def test_lists_show_the_others_and_name_it(engine: Engine, gateway: Gateway, log: io.StringIO) -> None:
    passed_over: list[ItemUnreadable] = []
    listed = list(list_projects(engine, passed_over=passed_over.append))
    assert [one.record.project for one in listed] == ["lab/old"]
    assert [one.project for one in passed_over] == ["lab/new"] and "MOVING" in passed_over[0].message

    assert [one["project_id"] for one in gateway("GET", "/v1/projects").body["projects"]] == ["old"]
    assert len(gateway("GET", "/hpc-provisioner/pcluster").body["clusters"]) == 1
    told = [json.loads(line) for line in log.getvalue().splitlines() if "left out" in line]
    assert [(line["project"], line["code"]) for line in told] == [("lab/new", "ITEM_UNREADABLE")] * 2


@pytest.mark.usefixtures("newer_record")
def test_what_goes_through_all_projects_goes_on(engine: Engine) -> None:
    # Purges:
    (sent,) = Worker(engine).by_the_clock("sweep", Lambda())["sent"]
    due = engine.operations.active("lab/old")
    assert due and due.id == sent
    # AND drift:
    looked: list[object] = []

    def look(engine: Engine, projects: Any) -> DriftReport:
        looked.extend(projects)
        found = ProjectDrift("lab/old", Standing.CLEAN)
        return DriftReport(engine.now(), "123456789012", "us-east-1", (found,))

    seen = Worker(engine, look=look).by_the_clock("drift", Lambda())
    assert seen == {"looked_at": 2, "drifted": []} and looked == [("lab", "old")]
    # AND plans, of which that project's is refused:
    wanted = {one.name: one for one in plan_all.of_registry(engine)}
    assert wanted["lab/old"].spec and isinstance(wanted["lab/new"].refusal, ItemUnreadable)


@pytest.mark.usefixtures("newer_record")
def test_under_the_limits_of_its_lab_it_counts_as_unknown(engine: Engine) -> None:
    mine = ProjectSpec(vlab_id="lab", project_id="mine")
    settings = engine.settings.model_copy(update={"lab_max_clusters": 5})
    assert policy.policy_of(settings) == Policy(max_clusters=5)
    limited = open_engine(settings, base=engine.home, environ={}, reporter=Silent())
    names = limited.names_of(mine)
    others = policy.review_context(limited, mine, names).others
    assert (others.clusters, others.vcpus_known, others.cost_known) == (2, False, False)
    # Its own record is not what stands against it.
    itself = ProjectSpec(vlab_id="lab", project_id="new")
    assert policy.review_context(limited, itself, limited.names_of(itself)).others.clusters == 1


def test_an_operation_of_an_unknown_kind_holds_up_no_sweep(
    engine: Engine, aws: Cloud, table: str, log: io.StringIO
) -> None:
    newer, known = lost(engine, "new"), lost(engine, "old")
    rewrite(aws, table, operation_key("lab/new", newer.id), "kind", "move")
    # Its purge is due as well, and cannot be asked for while that operation is under way.
    registered(engine, "new")
    assert Worker(engine).by_the_clock("sweep", Lambda()) == {"sent": [known.id]}
    told = [json.loads(line) for line in log.getvalue().splitlines() if "left out" in line]
    assert [line["project"] for line in told] == ["lab/new", "lab/new"]


def test_the_operations_before_it_can_be_read(
    engine: Engine, aws: Cloud, table: str, gateway: Gateway, desk: Desk
) -> None:
    # GIVEN a failure with a field of the future, and behind it an operation of an unknown kind
    first = gateway("PUT", "/v1/projects/lab/proj", body=EFS).body["operation"]["id"]
    now = engine.now()
    lease, operation = desk.store.claim("lab/proj", first, engine.owner, now=now, ttl=timedelta(minutes=1))
    why = Failure("NO_CAPACITY", "none left")
    desk.store.finish(lease, failed(operation, why, now))
    more = json.dumps({**why.to_dict(), "see_also": "https://example.org"})
    rewrite(aws, table, operation_key("lab/proj", first), "failure", more)
    second = gateway("PUT", "/v1/projects/lab/proj", body=EFS).body["operation"]["id"]
    rewrite(aws, table, operation_key("lab/proj", second), "kind", "move")

    # THEN the list has the first, and says what it leaves out
    page = desk.store.list("lab/proj")
    assert [(one.id, one.failure) for one in page.operations] == [(first, why)]
    assert [second in error.message for error in page.unreadable] == [True]
    listed = gateway("GET", "/v1/projects/lab/proj/operations").body["operations"]
    assert [one["id"] for one in listed] == [first]
    # AND the first is not taken for the last one
    assert desk.store.latest("lab/proj") is None
    assert gateway("GET", "/v1/projects/lab/proj").body["project"]["operation"] is None
