"""What belongs to nobody is shown, and deleted only when that is asked for and confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from engine.aws import addresses, buckets
from engine.aws.existing.search import OrphanConflict
from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.errors import LeaseLost
from engine.local.server import LocalCloud
from engine.model import tags
from engine.model.names import Names, names_for
from engine.model.operation import Kind, State, Wish, requested, succeeded
from engine.model.settings import load_settings
from engine.model.spec import ProjectSpec, dump_spec, load_spec, spec_digest
from engine.operations import orphans, planning, records
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.work import work
from tests.functional.conftest import Provisioner
from tests.functional.leftovers import make_bucket_elsewhere, make_things, marks, pairs
from tests.policies.permissions import permitted

ACCOUNT = "123456789012"
STATES = f"provisioner-state-{ACCOUNT}-us-east-1"


def register(aws: Cloud, names: Names, phase: Phase) -> None:
    document = {"vlab_id": names.vlab_id, "project_id": names.project_id, "storage": {"kind": "efs"}}
    spec = load_spec(json.dumps(document), source="test")
    Registry(aws, "provisioner-registry").put_new(
        vlab_id=names.vlab_id,
        project_id=names.project_id,
        spec_json=dump_spec(spec),
        spec_digest=spec_digest(spec),
        phase=phase,
        cluster=names.cluster,
        now=datetime.now(UTC),
    )


def write_state(aws: Cloud, names: Names, things: dict[str, str]) -> None:
    resources = [
        {"mode": "managed", "type": kind, "name": "this", "instances": [{"attributes": {"id": id_}}]}
        for kind, id_ in things.items()
    ]
    state = {"version": 4, "serial": 1, "lineage": "x", "resources": resources}
    aws.s3.put_object(Bucket=STATES, Key=names.state_key, Body=json.dumps(state).encode())


@pytest.fixture
def names() -> Names:
    return names_for("lab-1", "proj-1", account_id=ACCOUNT)


def found(provisioner: Provisioner, code: int, *options: str) -> dict[str, dict[str, Any]]:
    """kind -> orphan"""
    ended = provisioner("orphans", "--json", *options)
    assert ended.code == code, ended.err
    return {one["kind"]: one for one in ended.json["orphans"]}


def test_what_no_registered_project_has_is_shown(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    # GIVEN nothing, THEN nothing is found
    assert found(provisioner, 0) == {}
    assert "Nothing" in provisioner("orphans").ok().out
    provisioner("orphans", "--adopt", "--delete").refused(3)
    provisioner("orphans", "--purge-data").refused(3)

    # GIVEN what an apply left, THEN all of it is found and nothing is changed
    things = make_things(backend, names)
    before = cloud.inventory()
    with permitted(cloud, "reader"):
        orphans = found(provisioner, 2)
    assert {kind: one["id"] for kind, one in orphans.items()} == things
    assert {one["why"] for one in orphans.values()} == {"no-project"}
    assert orphans["aws_efs_file_system"]["age_s"] >= 0
    assert orphans["aws_subnet"]["age_s"] is None
    # Known where the price table knows it, by what there is of it; said to be unknown otherwise.
    assert orphans["aws_subnet"]["cost_usd_per_hour"] == 0
    assert orphans["aws_s3_bucket"]["cost_usd_per_hour"] is None
    assert 0 < orphans["aws_secretsmanager_secret"]["cost_usd_per_hour"] < 0.001
    assert {kind for kind, one in orphans.items() if one["holds_data"]} == {
        "aws_efs_file_system",
        "aws_s3_bucket",
        "aws_cloudwatch_log_group",
    }
    assert cloud.inventory() == before


def test_what_a_state_knows_is_nobody_s_only_without_a_record(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    # GIVEN everything but the subnet in the state
    things = make_things(backend, names)
    write_state(backend, names, {kind: id_ for kind, id_ in things.items() if kind != "aws_subnet"})
    assert found(provisioner, 2)["aws_s3_bucket"]["why"] == "unregistered"

    # WHEN the project is registered, THEN only the subnet is left, and why depends on the project's phase
    register(backend, names, Phase.READY)
    (subnet,) = found(provisioner, 2).values()
    assert (subnet["kind"], subnet["why"], subnet["under_way"]) == ("aws_subnet", "no-state", False)

    # WHEN an operation is at work on it, or it is unregistered and in a state, THEN nothing is deleted
    registry = Registry(backend, "provisioner-registry")
    record = registry.get("lab-1", "proj-1")
    assert record is not None
    record = registry.replace(record, now=datetime.now(UTC), phase=Phase.APPLYING)
    before = cloud.inventory()
    delete = ("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT)
    assert "an operation is at work on its project" in provisioner(*delete).err
    registry.remove(record)
    write_state(backend, names, things)
    assert "a state knows it" in provisioner(*delete).err
    assert cloud.inventory() == before


def test_deleting_needs_the_account_typed_and_keeps_data(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    make_things(backend, names)
    before = cloud.inventory()
    provisioner("orphans", "--delete").refused(3, "needs the account's number typed")
    provisioner("orphans", "--delete", "--confirm", "123").refused(3, "is not '123456789012'")
    assert cloud.inventory() == before

    ended = provisioner("orphans", "--delete", "--confirm", ACCOUNT)
    assert ended.code == 2, ended.err
    assert "it holds data; --purge-data deletes it" in ended.err
    # The subnet stays as long as the home has its mount target in it.
    left = found(provisioner, 2)
    assert set(left) == {
        "aws_efs_file_system",
        "aws_s3_bucket",
        "aws_cloudwatch_log_group",
        "aws_subnet",
    }

    provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT).ok()
    assert [line for line in cloud.left_over() if names.cluster in line or names.bucket in line] == []


@pytest.mark.parametrize("unread", ["STATE_CORRUPT", "ITEM_UNREADABLE"])
def test_a_project_that_cannot_be_read_hides_nobody_else_s(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud, unread: str
) -> None:
    # GIVEN something else in one project's state's place, or a record of a newer engine; and what another
    # project has left
    register(backend, names, Phase.READY)
    make_things(backend, names)
    if unread == "STATE_CORRUPT":
        backend.s3.put_object(Bucket=STATES, Key=names.state_key, Body=b"spoilt")
    else:
        backend.dynamodb.update_item(
            TableName="provisioner-registry",
            Key={"pk": {"S": "PROJECT"}, "sk": {"S": names.project}},
            UpdateExpression="SET phase = :newer",
            ExpressionAttributeValues={":newer": {"S": "MOVING"}},
        )
    other = names_for("lab-1", "proj-2", account_id=ACCOUNT)
    make_things(backend, other, "10.42.201.0/24")
    # THEN the others are shown, and that one is told; of it nothing is taken for an orphan
    for options in ([], ["--json"]):
        shown = provisioner("orphans", *options).refused(7, unread, "lab-1/proj-1 is passed over")
        assert "lab-1/proj-2" in shown.out and "lab-1/proj-1" not in shown.out
    # AND the others' are deleted
    before = cloud.left_over()
    ended = provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT).refused(7)
    assert "Deleted: aws_s3_bucket" in ended.err
    assert {line for line in before if names.cluster in line} <= set(cloud.left_over())
    assert not any(other.cluster in line for line in cloud.left_over())


def test_what_stands_in_another_region_is_not_seen_and_stays(
    backend: Cloud, provisioner: Provisioner, names: Names
) -> None:
    """Registry and states are those of one region; S3 lists the buckets of all of them."""
    # GIVEN the bucket of a project that another region's registry has
    make_bucket_elsewhere(backend, names)
    # THEN nothing is found, and nothing is deleted
    assert found(provisioner, 0) == {}
    provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT).ok()
    # and a look at the very bucket empties it neither
    assert buckets.empty_bucket(backend, names.bucket, account_id=ACCOUNT) == buckets.Emptied()
    assert backend.s3.get_object(Bucket=names.bucket, Key="result.txt")["Body"].read() == b"42"


@pytest.fixture
def engine(cloud: LocalCloud, backend: Cloud, tmp_path: Path) -> Engine:
    settings = load_settings(environ={}, flags={"endpoint_url": cloud.endpoint}).settings
    return open_engine(settings, base=tmp_path, environ={}, reporter=Silent())


def test_what_stood_there_before_its_project_is_shown_and_stays(
    backend: Cloud, provisioner: Provisioner, names: Names
) -> None:
    # GIVEN a bucket and a home that a project took over, whose record and state are lost
    backend.s3.create_bucket(Bucket="genomics-2019")
    backend.s3.put_bucket_tagging(Bucket="genomics-2019", Tagging={"TagSet": pairs(marks(names))})
    backend.s3.put_object(Bucket="genomics-2019", Key="genome", Body=b"ACGT")
    home = backend.efs.create_file_system(CreationToken="console-1", Tags=pairs(marks(names)))
    # THEN they are shown as what they are
    shown = found(provisioner, 2)
    assert set(shown) == {"aws_s3_bucket", "aws_efs_file_system"}
    assert all(one["taken_over"] for one in shown.values())
    assert "no-project (taken over)" in provisioner("orphans").out
    # AND stay, whatever is confirmed
    ended = provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT)
    assert ended.code == 2, ended.err
    assert ended.err.count("it stood there before its project took it over: take its tags away") == 2
    assert ended.err.count("mount targets keep the project's subnet") == 1
    assert backend.s3.get_object(Bucket="genomics-2019", Key="genome")["Body"].read() == b"ACGT"
    assert backend.efs.describe_file_systems(FileSystemId=home["FileSystemId"])["FileSystems"]
    # BUT of a project that is registered they are what it lives from
    register(backend, names, Phase.READY)
    ended = provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT)
    assert ended.err.count("its project has it still; `--adopt`, or an apply") == 2
    assert "tags away" not in ended.err


@pytest.mark.parametrize("phase", [Phase.READY, Phase.PARKED])
def test_adopting_is_an_operation_with_a_lease(
    phase: Phase, engine: Engine, backend: Cloud, names: Names, mocker: MockerFixture
) -> None:
    register(backend, names, phase)

    def take_in(at_work: Engine, *_: Any, **__: Any) -> tuple[str, ...]:
        # Meanwhile nobody else may work on it, and should it die the next run looks for the rest.
        standing = engine.operations.standing(names.project)
        assert standing.held(datetime.now(UTC)) and standing.owner == engine.owner
        assert at_work.duty is not None and at_work.duty.operation.wish.kind is Kind.ADOPT
        assert record() is Phase.APPLYING
        return ("module.subnet[0].aws_subnet.this",)

    def record() -> Phase:
        found = engine.registry.get("lab-1", "proj-1")
        assert found is not None
        return found.phase

    mocker.patch("engine.operations.recovery.take_in", side_effect=take_in)
    assert orphans.adopt_project(engine, "lab-1", "proj-1") == ("module.subnet[0].aws_subnet.this",)
    assert record() is phase
    assert engine.operations.active(names.project) is None
    latest = engine.operations.latest(names.project)
    assert latest is not None and latest.state is State.SUCCEEDED


@pytest.mark.parametrize("before", [Phase.PARKED, Phase.FAILED, Phase.DESTROYING])
def test_adopting_leaves_a_project_as_others_left_it(
    before: Phase, engine: Engine, backend: Cloud, names: Names, mocker: MockerFixture
) -> None:
    # GIVEN a project that is parked, and its data marked, while this waits for its workspace
    register(backend, names, Phase.PARKING)
    purge_at = datetime(2026, 12, 24, tzinfo=UTC)

    @contextmanager
    def waited_for(*_: Any) -> Iterator[None]:
        record = records.record_of(engine, "lab-1", "proj-1")
        engine.registry.replace(record, now=engine.now(), phase=before, purge_at=purge_at)
        yield

    mocker.patch.object(orphans, "holding_workspace", waited_for)
    mocker.patch("engine.operations.recovery.take_in", return_value=())
    # WHEN something of it is taken in
    orphans.adopt_project(engine, "lab-1", "proj-1")
    # THEN
    found = records.record_of(engine, "lab-1", "proj-1")
    assert (found.phase, found.purge_at) == (before, purge_at)


@pytest.mark.parametrize(
    ("phase", "planned", "stands", "kept"),
    [
        (Phase.PARKED, False, False, False),
        (Phase.PARKED, True, False, True),
        (Phase.PARKED, False, True, True),
        (Phase.READY, False, False, True),
    ],
    ids=["parked", "planned since", "its subnet stands", "running"],
)
def test_a_parked_project_has_no_address_block_after_it_either(
    phase: Phase,
    planned: bool,
    stands: bool,
    kept: bool,
    engine: Engine,
    backend: Cloud,
    names: Names,
    mocker: MockerFixture,
) -> None:
    """The look for what it may have plans all of it, with a block."""

    def claim() -> None:
        planning.reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())

    register(backend, names, phase)
    if planned:
        claim()
    if stands:
        make_things(backend, names)
    mocker.patch("engine.operations.recovery.take_in", side_effect=lambda *_, **__: claim())
    orphans.adopt_project(engine, "lab-1", "proj-1")
    held = addresses.get_claim(engine.cloud, engine.settings.registry_table, project=names.project)
    assert (held is not None) is kept


def test_a_run_that_has_lost_its_lease_gives_no_block_back(
    engine: Engine, backend: Cloud, names: Names, mocker: MockerFixture
) -> None:
    register(backend, names, Phase.PARKED)

    def lose_the_lease(*_: object, **__: object) -> None:
        # An apply that has taken the project over meanwhile plans with the block that it finds.
        planning.reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())
        mocker.patch.object(Engine, "check_owned", side_effect=LeaseLost("taken over"))

    mocker.patch("engine.operations.recovery.take_in", side_effect=lose_the_lease)
    with pytest.raises(LeaseLost):
        orphans.adopt_project(engine, "lab-1", "proj-1")
    assert addresses.get_claim(engine.cloud, engine.settings.registry_table, project=names.project)


def test_what_another_operation_is_under_way_for_is_passed_over(
    engine: Engine, backend: Cloud, names: Names, mocker: MockerFixture
) -> None:
    # GIVEN a project that waits for a worker, and a thing that no state knows
    register(backend, names, Phase.READY)
    now = engine.now()
    waits = requested(
        vlab_id="lab-1", project_id="proj-1", wish=Wish(Kind.RELEASE), requested_by="test", now=now
    )
    engine.operations.submit(waits)
    make_things(backend, names)
    take_in = mocker.patch("engine.operations.recovery.take_in")
    # WHEN everything is adopted THEN that project is left alone, and its operation is as it was
    assert orphans.adopt(engine, orphans.find_orphans(engine)) == ()
    take_in.assert_not_called()
    assert engine.operations.active(names.project) == waits


def test_a_project_that_cannot_be_taken_in_stops_no_other(
    backend: Cloud, provisioner: Provisioner, names: Names, mocker: MockerFixture
) -> None:
    # GIVEN two projects that have lost something, of which the first cannot be taken in
    other = names_for("lab-1", "proj-2", account_id=ACCOUNT)
    for one, block in ((names, "10.42.200.0/24"), (other, "10.42.201.0/24")):
        register(backend, one, Phase.READY)
        make_things(backend, one, block)

    def take_in(_: Engine, spec: ProjectSpec, **__: Any) -> tuple[str, ...]:
        if spec.project_id == "proj-1":
            raise OrphanConflict("It does not fit.")
        return ("module.subnet[0].aws_subnet.this",)

    mocker.patch("engine.operations.recovery.take_in", side_effect=take_in)
    # WHEN everything is adopted THEN the other is, and the end tells why the first is not
    ended = provisioner("orphans", "--adopt", "--yes").refused(
        7, "ORPHAN_CONFLICT", "lab-1/proj-1 is passed over"
    )
    assert "Taken in: lab-1/proj-2: module.subnet[0].aws_subnet.this" in ended.err


def test_what_was_taken_in_while_the_person_typed_stays(
    engine: Engine, backend: Cloud, names: Names, cloud: LocalCloud
) -> None:
    # GIVEN things that nobody had when they were shown, and that a run has taken into the state since; all
    # but a subnet's
    things = make_things(backend, names)
    register(backend, names, Phase.FAILED)
    shown = orphans.find_orphans(engine)
    registry = Registry(backend, "provisioner-registry")
    record = registry.get("lab-1", "proj-1")
    assert record is not None
    registry.replace(record, now=datetime.now(UTC), phase=Phase.READY)
    lost = ("aws_security_group", "aws_vpc_security_group_ingress_rule")
    write_state(backend, names, {kind: id_ for kind, id_ in things.items() if kind not in lost})
    # WHEN they are deleted THEN only what is nobody's still goes, and the rest is told as kept
    before = set(cloud.left_over())
    backend.s3.create_bucket(Bucket=f"{names.bucket}-2")
    heard: list[str] = []
    with cloud.heard(lambda request: heard.append(request.operation)):
        done = orphans.delete(engine, shown, purge_data=True)
    # AND of hundreds of other projects' buckets no tags are asked for
    assert heard.count("GetBucketTagging") == 1
    backend.s3.delete_bucket(Bucket=f"{names.bucket}-2")
    assert {one.thing.kind for one in done.gone} == set(lost)
    kept = {orphan.thing.kind: reason for orphan, reason in done.kept}
    assert set(kept) == set(things) - set(lost)
    assert set(kept.values()) == {"it belongs to its project by now"}
    assert all("security-group" in line for line in before - set(cloud.left_over()))
    assert backend.s3.get_object(Bucket=names.bucket, Key="result.txt")["Body"].read() == b"42"


def test_a_project_is_held_while_something_of_it_is_deleted(
    engine: Engine, backend: Cloud, names: Names, mocker: MockerFixture
) -> None:
    make_things(backend, names)
    register(backend, names, Phase.READY)
    shown = orphans.find_orphans(engine)
    now = engine.now()

    def delete(*_: Any, **__: Any) -> None:
        standing = engine.operations.standing(names.project)
        assert standing.held(datetime.now(UTC)) and standing.owner == engine.owner

    # GIVEN an operation that is under way THEN everything is kept, and the operation is as it was
    waits = requested(
        vlab_id="lab-1", project_id="proj-1", wish=Wish(Kind.RELEASE), requested_by="test", now=now
    )
    engine.operations.submit(waits)
    deleting = mocker.patch("engine.aws.belongings.delete", side_effect=delete)
    done = orphans.delete(engine, shown, purge_data=True)
    assert done.gone == () and len(done.kept) == len(shown)
    assert all("lab-1/proj-1 is busy" in reason for _, reason in done.kept)
    deleting.assert_not_called()
    assert engine.operations.active(names.project) == waits
    # WHEN it has ended THEN things are deleted, and nobody else may work on the project meanwhile
    lease, waits = engine.operations.claim(
        names.project, waits.id, engine.owner, now=now, ttl=engine.lease_ttl
    )
    engine.operations.finish(lease, succeeded(waits, now))
    assert len(orphans.delete(engine, shown, purge_data=True).gone) == len(shown)
    assert deleting.call_count == len(shown)
    latest = engine.operations.latest(names.project)
    assert latest is not None and (latest.wish.kind, latest.state) == (Kind.CLEAN, State.SUCCEEDED)


def test_a_worker_deletes_nothing_that_nobody_confirms(
    engine: Engine, backend: Cloud, names: Names, cloud: LocalCloud
) -> None:
    # GIVEN a deletion that died before it was done
    make_things(backend, names)
    died = requested(
        vlab_id="lab-1", project_id="proj-1", wish=Wish(Kind.CLEAN), requested_by="test", now=engine.now()
    )
    engine.operations.submit(died)
    before = cloud.left_over()
    # WHEN a worker takes it up THEN it ends, and nothing is deleted
    assert work(engine, names.project, died.id, owner=engine.owner).state is State.SUCCEEDED
    assert cloud.left_over() == before


def test_what_a_cluster_made_of_its_own_comes_and_goes_with_it(
    engine: Engine, backend: Cloud, names: Names
) -> None:
    """ParallelCluster hands the project's tags on to all that its own stack makes."""
    # GIVEN a security group with the tags of the cluster, and no such cluster any more
    register(backend, names, Phase.READY)
    ec2: Any = backend.ec2
    vpc = ec2.describe_vpcs(Filters=[{"Name": f"tag:{tags.SHARED}", "Values": ["vpc"]}])["Vpcs"][0]["VpcId"]
    inherited = pairs(marks(names, **{"parallelcluster:cluster-name": names.cluster}))
    group = ec2.create_security_group(
        GroupName=f"{names.cluster}-HeadNodeSecurityGroup",
        Description="of the cluster",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": inherited}],
    )["GroupId"]
    # THEN it belongs to nobody
    assert group in {one.thing.id for one in orphans.find_orphans(engine)}
    # WHEN the cluster's stack stands THEN the group is its part, and no orphan
    backend.cloudformation.create_stack(
        StackName=names.cluster, TemplateBody=json.dumps({"Resources": {}}), Tags=inherited
    )
    assert group not in {one.thing.id for one in orphans.find_orphans(engine)}


