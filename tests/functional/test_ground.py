"""The whole order in an empty account: bootstrap, shared ground, a project on it, and all down again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.aws.buckets import empty_bucket
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from tests.functional.by_hand import ByHand, by_hand
from tests.functional.network_checks import require_network
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
DATABASE = "provisioner-slurm-accounting"
BUCKETS = [f"provisioner-{role}-{ACCOUNT}-us-east-1" for role in ("public", "nodes")]
PROVIDER = 'module.pcluster_provider["3.16.1"].aws_cloudformation_stack.this'
NAMES = names_for("lab-1", "proj-1", account_id=ACCOUNT)

# Nothing of these types may stand in a private VPC.
WAYS_OUT = {
    "aws_internet_gateway",
    "aws_egress_only_internet_gateway",
    "aws_nat_gateway",
    "aws_eip",
    "aws_vpn_gateway",
    "aws_customer_gateway",
    "aws_ec2_transit_gateway_vpc_attachment",
}


@pytest.fixture
def shared(cloud: LocalCloud, tmp_path: Path) -> Iterator[ByHand]:
    """A copy of workspaces/shared, beside a copy of the modules, driven as docs/setup.md says."""
    folder = tmp_path / "workspaces" / "shared"
    untracked = shutil.ignore_patterns(".terraform", "*.tfvars*")
    shutil.copytree(ROOT / "workspaces" / "shared", folder, ignore=untracked)
    shutil.copytree(ROOT / "modules", tmp_path / "modules")
    with by_hand(folder, cloud, tmp_path) as terraform:
        yield terraform


def planned_by(terraform: ByHand) -> dict[str, Any]:
    terraform("plan", "-out=shared.tfplan")
    shown: dict[str, Any] = json.loads(terraform("show", "-json", "shared.tfplan"))
    return shown


def main_vpc(cloud: LocalCloud) -> dict[str, Any]:
    """Where the Workflow Service lives: the platform's own, made long before."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {
        "vpc_id": vpc,
        "account_id": ACCOUNT,
        "cidr_blocks": ["10.0.16.0/20"],
        "route_table_ids": {"clients": table},
    }


def resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [one for child in module.get("child_modules", []) for one in resources(child)]
    return [*module.get("resources", []), *inner]


def require_private(plan: dict[str, Any]) -> None:
    """No way out of the VPC and no public address, by the plan itself."""
    planned = resources(plan["planned_values"]["root_module"])
    assert not WAYS_OUT & {one["type"] for one in planned}
    subnets = [one["values"] for one in planned if one["type"] == "aws_subnet"]
    assert len(subnets) == 6
    assert not any(subnet["map_public_ip_on_launch"] for subnet in subnets)
    assert not any(subnet["assign_ipv6_address_on_creation"] for subnet in subnets)
    routes = [one["values"] for one in planned if one["type"] == "aws_route"]
    assert routes and not any(route.get("gateway_id") or route.get("nat_gateway_id") for route in routes)
    (database,) = (one["values"] for one in planned if one["type"] == "aws_db_instance")
    assert not database["publicly_accessible"] and database["storage_encrypted"]


@pytest.mark.parametrize("cloud", [{"seeded": False}], indirect=True)
def test_an_empty_account_from_bootstrap_to_a_project_and_back(
    cloud: LocalCloud, provisioner, spec, shared: ByHand, tmp_path: Path
) -> None:
    main = main_vpc(cloud)
    empty = cloud.inventory()
    aws = Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True)

    # GIVEN the backend and the function's package
    with permitted(cloud, "bootstrap"):
        provisioner("bootstrap", "--yes").ok()
    provisioner("package", "--out", tmp_path / "dist" / "accounting-function.zip").ok()

    # WHEN the shared ground is planned THEN it is private
    variables = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "main_vpc": main,
        "workflow_clients": {"workflow-service": main["cidr_blocks"][0]},
        "s3_use_path_style": True,
    }
    (shared.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
    shared("init", f"-backend-config={tmp_path / 'backend.hcl'}")
    require_private(planned_by(shared))

    # WHEN it is applied THEN a second plan changes nothing, the network is tight, and doctor finds no fault
    # AND the policies of who applies it are enough
    with permitted(cloud, "shared"):
        shared("apply", "shared.tfplan")
        shared("plan", "-detailed-exitcode")
    require_network(aws.ec2)
    report = provisioner("doctor", "--json").json
    assert report["ok"], [check for check in report["checks"] if not check["ok"]]
    ground = cloud.inventory()

    # WHEN a project comes up on it
    provisioner("apply", spec("efs"), "--yes").ok()
    # THEN it is ready, with a head node that only the Workflow Service reaches
    status = provisioner("status", "lab-1/proj-1", "--json").ok().json
    assert (status["phase"], status["cluster"]["status"]) == ("READY", "CREATE_COMPLETE")
    assert status["cluster"]["head_node_private_ip"].startswith("10.42.")
    # AND when it goes, the ground is as it was
    provisioner("destroy", "lab-1/proj-1", "--purge-data", "--now", "--confirm", "lab-1/proj-1").ok()
    assert cloud.inventory() == ground

    # WHEN somebody destroys the ground without more ado THEN what others stand on keeps it
    refused = shared("destroy", "-auto-approve", code=1)
    assert "module.public_data.aws_s3_bucket.this has lifecycle.prevent_destroy" in " ".join(refused.split())
    assert PROVIDER in refused
    assert cloud.inventory() == ground
    # WHEN it is taken down as docs/setup.md says THEN what is left is the database's last snapshot
    take_down(cloud, shared, aws)
    left = [one for one in cloud.inventory() if one not in empty and "provisioner-state" not in one["id"]]
    backend = {"table", "repository", "key", "alias"}
    assert [(one["service"], one["type"]) for one in left if one["type"] not in backend] == [
        ("logs", "log-group"),
        ("rds", "db-snapshot"),
    ], left


def take_down(cloud: LocalCloud, shared: ByHand, aws: Cloud) -> None:
    aws.cloudformation.delete_stack(StackName="parallelcluster-provider-3-16-1")
    shared("state", "rm", PROVIDER, "module.public_data", "module.nodes_bucket")
    for bucket in BUCKETS:
        empty_bucket(aws, bucket, account_id=ACCOUNT)
        aws.s3.delete_bucket(Bucket=bucket)
    aws.rds.modify_db_instance(DBInstanceIdentifier=DATABASE, DeletionProtection=False, ApplyImmediately=True)
    with permitted(cloud, "shared"):
        shared("destroy", "-auto-approve")
