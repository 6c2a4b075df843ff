"""Every Terraform module: its own tests (mocked provider), and validation of it and its example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.operations.installation import base_folder
from engine.terraform.environment import terraform_environment
from engine.terraform.programs import start_helper
from engine.terraform.provider import PrivateProvider, Reuse
from engine.terraform.toolchain import Toolchain, prepare

MODULES = Path(__file__).parents[2] / "modules"
NAMES = sorted(path.name for path in MODULES.iterdir() if path.is_dir())
# What a module may have beside the usual parts: files that it hands on.
MATERIAL = {"files", "node.sh.tftpl", "policies", "tags.json"}
PARTS = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md", "tests", "examples"}

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Reuse:
    """What the engine remembers of the provider's package and of the types that all modules use."""
    return Reuse(tmp_path_factory.mktemp("known"), (MODULES,))


def terraform(toolchain: Toolchain, folder: Path, *arguments: str, known: Reuse | None = None) -> str:
    """known: work with one provider process, as the engine does; Terraform's test starts one for each run."""
    environment = terraform_environment(
        os.environ,
        cli_config=toolchain.cli_config,
        aws={"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"},
        local=True,
    )
    provider = PrivateProvider(folder, environment, known, start_helper)
    attached = provider.environment(needed=True)
    done = subprocess.run(
        [toolchain.binary, *arguments, "-no-color"],
        cwd=folder,
        env=environment | attached,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    provider.close()
    assert done.returncode == 0, f"terraform {arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of all modules: Terraform leaves its own folders in it, not in the checkout."""
    shutil.copytree(MODULES, tmp_path / "modules")
    return tmp_path / "modules"


@pytest.mark.parametrize("name", NAMES)
def test_module(name: str, copied: Path, toolchain: Toolchain, known: Reuse) -> None:
    shutil.rmtree(copied / name / "examples")  # which configure providers; the tests mock them
    terraform(toolchain, copied / name, "init", "-backend=false")
    ran = terraform(toolchain, copied / name, "test", known=known)
    assert "Success!" in ran
    assert " 0 passed" not in ran


def test_examples_are_valid(copied: Path, toolchain: Toolchain, known: Reuse) -> None:
    """All at once: most of a validation is the start of the provider."""
    together = copied.parent / "together"
    together.mkdir()
    calls = [f'module "{name}" {{\n  source = "../modules/{name}/examples/complete"\n}}\n' for name in NAMES]
    (together / "main.tf").write_text("\n".join(calls))
    terraform(toolchain, together, "init", "-backend=false")
    terraform(toolchain, together, "validate", known=known)


@pytest.mark.parametrize("name", NAMES)
def test_module_has_its_parts_and_no_provider_block(name: str) -> None:
    found = {path.name for path in (MODULES / name).iterdir()} - MATERIAL
    assert found >= PARTS
    # A module too long for one main.tf has a file for each subject.
    assert all(extra.endswith(".tf") for extra in found - PARTS)
    for path in (MODULES / name).glob("*.tf"):
        assert 'provider "' not in path.read_text("utf-8")
        assert 'backend "' not in path.read_text("utf-8")


# What would give a project a way to or from the Internet.
PUBLIC = (
    "aws_internet_gateway",
    "aws_internet_gateway_attachment",
    "aws_egress_only_internet_gateway",
    "aws_nat_gateway",
    "aws_eip",
    "aws_eip_association",
    "aws_ec2_carrier_gateway",
    "aws_vpn_gateway",
    "aws_ec2_transit_gateway_vpc_attachment",
    "aws_vpc_ipv6_cidr_block_association",
)


@pytest.mark.parametrize("name", NAMES)
def test_module_makes_no_way_to_the_internet(name: str) -> None:
    for path in (MODULES / name).glob("*.tf"):
        text = path.read_text("utf-8")
        made = set(re.findall(r'^resource "(\w+)"', text, flags=re.MULTILINE))
        assert made.isdisjoint(PUBLIC), path
        for setting in ("map_public_ip_on_launch", "associate_public_ip_address", "publicly_accessible"):
            assert not re.search(rf"\b{setting}\s*=(?!\s*false\b)", text), f"{setting} in {path}"