def test_nodes_that_outlived_their_cluster_are_found_and_terminated(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    # GIVEN a node and a volume of a project's cluster, and what is no node of any project's cluster
    register(backend, names, Phase.FAILED)
    ec2: Any = backend.ec2
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    inherited = pairs(marks(names, **{"parallelcluster:cluster-name": names.cluster, "Name": "Compute"}))
    node = run_instance(ec2, inherited)
    run_instance(ec2, pairs(marks(names)))
    run_instance(ec2, pairs({"parallelcluster:cluster-name": names.cluster}))
    tagged = [{"ResourceType": "volume", "Tags": inherited}]
    made = ec2.create_volume(AvailabilityZone=zone, Size=100, VolumeType="gp3", TagSpecifications=tagged)
    volume = made["VolumeId"]
    # WHEN the cluster's stack stands THEN they are its own
    backend.cloudformation.create_stack(
        StackName=names.cluster, TemplateBody=json.dumps({"Resources": {}}), Tags=inherited
    )
    assert set(found(provisioner, 2)) == {"cluster"}
    # WHEN it is gone THEN they are nobody's, and what they cost is told
    backend.cloudformation.delete_stack(StackName=names.cluster)
    with permitted(cloud, "reader"):
        nobodys = found(provisioner, 2)
    assert {kind: one["id"] for kind, one in nobodys.items()} == {
        "aws_instance": node,
        "aws_ebs_volume": volume,
    }
    assert nobodys["aws_instance"]["name"] == "Compute"
    assert nobodys["aws_instance"]["cost_usd_per_hour"] == pytest.approx(0.096)  # m5.large, N. Virginia
    assert nobodys["aws_ebs_volume"]["cost_usd_per_hour"] == pytest.approx(100 * 0.08 / 730)
    assert [one["age_s"] is None for one in nobodys.values()] == [False, False]
    # AND a stopped one is found too, at a price that nobody can tell: that of its disks
    ec2.stop_instances(InstanceIds=[node])
    assert found(provisioner, 2)["aws_instance"]["cost_usd_per_hour"] is None

    # WHEN they are deleted THEN the node goes, and the volume with the data only
    with permitted(cloud, "orphans"):
        provisioner("orphans", "--delete", "--confirm", ACCOUNT).refused(2, "Deleted: aws_instance")
        assert set(found(provisioner, 2)) == {"aws_ebs_volume"}
        provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT).ok()
    states = {
        one["InstanceId"]: one["State"]["Name"]
        for page in ec2.describe_instances()["Reservations"]
        for one in page["Instances"]
    }
    assert states.pop(node) == "terminated"
    assert set(states.values()) == {"running"}


def run_instance(ec2: Any, found: list[Any]) -> str:
    image = ec2.describe_images()["Images"][0]["ImageId"]
    (made,) = ec2.run_instances(
        ImageId=image,
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": found}],
    )["Instances"]
    return str(made["InstanceId"])
