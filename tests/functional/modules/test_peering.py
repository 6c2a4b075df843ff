"""Peering with a VPC of another account, made by real Terraform and given back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.local.calls import Request
from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.operations.installation import base_folder
from engine.terraform.toolchain import prepare
from tests.policies.permissions import CALLER

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(900)]
DOCS = Path(__file__).parents[3] / "docs"
MODULES = Path(__file__).parents[3] / "modules"
QUICK = Durations(endpoint_create_s=1, endpoint_delete_s=0.5)
# In earnest the main VPC and its route tables are there already.
OF_THE_EXAMPLE = {
    "ec2:CreateRouteTable",
    "ec2:CreateVpc",
    "ec2:DeleteRouteTable",
    "ec2:DeleteVpc",
    "ec2:ModifyVpcAttribute",
}
Run = subprocess.CompletedProcess[str]


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK, seeded=False) as cloud:
        yield cloud


@pytest.fixture
def example(cloud: LocalCloud, tmp_path: Path) -> Callable[..., Run]:
    """`example("peering", "apply", ...)` runs Terraform in the example of a module."""
    tools = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    shutil.copytree(MODULES, tmp_path / "modules")
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TF_INPUT": "0",
        "TF_CLI_CONFIG_FILE": str(tools.cli_config),
        **cloud.environment(),
    }

    def call(module: str, command: str, *arguments: str, code: int = 0) -> Run:
        done = subprocess.run(
            [str(tools.binary), command, *arguments, "-no-color"],
            cwd=tmp_path / "modules" / module / "examples" / "complete",
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"terraform {command}\n{done.stdout}\n{done.stderr}"
        return done

    return call


def test_peering_with_another_account(cloud: LocalCloud, example: Callable[..., Run]) -> None:
    role = "-var=main_role_arn=arn:aws:iam::222222222222:role/peering"
    empty = cloud.inventory()
    example("peering", "init")
    # What is asked of the other account is signed with the keys of the role there.
    asked: set[str] = set()

    def hear(request: Request) -> None:
        if request.signer not in ("", CALLER) and request.service != "sts":
            asked.add(f"{request.service}:{request.operation}")
            asked.update({"ec2:CreateTags"} if b"TagSpecification.1." in request.body else ())

    with cloud.heard(hear):
        example("peering", "apply", "-auto-approve", role)
        example("peering", "plan", "-detailed-exitcode", role)
    peering = cloud.client("ec2").describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert peering["Status"]["Code"] == "active"
    assert peering["AccepterVpcInfo"]["OwnerId"] == "222222222222"
    with cloud.heard(hear):
        example("peering", "destroy", "-auto-approve", role)
    assert [item for item in cloud.inventory() if item not in empty] == []
    # AND what that role needs for it is on the page that whoever makes it reads
    assert "ec2:AcceptVpcPeeringConnection" in asked
    told = set(re.findall(r"`(ec2:\w+)`", paragraph("A main VPC in another account")))
    changes = {action for action in asked if not action.startswith("ec2:Describe")}
    assert changes - told - OF_THE_EXAMPLE == set()


def paragraph(begins: str) -> str:
    """The paragraph of docs/setup.md that begins so."""
    (found,) = [one for one in (DOCS / "setup.md").read_text("utf-8").split("\n\n") if one.startswith(begins)]
    return found
