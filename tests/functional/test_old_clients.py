"""The old clients against `provisioner serve`, from "up" to "gone", without a change."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.functional.service.serving import KEYS, Served, serving

CLIENTS = Path(__file__).parents[1] / "clients"
READER = """#!{python}
import sys
import boto3
client = boto3.client("secretsmanager", "us-east-1", endpoint_url="{endpoint}",
                      aws_access_key_id="local", aws_secret_access_key="local")
print(client.get_secret_value(SecretId=sys.argv[1])["SecretString"], end="")
"""

Client = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def service(cloud: LocalCloud, backend: Cloud, terraform: str, tmp_path: Path) -> Iterator[Served]:
    """`provisioner serve` on the test's local cloud."""
    with serving(cloud.endpoint, terraform, tmp_path) as service:
        yield service


@pytest.fixture
def client(service: Served, cloud: LocalCloud, tmp_path: Path) -> Client:
    """`client("up", "lab_proj")` runs a script as the person at a terminal does."""
    reader = tmp_path / "read-secret"
    reader.write_text(READER.format(python=sys.executable, endpoint=cloud.endpoint))
    reader.chmod(0o700)
    environment = os.environ | KEYS | {"API": f"{service.url}/production", "SECRET_READER": str(reader)}

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(CLIENTS / name), *arguments], env=environment, capture_output=True, text=True, timeout=60
        )

    return run


def wait_for(
    client: Client, wanted: Callable[[subprocess.CompletedProcess[str]], bool], within_s: float
) -> str:
    """Look again and again, as the clients do, until it is so; gives what was last said."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = client("status", "lab_proj")
        if wanted(found):
            return found.stdout
        assert "FAILED" not in found.stdout, found.stdout
        time.sleep(2)
    raise AssertionError(f"after {within_s} s: {found.stdout}{found.stderr}")


@pytest.mark.terraform
@pytest.mark.timeout(600)
def test_from_up_to_gone(client: Client, service: Served, cloud: LocalCloud, tmp_path: Path) -> None:
    # WHEN somebody asks for a cluster THEN both keys are theirs at once, and it is on its way
    up = client("up", "lab_proj", str(tmp_path), "debug", "false")
    assert up.returncode == 0, up.stderr
    keys = [tmp_path / f"lab_proj.{who}.pem" for who in ("admin", "user")]
    assert all("PRIVATE KEY" in key.read_text() for key in keys)
    assert client("status", "lab_proj").stdout.split() == ["CREATE_IN_PROGRESS"]
    # THEN it comes up, and the line to sign in with is told
    ready = wait_for(client, lambda found: "CREATE_COMPLETE" in found.stdout, 300)
    assert "ssh sim@10." in ready
    name, status, *_ = client("list").stdout.split()
    assert (name, status) == (up.stdout.strip(), "CREATE_COMPLETE")
    # WHEN it is asked for again THEN it is the same one
    assert client("up", "lab_proj", str(tmp_path)).stdout == up.stdout
    # WHEN it is given up THEN it goes, and its keys with it; the project's bucket stays
    down = client("down", "lab_proj", str(tmp_path))
    assert down.stdout.split() == ["DELETE_IN_PROGRESS"], down.stderr
    assert not any(key.exists() for key in keys)
    gone = wait_for(client, lambda found: found.returncode == 1 and "UNKNOWN_PROJECT" in found.stderr, 300)
    assert gone == "" and client("list").stdout == ""
    left = cloud.left_over()
    assert any(line.startswith("s3 bucket pc-") for line in left)
    assert not any("key-pair" in line or "/ssh-key" in line or "/user-key" in line for line in left)
    # WHEN the service is told to end THEN it does, with its worker
    assert service.end() == 0
