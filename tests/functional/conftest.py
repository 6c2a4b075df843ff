"""A local cloud for each test process, and the command line run against it as a user would."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.cli.main import run
from engine.errors import TerraformInterrupted
from engine.local.calls import Request
from engine.local.clock import SteppedClock
from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.engine import Engine, open_engine
from engine.operations.installation import base_folder
from engine.operations.reporting import Silent
from engine.terraform.toolchain import prepare
from tests.functional.mariadb import MariaDbServer, running_mariadb

QUICK = Durations(
    cluster_create_s=1.0,
    cluster_update_s=1.0,
    cluster_delete_s=0.5,
    fsx_create_s=1.0,
    fsx_delete_s=0.3,
    dra_create_s=0.3,
    task_s=0.3,
    efs_mount_target_s=0.2,
)

PROVIDER_KNOWLEDGE = ("provider-packages.json", "provider-schemas")


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Ended:
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self

    def refused(self, code: int, *texts: str) -> Ended:
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.out}\n{self.err}"
        for text in texts:
            assert text in self.err, f"{text!r} is not said in:\n{self.err}"
        return self


Provisioner = Callable[..., Ended]


class LeapingClock(SteppedClock):
    """Real time, and what a test has added to it."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def now(self) -> float:
        return time.time() + super().now()


@contextmanager
def answer_to(cloud: LocalCloud, operation: str) -> Iterator[threading.Event]:
    """An event that is set once an AWS call of this operation ("CreateFileSystem") has its answer."""
    answered = threading.Event()

    def hear(request: Request) -> None:
        if request.operation == operation:
            answered.set()

    with cloud.heard(hear, answered=True):
        yield answered


def wait_for_answer(cloud: LocalCloud, operation: str, *, within_s: float = 240.0) -> None:
    """Until the provider waits for what it has asked for: it has the answer to this call.

    One that is stopped before that does not know what it has made, and neither does the state.
    """
    with answer_to(cloud, operation) as answered:
        assert answered.wait(within_s), f"no {operation} was answered"
    time.sleep(3)  # it has been read, on a busy machine too


@contextmanager
def interrupted_after(cloud: LocalCloud, operation: str, interrupt: Callable[[], None]) -> Iterator[None]:
    """What is done in here must end interrupted: it is while the provider waits for what this call began."""

    def stop() -> None:
        try:
            wait_for_answer(cloud, operation)
        finally:
            interrupt()  # without that call, too, or Terraform would go on until the test's time is up

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    with pytest.raises(TerraformInterrupted):
        yield
    stopper.join()


@pytest.fixture(scope="session")
def terraform() -> str:
    """The Terraform of this checkout, found or downloaded by `make setup`."""
    return str(prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ).binary)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    """A real MariaDB server; tests that use it are marked xdist_group("mariadb"), so that one starts."""
    with running_mariadb() as server:
        yield server


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[LocalCloud]:
    """A local cloud that is seeded and otherwise empty; other arguments by indirect parametrization."""
    with LocalCloud(**{"durations": QUICK, **getattr(request, "param", {})}) as cloud:
        yield cloud


def _make_backend(
    aws: Cloud,
    *,
    state_bucket: str = "provisioner-state-123456789012-us-east-1",
    lock_table: str = "provisioner-terraform-locks",
    registry_table: str = "provisioner-registry",
) -> None:
    """As much of the backend as doctor looks at; `provisioner bootstrap` would take a minute for it."""
    place = {} if aws.region == "us-east-1" else {"LocationConstraint": aws.region}
    aws.s3.create_bucket(Bucket=state_bucket, **({"CreateBucketConfiguration": place} if place else {}))
    aws.s3.put_bucket_versioning(Bucket=state_bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    aws.s3.put_bucket_encryption(Bucket=state_bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    aws.s3.put_public_access_block(
        Bucket=state_bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True)
    )
    make_table(aws, lock_table, "LockID")
    make_table(aws, registry_table, "pk", "sk")


def make_table(aws: Cloud, name: str, *keys: str) -> None:
    """A table with these keys, the partition's first."""
    aws.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


@pytest.fixture(scope="session")
def make_backend() -> Callable[..., None]:
    """`make_backend(aws)` makes state bucket, lock table and registry table, under other names if asked."""
    return _make_backend


@pytest.fixture
def backend(cloud: LocalCloud) -> Cloud:
    """The account has its backend; gives the way to AWS."""
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    _make_backend(aws)
    return aws


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens, for as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def engine(cloud: LocalCloud, tmp_path: Path) -> Engine:
    """The engine without a command line, on the test's local cloud; its folders are below tmp_path."""
    settings = load_settings(environ={}, flags={"endpoint_url": cloud.endpoint}).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())


@pytest.fixture(scope="session")
def known_provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What earlier tests came to know of the provider, as a home folder does from its second run on."""
    return tmp_path_factory.mktemp("known-provider")


def _carry(source: Path, target: Path) -> None:
    for name in PROVIDER_KNOWLEDGE:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        elif (source / name).is_file():
            target.mkdir(exist_ok=True)
            shutil.copy2(source / name, target / name)


@pytest.fixture
def provisioner(
    cloud: LocalCloud,
    terraform: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    known_provider: Path,
) -> Iterator[Provisioner]:
    """`provisioner("plan", spec)` runs the command line in this process, its folders under tmp_path."""
    _carry(known_provider, tmp_path / "home")
    monkeypatch.setenv("PROVISIONER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROVISIONER_WORKSPACES_DIR", str(tmp_path / "projects"))
    monkeypatch.setenv("PROVISIONER_ENDPOINT_URL", cloud.endpoint)
    monkeypatch.setenv("PROVISIONER_TERRAFORM", terraform)
    # Who waits for somebody else's lock is tested where that matters.
    monkeypatch.setenv("PROVISIONER_LOCK_WAIT_S", "0")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    yield call
    _carry(tmp_path / "home", known_provider)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Path]:
    """`spec("lustre", max_nodes=16)` writes a spec file and gives its path."""

    def write(storage: str = "lustre", project_id: str = "proj-1", **more: Any) -> Path:
        document = {
            "vlab_id": "lab-1",
            "project_id": project_id,
            "tier": "debug",
            "storage": {"kind": storage},
            **more,
        }
        path = tmp_path / f"{project_id}.yaml"
        path.write_text(json.dumps(document))
        return path

    return write
