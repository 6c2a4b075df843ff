"""Before an apply that follows a dead one: what is there is imported, and nothing that is another's."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.existing.search import OrphanConflict
from engine.aws.registry import Phase, ProjectRecord
from engine.aws.session import Cloud
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.operations.adopt import AdoptionRefused, Sweep
from engine.operations.engine import Engine
from engine.workspace.resources import BUCKET, CLUSTER_STACK, LUSTRE
from engine.workspace.stack import Presence
from tests.functional.leftovers import make_bucket_elsewhere, make_things, marks, pairs
from tests.policies.permissions import permitted

pytestmark = [
    pytest.mark.parametrize("cloud", [{"durations": INSTANT}], indirect=True, ids=["instant"]),
    pytest.mark.usefixtures("backend"),
]
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
STATES = "provisioner-state-123456789012-us-east-1"
# Recorded: what Terraform 1.11.4 and AWS provider 5.100.0 plan for a new project with Lustre.
PLAN = json.loads((Path(__file__).parents[1] / "unit/operations/fresh.plan.json").read_text("utf-8"))
CREATED = {entry["address"] for entry in PLAN["resource_changes"] if entry["mode"] == "managed"}
NODES = "module.parallelcluster[0].aws_security_group.this"
HOME = "module.efs.aws_efs_file_system.this"


def sweep(engine: Engine, tmp_path: Path) -> Sweep:
    runner: Any = SimpleNamespace(workdir=tmp_path, forgotten=[])
    runner.forget = runner.forgotten.append
    return Sweep(engine, NAMES, runner)


def register(engine: Engine, phase: Phase) -> ProjectRecord:
    return engine.registry.put_new(
        vlab_id="lab-1",
        project_id="proj-1",
        spec_json="{}",
        spec_digest="x",
        phase=phase,
        cluster=NAMES.cluster,
        now=engine.now(),
    )


def make_more(aws: Cloud, subnet: str, group: str) -> dict[str, str]:
    """Lustre with one of its links, and a stack of the cluster's name."""
    fsx: Any = aws.fsx
    aws.ec2.authorize_security_group_egress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [{"GroupId": group}]}
        ],
    )
    request = {
        "FileSystemType": "LUSTRE",
        "StorageCapacity": 1200,
        "SubnetIds": [subnet],
        "SecurityGroupIds": [group],
        "FileSystemTypeVersion": "2.15",
        "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250},
        "Tags": pairs(marks(NAMES, "module.fsx.0.aws_fsx_lustre_file_system.this")),
    }
    system = fsx.create_file_system(**request)["FileSystem"]["FileSystemId"]
    link = fsx.create_data_repository_association(
        FileSystemId=system,
        FileSystemPath="/project/private",
        DataRepositoryPath=f"s3://{NAMES.bucket}/private/",
        BatchImportMetaDataOnCreate=False,
    )["Association"]["AssociationId"]
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    aws.cloudformation.create_stack(
        StackName=NAMES.stack, TemplateBody=json.dumps(template), Tags=pairs(marks(NAMES))
    )
    return {"system": system, "link": link}


def take_away_ec2s_own_rule(aws: Cloud, group: str) -> None:
    """As the provider does after it has made a group."""
    everything: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    aws.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])


