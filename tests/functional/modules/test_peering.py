"""Peering with a VPC of another account, made by real Terraform and given back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.operations.installation import base_folder
from engine.terraform.toolchain import prepare

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(900)]
MODULES = Path(__file__).parents[3] / "modules"
QUICK = Durations(endpoint_create_s=1, endpoint_delete_s=0.5)
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
    example("peering", "apply", "-auto-approve", role)
    example("peering", "plan", "-detailed-exitcode", role)
    peering = cloud.client("ec2").describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert peering["Status"]["Code"] == "active"
    assert peering["AccepterVpcInfo"]["OwnerId"] == "222222222222"
    example("peering", "destroy", "-auto-approve", role)
    assert [item for item in cloud.inventory() if item not in empty] == []
