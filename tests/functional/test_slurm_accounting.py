"""The accounting database with real Terraform: from nothing to a last snapshot."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.invocation import base_folder
from engine.local.server import LocalCloud
from engine.terraform.environment import terraform_environment
from engine.terraform.toolchain import Toolchain, prepare
from tests.functional.conftest import QUICK

MODULES = Path(__file__).parents[2] / "modules"
NAME = "provisioner-slurm-accounting"

# The provider looks at a database for the first time a minute after it made or deleted it.
pytestmark = [pytest.mark.terraform, pytest.mark.timeout(500)]


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    durations = replace(QUICK, rds_create_s=1.0, rds_modify_s=0.5, rds_delete_s=0.5, lambda_network_s=0.0)
    with LocalCloud(durations=durations, seeded=False) as cloud:
        yield cloud


class Root:
    """The module's example in a folder of its own, against the local cloud."""

    def __init__(self, folder: Path, cloud: LocalCloud, toolchain: Toolchain, package: Path):
        self._folder = folder
        self._binary = toolchain.binary
        self._environment = terraform_environment(
            os.environ, cli_config=toolchain.cli_config, aws=cloud.environment(), local=True
        )
        self._environment["TF_VAR_function_package"] = str(package)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and everything that was said."""
        done = subprocess.run(
            [self._binary, *arguments, "-no-color", "-input=false"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        return done.returncode, done.stdout + done.stderr

    def ok(self, *arguments: str) -> str:
        code, said = self.run(*arguments)
        assert code == 0, said
        return said


@pytest.fixture
def root(cloud: LocalCloud, tmp_path: Path) -> Root:
    shutil.copytree(MODULES, tmp_path / "modules")
    package = tmp_path / "function.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("engine/accounting/handler.py", "def handle(event, context): ...\n")
    toolchain = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    example = tmp_path / "modules" / "slurm-accounting" / "examples" / "complete"
    return Root(example, cloud, toolchain, package)


def test_from_nothing_to_a_last_snapshot(cloud: LocalCloud, root: Root) -> None:
    root.ok("init")

    root.ok("apply", "-auto-approve")
    database = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"][0]
    function = cloud.client("lambda").get_function(FunctionName="provisioner-accounting")["Configuration"]
    variables = function["Environment"]["Variables"]
    assert variables["ACCOUNTING_DATABASE_HOST"] == database["Endpoint"]["Address"]
    assert variables["ACCOUNTING_MASTER_SECRET_ARN"] == database["MasterUserSecret"]["SecretArn"]
    assert "No changes." in root.ok("plan", "-detailed-exitcode")

    code, said = root.run("destroy", "-auto-approve")
    assert code == 1
    assert "disable deletion protection" in said
    assert f"rds db-instance {NAME}" in cloud.left_over()

    # By hand instead of by an apply, which would take one more minute.
    cloud.client("rds").modify_db_instance(DBInstanceIdentifier=NAME, DeletionProtection=False)
    root.ok("destroy", "-auto-approve", "-var", "deletion_protection=false")
    (left,) = cloud.left_over()
    assert left.startswith(f"rds db-snapshot {NAME}-final-")