def test_everything_that_is_there_is_imported(engine: Engine, cloud: LocalCloud, tmp_path: Path) -> None:
    # GIVEN a part of a project at AWS, none of it in a state
    aws = engine.cloud
    things = make_things(aws, NAMES)
    group = things["aws_security_group"]
    take_away_ec2s_own_rule(aws, group)
    more = make_more(aws, things["aws_subnet"], group)
    # AND an earlier Lustre file system that is on its way out
    store = cloud._inventory._fsx.store("us-east-1")
    earlier = copy.copy(store.file_systems[more["system"]])
    earlier.id, earlier.lifecycle = "fs-00000000000000000", "DELETING"
    store.file_systems[earlier.id] = earlier

    # WHEN a plan for all of it is looked at
    looking = sweep(engine, tmp_path)
    with permitted(cloud, "plan"):
        assert looking.finds(PLAN)

    # THEN each thing that is there gets its import block, under the id that the provider takes
    written = json.loads((tmp_path / "imports.tf.json").read_text())["import"]
    imports = {one["to"]: one["id"] for one in written}
    expected = {
        "module.subnet[0].aws_subnet.this": things["aws_subnet"],
        NODES: group,
        HOME: things["aws_efs_file_system"],
        LUSTRE: more["system"],
        "module.fsx[0].aws_fsx_data_repository_association.private": more["link"],
        CLUSTER_STACK: NAMES.stack,
        "module.accounting.aws_secretsmanager_secret.this[0]": things["aws_secretsmanager_secret"],
        "module.job_records.aws_cloudwatch_log_group.this": NAMES.job_log_group,
        BUCKET: NAMES.bucket,
    }
    assert {address: imports.get(address) for address in expected} == expected
    assert imports["module.efs.aws_efs_mount_target.this[0]"].startswith("fsmt-")
    assert set(imports) <= CREATED
    assert looking.replace == []
    # AND the same plan finds nothing new
    assert not looking.finds(PLAN)


def test_a_home_that_was_taken_over_is_found_by_its_tags(
    engine: Engine, cloud: LocalCloud, tmp_path: Path
) -> None:
    """It keeps the token that it was made with: a state that is lost must not cost the project its home."""
    # GIVEN homes of other tokens: one that this project took over, another one's, and nobody's
    make: Any = engine.cloud.efs.create_file_system
    tag = "module.efs.aws_efs_file_system.this"
    own = make(CreationToken="old-home", Tags=pairs(marks(NAMES, tag)))["FileSystemId"]
    theirs = marks(names_for("lab-9", "proj-1", account_id="123456789012"), tag)
    make(CreationToken="their-home", Tags=pairs(theirs))
    make(CreationToken="a-home")
    # THEN its own is found
    looking = sweep(engine, tmp_path)
    with permitted(cloud, "plan"):
        assert looking.finds(PLAN)
    assert looking.imports[HOME] == own
    # BUT where two say that they are it, no tag tells
    make(CreationToken="older-home", Tags=pairs(marks(NAMES, tag)))
    with pytest.raises(OrphanConflict, match="2 EFS file systems"):
        sweep(engine, tmp_path).finds(PLAN)


def test_what_failed_is_made_anew_and_what_is_in_progress_is_waited_for(
    engine: Engine, cloud: LocalCloud, tmp_path: Path, mocker: Any
) -> None:
    # GIVEN a group that still has EC2's own rule, a stack that failed, and Lustre that takes its time
    things = make_things(engine.cloud, NAMES)
    make_more(engine.cloud, things["aws_subnet"], things["aws_security_group"])
    stacks = cloud.world.backends.cloudformation("us-east-1").stacks.values()
    next(one for one in stacks if one.name == NAMES.stack).status = "ROLLBACK_COMPLETE"
    system = _lustre(cloud)
    system.lifecycle = "CREATING"
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            system.lifecycle = "AVAILABLE"
        if len(naps) == 5:
            target.life_cycle_state = "available"

    mocker.patch.object(Engine, "pause", autospec=True, side_effect=lambda _, seconds: nap(seconds))
    # AND a mount target that is on its way as well, which is found through home and subnet
    (target,) = cloud.world.backends.efs("us-east-1").mount_targets_by_id.values()
    target.life_cycle_state = "creating"

    # WHEN it is looked for, THEN Lustre was waited for, and what is of no use will be replaced
    looking = sweep(engine, tmp_path)
    assert looking.finds(PLAN)
    assert len(naps) == 5
    assert looking.imports[LUSTRE] == system.id
    assert looking.imports["module.efs.aws_efs_mount_target.this[0]"] == target.mount_target_id
    assert sorted(looking.replace) == [CLUSTER_STACK, NODES]


