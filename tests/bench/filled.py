"""An account with so many projects, filled behind the engine's back, and what the engine asks of it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from itertools import islice
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from engine.aws import addresses, registry
from engine.aws.operation_items import encode_operation, lease_key
from engine.aws.queue import Queue
from engine.aws.registry import Phase, ProjectRecord
from engine.aws.session import Cloud
from engine.model import tags
from engine.model.names import names_for
from engine.model.operation import Kind, Operation, Wish, requested
from engine.model.settings import Settings
from engine.model.spec import dump_spec, load_spec, spec_digest
from engine.operations import plan_all, policy
from engine.operations.engine import Engine
from engine.operations.planning import reserve_block
from engine.operations.requests import ask_for_project, open_desk
from engine.operations.status import list_page, list_projects, project_status
from engine.operations.sweep import send_lost
from engine.operations.watch import Seen, watch
from engine.review.drift import DriftReport, ProjectDrift, Standing
from tests.functional.conftest import make_table

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# A day's requests that got lost, of the whole account; and how many projects one virtual lab has.
LOST = 5
_LAB = 10
# How many projects one run of drift by the clock has time for.
LOOKS = 20
# What an answer holds, by its field: each of these was read.
_READ = ("ScannedCount", "Stacks", "Subnets", "Vpcs", "FileSystems", "Reservations")


@dataclass
class Asked:
    """Calls by name, and what was read: items of tables, and things that AWS described.

    seconds   of the engine itself: those in which AWS had the word are left out
    """

    calls: Counter[str] = field(default_factory=Counter)
    items: int = 0
    seconds: float = 0.0
    _called_at: float = 0.0
    _away: float = 0.0

    def hear(self, client: Any) -> None:
        client.meta.events.register("before-call", lambda model, **_: self._asked(model.name))
        client.meta.events.register("after-call", lambda parsed, **_: self._answered(parsed))

    @contextmanager
    def afresh(self) -> Iterator[Asked]:
        """What is asked in the block alone."""
        self.calls, self.items, self._away = Counter(), 0, 0.0
        began = time.monotonic()
        yield self
        self.seconds = time.monotonic() - began - self._away

    def _asked(self, name: str) -> None:
        self.calls[name] += 1
        self._called_at = time.monotonic()

    def _answered(self, answer: Mapping[str, Any]) -> None:
        self._away += time.monotonic() - self._called_at
        self.items += "Item" in answer
        for name in _READ:
            found = answer.get(name, 0)
            self.items += found if isinstance(found, int) else len(found)


def asked_of(cloud: Cloud) -> Asked:
    """Counts what is asked through this way to AWS from now on."""
    asked = Asked()
    for service in ("dynamodb", "cloudformation", "ec2", "efs", "fsx", "secretsmanager", "sqs", "sts", "s3"):
        asked.hear(getattr(cloud, service))
    return asked


def fill(cloud: Cloud, settings: Settings, count: int, *, standing: bool) -> None:
    """Within `mock_aws`: tables, queue, and so many projects, each with record, lease and address block; of
    some a request that got lost.

    standing   a cluster's stack and a subnet for each as well
    """
    make_table(cloud, settings.registry_table, "pk", "sk")
    cloud.sqs.create_queue(
        QueueName=settings.operations_queue,
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "false"},
    )
    # Past boto3, which takes minutes for ten thousand of them.
    table = dynamodb_backends[settings.require_account()][settings.region].get_table(settings.registry_table)
    for number in range(count):
        for item in _items(settings, number, lost=number < LOST):
            table.put_item(item)
    vpc = _shared_vpc(cloud) if standing else ""
    for number in range(count if standing else 0):
        record = _record(settings, number)
        cloud.ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=_block(number),
            TagSpecifications=[
                {
                    "ResourceType": "subnet",
                    "Tags": [
                        {"Key": tags.VLAB, "Value": record.vlab_id},
                        {"Key": tags.PROJECT, "Value": record.project_id},
                    ],
                }
            ],
        )
        name = record.cluster
        cloud.cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps({"Resources": {}}),
            Tags=[{"Key": "parallelcluster:cluster-name", "Value": name}],
        )


def _shared_vpc(cloud: Cloud) -> str:
    shared = [{"Key": tags.SHARED, "Value": tags.SHARED_VPC}]
    made = cloud.ec2.create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": shared}],  # type: ignore[list-item]
    )
    return made["Vpc"]["VpcId"]


def spec_text(number: int) -> str:
    """The spec of one of the projects."""
    ids = {"vlab_id": f"lab-{number // _LAB}", "project_id": f"proj-{number}"}
    return json.dumps({**ids, "tier": "debug", "storage": {"kind": "efs"}})


def _block(number: int) -> str:
    return str(IPv4Network((0x0A000000 + 16 * number, 28)))


def _record(settings: Settings, number: int) -> ProjectRecord:
    spec = load_spec(spec_text(number), source="bench")
    cluster = names_for(spec.vlab_id, spec.project_id, account_id=settings.require_account()).cluster
    return ProjectRecord(
        spec.vlab_id,
        spec.project_id,
        dump_spec(spec),
        spec_digest(spec),
        Phase.READY,
        3,
        NOON,
        NOON,
        cluster,
    )


def _items(settings: Settings, number: int, *, lost: bool) -> Iterator[Mapping[str, Any]]:
    record = _record(settings, number)
    yield registry._encode(record)
    cidr = _block(number)
    for partition, key in ((addresses._BLOCKS, cidr), (addresses._PROJECTS, record.project)):
        yield {
            **addresses._key(partition, key),
            "cidr": {"S": cidr},
            "project": {"S": record.project},
            "token": {"N": "1"},
            "claimed_at": {"S": NOON.isoformat()},
        }
    lease = {**lease_key(record.project), "token": {"N": "1"}}
    if lost:
        operation = _operation(record)
        yield {**encode_operation(operation), "token": {"N": "0"}}
        yield {**lease, "operation_id": {"S": operation.id}}
    else:
        yield lease


def _operation(record: ProjectRecord) -> Operation:
    return requested(
        vlab_id=record.vlab_id,
        project_id=record.project_id,
        wish=Wish(Kind.PROVISION, record.spec_json),
        requested_by="arn:aws:iam::123456789012:role/portal",
        now=NOON - timedelta(hours=2),
    )


def of_one(engine: Engine, number: int) -> Mapping[str, Callable[[], object]]:
    """What is done for one project among all of them, by name. It must not be one of the first LOST."""
    spec = load_spec(spec_text(number), source="bench")
    desk = open_desk(engine)
    names = engine.names(spec.vlab_id, spec.project_id)
    return {
        "status of one": lambda: project_status(engine, spec.vlab_id, spec.project_id),
        "one page of the list (20)": lambda: list_page(engine, limit=20, after=None),
        "address block of one": lambda: reserve_block(
            engine.cloud, engine.settings, spec.project, now=engine.now()
        ),
        "history of one": lambda: desk.store.list(spec.project),
        "limits of one virtual lab": lambda: policy.review_context(engine, spec, names),
        "queueing one": lambda: ask_for_project(desk, spec, requested_by="arn:aws:iam::1:role/portal"),
    }


def of_all(engine: Engine) -> Mapping[str, Callable[[], object]]:
    """What is done for all projects in one go, by name."""
    queue = Queue(engine.cloud, engine.settings.operations_queue)
    return {
        "list": lambda: list(list_projects(engine)),
        "sweep of lost requests": lambda: send_lost(engine, queue, passed_over=print),
        "what plan --all has to plan": lambda: plan_all.of_registry(engine),
        f"drift by the clock, {LOOKS} looks": lambda: _look_for_drift(engine),
    }


def _look_for_drift(engine: Engine) -> list[Seen]:
    """What one run of the worker asks to choose its projects, without the looks themselves."""

    def look(_: Engine, projects: Sequence[tuple[str, str]]) -> DriftReport:
        told = tuple(ProjectDrift("/".join(one), Standing.CLEAN) for one in projects)
        return DriftReport(NOON, engine.settings.require_account(), engine.settings.region, told)

    seen = watch(engine, deadline=time.monotonic() + 3600, look=look, unkept=print)
    return list(islice(seen, LOOKS))
