"""Every Terraform module: its own tests (mocked provider), and validation of it and its example."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.cli.invocation import base_folder
from engine.terraform.environment import terraform_environment
from engine.terraform.toolchain import Toolchain, prepare

MODULES = Path(__file__).parents[2] / "modules"
NAMES = sorted(path.name for path in MODULES.iterdir() if path.is_dir())
# What a module may have beside the usual parts: files that it hands on.
MATERIAL = {"scripts", "policies", "tags.json"}
PARTS = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md", "tests", "examples"}

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)


def terraform(toolchain: Toolchain, folder: Path, *arguments: str) -> str:
    environment = terraform_environment(
        os.environ,
        cli_config=toolchain.cli_config,
        aws={"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"},
        local=True,
    )
    done = subprocess.run(
        [toolchain.binary, *arguments, "-no-color"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"terraform {arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of all modules: Terraform leaves its own folders in it, not in the checkout."""
    shutil.copytree(MODULES, tmp_path / "modules")
    return tmp_path / "modules"


@pytest.mark.parametrize("name", NAMES)
def test_module(name: str, copied: Path, toolchain: Toolchain) -> None:
    terraform(toolchain, copied / name, "init", "-backend=false")
    terraform(toolchain, copied / name, "validate")
    ran = terraform(toolchain, copied / name, "test")
    assert "Success!" in ran
    assert " 0 passed" not in ran


@pytest.mark.parametrize("name", NAMES)
def test_example_is_valid(name: str, copied: Path, toolchain: Toolchain) -> None:
    example = copied / name / "examples" / "complete"
    terraform(toolchain, example, "init", "-backend=false")
    terraform(toolchain, example, "validate")


@pytest.mark.parametrize("name", NAMES)
def test_module_has_its_parts_and_no_provider_block(name: str) -> None:
    assert {path.name for path in (MODULES / name).iterdir()} - MATERIAL == PARTS
    for path in (MODULES / name).glob("*.tf"):
        assert 'provider "' not in path.read_text("utf-8")
        assert 'backend "' not in path.read_text("utf-8")