def test_what_hangs_on_something_that_was_named_is_found_through_it(
    engine: Engine, cloud: LocalCloud, tmp_path: Path
) -> None:
    # GIVEN a project that came to its end, and an old bucket that somebody names, with a setting of its own
    register(engine, Phase.READY)
    aws = engine.cloud
    aws.s3.create_bucket(Bucket="old-data")
    aws.s3.put_bucket_versioning(Bucket="old-data", VersioningConfiguration={"Status": "Suspended"})
    looking = sweep(engine, tmp_path)
    looking.take_over({BUCKET: "old-data"}, presence=Presence.RUNNING)
    assert json.loads((tmp_path / "imports.tf.json").read_text())["import"] == [
        {"to": BUCKET, "id": "old-data"}
    ]

    # WHEN the plan asks for the bucket's settings, THEN those that are there are imported as well
    assert looking.finds(PLAN)
    assert looking.imports["module.bucket.aws_s3_bucket_versioning.this"] == "old-data"
    assert looking.imports[BUCKET] == "old-data"

    # AND what the state has already is not named again
    put_state(engine, BUCKET, "old-data")
    again = sweep(engine, tmp_path / "again")
    (tmp_path / "again").mkdir()
    again.take_over({BUCKET: "old-data"}, presence=Presence.RUNNING)
    assert again.imports == {}
    assert not (tmp_path / "again" / "imports.tf.json").exists()


def test_another_one_than_the_project_has_is_refused_and_its_own_is_not(
    engine: Engine, tmp_path: Path
) -> None:
    # GIVEN a project that made a home of its own
    put_state(engine, HOME, "fs-0123456789abcdef0")
    # WHEN its spec names another one, THEN that is refused with both, since Terraform would pass it over
    with pytest.raises(AdoptionRefused) as refused:
        sweep(engine, tmp_path).take_over({HOME: "fs-01234567"}, presence=Presence.RUNNING)
    assert "lab-1/proj-1 has fs-0123456789abcdef0" in refused.value.message
    assert "fs-01234567" in refused.value.message and "Nothing was changed" in refused.value.message
    assert "existing" in refused.value.hint
    # AND not for what is on its way out, whose spec was applied once and cannot be mended any more
    sweep(engine, tmp_path).take_over({HOME: "fs-01234567"}, presence=Presence.PARKED)
    # AND the one that it has is its own, each time
    again = sweep(engine, tmp_path)
    again.take_over({HOME: "fs-0123456789abcdef0"}, presence=Presence.RUNNING)
    assert again.imports == {}
    assert not (tmp_path / "imports.tf.json").exists()


def put_state(engine: Engine, address: str, id_: str) -> None:
    module, kind, name = address.rsplit(".", 2)
    one = {"mode": "managed", "module": module, "type": kind, "name": name}
    instance = {"instances": [{"attributes": {"id": id_}}]}
    state = {"version": 4, "serial": 1, "lineage": "x", "resources": [{**one, **instance}]}
    engine.cloud.s3.put_object(Bucket=STATES, Key=NAMES.state_key, Body=json.dumps(state).encode())


def _lustre(cloud: LocalCloud) -> Any:
    (system,) = cloud._inventory._fsx.store("us-east-1").file_systems.values()
    return system


def test_what_is_another_s_is_left_and_named(engine: Engine, tmp_path: Path) -> None:
    aws, theirs = engine.cloud, marks(names_for("lab-9", "proj-1", account_id="123456789012"))
    logs: Any = aws.logs

    def conflicts() -> None:
        with pytest.raises(OrphanConflict, match="tagged for lab-9/proj-1"):
            sweep(engine, tmp_path).finds(PLAN)
        assert not (tmp_path / "imports.tf.json").exists()

    # GIVEN a thing of the project's name with another one's tags, of each kind that has such a name
    logs.create_log_group(logGroupName=NAMES.job_log_group, tags=theirs)
    conflicts()
    logs.delete_log_group(logGroupName=NAMES.job_log_group)
    home = aws.efs.create_file_system(CreationToken=NAMES.efs, Tags=pairs(theirs))["FileSystemId"]
    conflicts()
    aws.efs.delete_file_system(FileSystemId=home)
    aws.s3.create_bucket(Bucket=NAMES.bucket)
    aws.s3.put_bucket_tagging(Bucket=NAMES.bucket, Tagging={"TagSet": pairs(theirs)})
    conflicts()

    # WHEN it has no tags at all, as a bucket that was made a moment before the end, THEN it is the project's
    aws.s3.delete_bucket_tagging(Bucket=NAMES.bucket)
    looking = sweep(engine, tmp_path)
    assert looking.finds(PLAN)
    assert looking.imports[BUCKET] == NAMES.bucket


