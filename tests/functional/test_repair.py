"""What an interruption tainted is asked about at AWS: what is whole is kept, whatever its type."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.operations.engine import Engine
from engine.operations.repair import untaint_healthy
from tests.functional.leftovers import make_things
from tests.functional.test_adopt import make_more, take_away_ec2s_own_rule
from tests.policies.permissions import permitted

pytestmark = [
    pytest.mark.parametrize("cloud", [{"durations": INSTANT}], indirect=True, ids=["instant"]),
    pytest.mark.usefixtures("backend"),
]
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
LINK = "aws_fsx_data_repository_association"
# Where the state has each of the things, as their tags say.
MODULES = {
    "aws_subnet": "module.subnet[0]",
    "aws_security_group": "module.parallelcluster[0]",
    "aws_fsx_lustre_file_system": "module.fsx[0]",
    LINK: "module.fsx[0]",
}


def resource(kind: str, id_: str, *, tainted: bool = True, **attributes: Any) -> dict[str, Any]:
    module, _, index = MODULES.get(kind, f"module.{kind}").partition("[")
    instance: dict[str, Any] = {"attributes": {"id": id_, **attributes}}
    if tainted:
        instance["status"] = "tainted"
    return {
        "mode": "managed",
        "module": f"{module}[{index}" if index else module,
        "type": kind,
        "name": "this",
        "instances": [instance],
    }


def untainted(engine: Engine, *resources: dict[str, Any]) -> list[str]:
    """Types of what is kept of a state with these resources."""
    kept: list[str] = []
    runner: Any = SimpleNamespace(untaint=kept.append)
    untaint_healthy(engine, NAMES, runner, {"resources": list(resources)})
    return sorted(address.split(".")[-2] for address in kept)


def test_what_is_whole_at_aws_is_kept_and_what_is_gone_is_made_anew(
    engine: Engine, cloud: LocalCloud
) -> None:
    # GIVEN a project, all of it tainted
    aws = engine.cloud
    things = make_things(aws, NAMES)
    take_away_ec2s_own_rule(aws, things["aws_security_group"])
    more = make_more(aws, things["aws_subnet"], things["aws_security_group"])
    home = things["aws_efs_file_system"]
    (target,) = aws.efs.describe_mount_targets(FileSystemId=home)["MountTargets"]
    resources = [
        resource("aws_subnet", things["aws_subnet"]),
        resource("aws_security_group", things["aws_security_group"]),
        resource("aws_efs_file_system", home, creation_token=NAMES.efs),
        resource(
            "aws_efs_mount_target",
            target["MountTargetId"],
            file_system_id=home,
            subnet_id=things["aws_subnet"],
        ),
        resource(LINK, more["link"], file_system_id=more["system"], file_system_path="/project/private"),
        resource("aws_fsx_lustre_file_system", more["system"]),
        resource(
            "aws_secretsmanager_secret", things["aws_secretsmanager_secret"], name=NAMES.accounting_secret
        ),
        resource("aws_s3_bucket", NAMES.bucket, bucket=NAMES.bucket),
        resource("aws_cloudwatch_log_group", NAMES.job_log_group, name=NAMES.job_log_group),
        # AND something of it that is gone meanwhile, and a call
        resource("aws_vpc_security_group_ingress_rule", "sgr-00000000000000000"),
        resource("aws_lambda_invocation", "provisioner-accounting_$LATEST_x"),
    ]

    # WHEN it is repaired THEN all that stands is kept
    with permitted(cloud, "plan"):
        kept = untainted(engine, *resources)
    assert kept == sorted(one["type"] for one in resources[:-2])

    # AND a group that was left half made is not
    aws.ec2.authorize_security_group_egress(
        GroupId=things["aws_security_group"],
        IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )
    assert untainted(engine, resources[1]) == []


def test_a_mount_target_that_is_still_being_made_is_waited_for(engine: Engine, cloud: LocalCloud) -> None:
    cloud.set_durations(efs_mount_target_s=6.0)
    things = make_things(engine.cloud, NAMES)
    home = things["aws_efs_file_system"]

    def target() -> Any:
        (found,) = engine.cloud.efs.describe_mount_targets(FileSystemId=home)["MountTargets"]
        return found

    made = target()
    assert made["LifeCycleState"] == "creating"
    kept = untainted(
        engine,
        resource("aws_efs_mount_target", made["MountTargetId"], file_system_id=home),
        resource("aws_subnet", things["aws_subnet"], tainted=False),
    )
    assert (kept, target()["LifeCycleState"]) == (["aws_efs_mount_target"], "available")
