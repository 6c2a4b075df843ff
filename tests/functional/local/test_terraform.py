"""The real AWS provider against the local cloud: no error, no lasting difference, nothing left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.invocation import base_folder
from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.terraform.toolchain import prepare

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]
ROOT = (Path(__file__).parent / "provider.tf").read_text("utf-8")
QUICK = Durations(
    cluster_create_s=1, cluster_update_s=1, cluster_delete_s=0.5, fsx_create_s=1, dra_create_s=0.5
)


@pytest.fixture
def cloud():
    with LocalCloud(durations=QUICK) as cloud:
        yield cloud


@pytest.fixture
def terraform(cloud, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    tools = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    (tmp_path / "main.tf").write_text(ROOT)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TF_INPUT": "0",
        "TF_CLI_CONFIG_FILE": str(tools.cli_config),
        **cloud.environment(),
    }

    def call(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(tools.binary), command, "-no-color", *arguments],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def remove_file_systems(cloud: LocalCloud) -> None:
    fsx = cloud.client("fsx")
    cloud.set_durations(fsx_delete_s=0, dra_delete_s=0)
    for system in fsx.describe_file_systems()["FileSystems"]:
        fsx.delete_file_system(FileSystemId=system["FileSystemId"])
    assert not fsx.describe_file_systems()["FileSystems"]


def test_storage_network_and_a_cluster_through_the_provider(cloud, terraform):
    empty = cloud.inventory()
    assert terraform("init").returncode == 0
    applied = terraform("apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr
    assert terraform("output", "-raw", "status").stdout.startswith("CREATE_COMPLETE")

    # A second plan finds nothing to do.
    planned = terraform("plan", "-detailed-exitcode")
    assert planned.returncode == 0, planned.stdout

    # A larger queue is an update in place; another head node is refused, with its reason.
    updated = terraform("apply", "-auto-approve", "-var", "max_count=9")
    assert updated.returncode == 0, updated.stderr
    refused = terraform("apply", "-auto-approve", "-var", "max_count=9", "-var", "head_node=t3.large")
    assert refused.returncode == 1
    assert "InstanceType" in refused.stderr
    assert terraform("plan", "-detailed-exitcode", "-var", "max_count=9").returncode == 0

    # The provider looks at a file system it deletes after ten minutes at the earliest; boto3 need not
    # wait, and Terraform takes note.
    remove_file_systems(cloud)

    # Nothing is left but the cluster's log group, which ParallelCluster keeps.
    destroyed = terraform("destroy", "-auto-approve", "-var", "max_count=9")
    assert destroyed.returncode == 0, destroyed.stderr
    left = [item for item in cloud.inventory() if item not in empty]
    assert [item["type"] for item in left] == ["log-group"]