def test_a_bucket_of_that_name_in_another_region_is_never_imported(engine: Engine, tmp_path: Path) -> None:
    # GIVEN the bucket of a project of the same ids in another region: bucket names carry no region
    make_bucket_elsewhere(engine.cloud, NAMES)
    # THEN it is named, with where it stands
    with pytest.raises(OrphanConflict, match=r"stands in eu-west-1.* are in us-east-1"):
        sweep(engine, tmp_path).finds(PLAN)
    assert not (tmp_path / "imports.tf.json").exists()


def test_only_a_run_that_did_not_come_to_its_end_is_looked_after(
    engine: Engine, cloud: LocalCloud, tmp_path: Path
) -> None:
    """The registry tells, on any machine; for a clean project nothing else is asked."""
    engine.cloud.s3.create_bucket(Bucket=NAMES.bucket)
    known = {"mode": "managed", "type": "aws_subnet", "name": "x", "instances": [{"attributes": {"id": "s"}}]}
    state = json.dumps({"version": 4, "serial": 1, "lineage": "x", "resources": [known]}).encode()
    engine.cloud.s3.put_object(Bucket=STATES, Key=NAMES.state_key, Body=state)
    record = register(engine, Phase.PLANNED)
    asked: list[str] = []

    def finds(phase: Phase, plan: Any = PLAN) -> bool:
        nonlocal record
        record = engine.registry.replace(record, now=engine.now(), phase=phase)
        with cloud.heard(lambda request: asked.append(f"{request.service}:{request.operation}")):
            asked.clear()
            return sweep(engine, tmp_path).finds(plan)

    for phase in (Phase.PLANNED, Phase.APPLYING, Phase.PARKING, Phase.DESTROYING, Phase.FAILED):
        assert finds(phase), phase
    for phase in (Phase.READY, Phase.PARKED):
        assert not finds(phase)
        assert asked == ["s3:GetObject", "dynamodb:GetItem"]
    # A plan that creates nothing has nothing to look for, whatever became of the last run.
    assert not finds(Phase.FAILED, {"resource_changes": []})
    assert asked == []
    # A state that is lost is looked after, whatever the record says.
    engine.cloud.s3.delete_object(Bucket=STATES, Key=NAMES.state_key)
    assert finds(Phase.READY)


def test_what_a_replacement_left_in_the_state_gives_way_to_its_successor(
    engine: Engine, tmp_path: Path
) -> None:
    """Terraform passes over an import block for an address that its state has."""
    # GIVEN a state with a subnet that is gone, and another one of that address at AWS
    things = make_things(engine.cloud, NAMES)
    old = {
        "mode": "managed",
        "module": "module.subnet[0]",
        "type": "aws_subnet",
        "name": "this",
        "instances": [{"attributes": {"id": "subnet-gone"}}],
    }
    state = {"version": 4, "serial": 1, "lineage": "x", "resources": [old]}
    engine.cloud.s3.put_object(Bucket=STATES, Key=NAMES.state_key, Body=json.dumps(state).encode())
    register(engine, Phase.APPLYING)

    # WHEN it is looked for, THEN the old one leaves the state, and nothing is found through it
    looking = sweep(engine, tmp_path)
    runner: Any = looking.runner
    assert looking.finds(PLAN)
    assert runner.forgotten == ["module.subnet[0].aws_subnet.this"]
    assert looking.imports["module.subnet[0].aws_subnet.this"] == things["aws_subnet"]
    assert looking.imports["module.efs.aws_efs_mount_target.this[0]"].startswith("fsmt-")
