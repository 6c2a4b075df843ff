"""The local cloud as a process: up, down, status, and what is left when it dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from engine.errors import BackendError
from engine.local import control
from engine.local.durations import Durations
from engine.local.run_file import RunFiles
from engine.local.shared_names import SharedNames


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    control.down(home)


def test_up_status_environment_down(home):
    # GIVEN nothing
    assert control.status(home).state == "stopped"
    with pytest.raises(BackendError, match="stopped"):
        control.environment(control.status(home))
    # WHEN it is brought up
    status = control.up(
        home, durations=Durations(fsx_create_s=1.5), names=SharedNames(public_bucket="open-data")
    )
    # THEN it answers, as asked for
    assert (status.state, status.record.account_id) == ("running", "123456789012")
    variables = control.environment(status)
    assert variables["AWS_ENDPOINT_URL"] == variables["PROVISIONER_ENDPOINT_URL"] == status.record.endpoint
    assert (variables["PROVISIONER_CLOUD"], variables["AWS_EC2_METADATA_DISABLED"]) == ("local", "true")
    s3 = boto3.client(
        "s3",
        endpoint_url=status.record.endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        region_name="us-east-1",
    )
    assert "open-data" in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    # AND its files are private, and say the same
    assert oct(RunFiles(home).folder.stat().st_mode & 0o777) == "0o700"
    assert json.loads(RunFiles(home).record.read_text())["instance_id"] == status.record.instance_id
    # WHEN it is brought up again THEN it is the same one
    assert control.up(home) == status
    # WHEN it is taken down, twice THEN nothing is left, the process neither
    assert control.down(home).state == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(status.record.pid, 0)
    assert control.down(home).state == "stopped"
    assert not RunFiles(home).record.exists()
    assert not RunFiles(home).held()


def test_a_killed_one_is_stale_and_is_replaced(home):
    first = control.up(home)
    os.kill(first.record.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while RunFiles(home).held() and time.monotonic() < deadline:
        time.sleep(0.02)
    stale = control.status(home)
    assert (stale.state, stale.record) == ("stale", first.record)
    assert str(first.record.pid) in stale.detail
    second = control.up(home)
    assert second.state == "running"
    assert second.record.instance_id != first.record.instance_id


def test_another_cloud_at_the_same_address_is_not_ours(home):
    # GIVEN a run file that names an instance which is no more, at an address where another one answers
    running = control.up(home)
    files = RunFiles(home)
    files.write(replace(running.record, instance_id="of-yesterday"))
    # THEN it is stale
    found = control.status(home)
    assert found.state == "stale"
    assert "another instance" in found.detail
    files.write(running.record)


def test_down_never_ends_a_process_that_is_not_a_cloud(home):
    """Process ids are reused; only the lock proves that it is ours."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        files = RunFiles(home)
        files.folder.mkdir(parents=True)
        status = control.up(home)
        record = status.record
        control.down(home)
        files.write(replace(record, pid=bystander.pid))
        assert control.status(home).state == "stale"
        assert control.down(home).state == "stopped"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_one_that_cannot_start_says_why(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BackendError) as refused:
            control.up(home, port=port)
    assert "did not start" in refused.value.message
    assert str(port) in refused.value.message
    assert str(RunFiles(home).log) in refused.value.hint
    assert control.status(home).state == "stopped"


def test_a_second_daemon_of_a_home_gives_way(home):
    control.up(home)
    second = subprocess.run(
        [sys.executable, "-m", "engine.local", "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 3
    assert "already running" in second.stderr
    assert control.status(home).state == "running"


def test_looking_at_it_does_not_load_moto():
    """`provisioner status` must start fast, and moto is an optional extra."""
    code = "import sys, engine.local.control; sys.exit(bool({'moto', 'boto3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_empty_one_has_no_shared_infrastructure(home):
    status = control.up(home, empty=True)
    ec2 = boto3.client(
        "ec2",
        endpoint_url=status.record.endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        region_name="us-east-1",
    )
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:provisioner:shared", "Values": ["vpc"]}])["Vpcs"] == []
