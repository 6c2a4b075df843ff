"""One provider for the commands of one run: the same results, never another run's, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.terraform.packages import ADDRESS, package_digest
from engine.terraform.provider import Reuse
from engine.terraform.runner import Runner
from tests.functional.conftest import interrupted_after, wait_for_answer

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Workplace

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

VERSIONS = (
    'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n    }\n  }\n}\n'
)
LOCK = Path(__file__).parents[3] / "engine" / "workspace" / "templates" / "terraform.lock.hcl"
LUSTRE = """
data "aws_subnets" "all" {}
data "aws_subnet" "this" {
  id = data.aws_subnets.all.ids[0]
}
resource "aws_security_group" "this" {
  vpc_id = data.aws_subnet.this.vpc_id
  ingress {
    protocol  = "-1"
    from_port = 0
    to_port   = 0
    self      = true
  }
  egress {
    protocol  = "-1"
    from_port = 0
    to_port   = 0
    self      = true
  }
}
resource "aws_fsx_lustre_file_system" "this" {
  storage_capacity   = 1200
  subnet_ids         = [data.aws_subnet.this.id]
  security_group_ids = [aws_security_group.this.id]
  deployment_type    = "SCRATCH_2"
}
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=Durations(fsx_create_s=60.0)) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that knows the provider's package after the first test."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def here(workplace: Workplace, cloud: LocalCloud) -> Workplace:
    workplace.aws.update(cloud.environment())
    (workplace.folder / ".terraform.lock.hcl").write_text(LOCK.read_text())
    return workplace


def root(bucket: str, owner: str = "one") -> str:
    path_style = "  s3_use_path_style = true\n"
    tags = f'  default_tags {{\n    tags = {{\n      owner = "{owner}"\n    }}\n  }}\n'
    resource = f'resource "aws_s3_bucket" "this" {{\n  bucket = "{bucket}"\n}}\n'
    return f'{VERSIONS}provider "aws" {{\n{path_style}{tags}}}\n{resource}'


def hosts(runner: Runner | None = None, parent: int | None = None) -> list[int]:
    """The hosts that this process, or another one, has started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if b"engine.terraform.provider_host" in command and int(fields[1]) == (parent or os.getpid()):
            found.append(int(status.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sockets(pid: int) -> Path:
    """The folder of a host's sockets."""
    (socket,) = [
        line.split()[-1]
        for line in Path("/proc/net/unix").read_text().splitlines()
        if line.endswith("/terraform.sock") and _holds(pid, line.split()[6])
    ]
    return Path(socket).parent


def _holds(pid: int, inode: str) -> bool:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(link.is_symlink() and str(link.readlink()) == f"socket:[{inode}]" for link in links)


def wait_until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_one_provider_serves_a_run_and_says_what_terraforms_own_would(here: Workplace, known: Path) -> None:
    # GIVEN a run whose provider is kept, and one beside it in Terraform's own way
    kept, own = here.write(root("bucket-1")).runner(reuse=Reuse(known)), here.runner()
    kept.init()
    kept.plan(here.plan)
    (host,) = hosts()
    folder = sockets(host)
    assert folder.stat().st_mode & 0o077 == 0

    # WHEN it plans, shows, applies and plans again
    shown, shown_by_own = kept.show_plan(here.plan), own.show_plan(here.plan)
    # AND another runner, as that of the operation that applies, goes on from the one that planned
    planned, kept = kept, here.runner(reuse=Reuse(known))
    kept.go_on_from(planned)
    kept.apply(here.plan)
    assert hosts() == [host]
    assert kept.state() == own.state()

    # THEN everything is as in Terraform's own way, by one provider
    assert shown == shown_by_own
    assert hosts() == [host] and len(children(host)) == 1
    assert not kept.plan(here.plan).has_changes
    assert not own.plan(here.plan).has_changes
    own.apply(here.plan)

    # AND when the run is over, nothing is left
    (provider,) = children(host)
    kept.close()
    wait_until(lambda: not alive(host) and not alive(provider) and not folder.exists())
    # AND a run that is forgotten takes its provider with it
    other = here.runner(reuse=Reuse(known))
    other.validate()
    (host,) = hosts()
    del other
    wait_until(lambda: not alive(host))


def test_what_is_only_in_the_state_is_planned_in_terraforms_own_way(here: Workplace, known: Path) -> None:
    # GIVEN a resource of a type that the root no longer speaks of
    runner = here.write(root("bucket-2")).runner(reuse=Reuse(known))
    runner.init()
    runner.plan(here.plan)
    runner.apply(here.plan)
    here.write(root("bucket-2").partition("resource")[0])
    # WHEN it is planned by a run that does not know that type
    runner = here.runner(reuse=Reuse(known))
    assert runner.plan(here.plan).has_changes
    # THEN it is to go
    (change,) = runner.show_plan(here.plan)["resource_changes"]
    assert (change["address"], change["change"]["actions"]) == ("aws_s3_bucket.this", ["delete"])
    # BUT one that knows the type needs no second try
    (here.folder.parent / "more").mkdir()
    (here.folder.parent / "more" / "main.tf").write_text(root("any"))
    here.events.clear()
    runner = here.runner(reuse=Reuse(known, (here.folder.parent / "more",)))
    assert runner.plan(here.plan).has_changes
    assert len([kind for kind in here.kinds() if kind == "CommandStarted"]) == 1
    runner.apply(here.plan)


def test_two_runs_at_once_never_see_each_others_tags(here: Workplace, known: Path) -> None:
    # GIVEN two roots that differ in their owner alone
    owners = ("one", "two")
    folders = {owner: here.folder.parent / owner for owner in owners}
    runners: dict[str, Runner] = {}
    for owner, folder in folders.items():
        folder.mkdir()
        (folder / ".terraform.lock.hcl").write_text(LOCK.read_text())
        (folder / "main.tf").write_text(root(f"bucket-{owner}", owner))
        runners[owner] = Runner(
            folder, binary=here.tools.binary, env=here.environment(), log_path=here.log, reuse=Reuse(known)
        )
        runners[owner].init()
    found: list[tuple[str, str]] = []

    # WHEN they plan at the same time, again and again
    def plan(owner: str) -> None:
        for _ in range(4):
            runners[owner].plan(folders[owner] / "plan")
            (change,) = runners[owner].show_plan(folders[owner] / "plan")["resource_changes"]
            found.append((owner, change["change"]["after"]["tags_all"]["owner"]))

    threads = [threading.Thread(target=plan, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # THEN each has its own, by a provider of its own
    assert sorted(found) == [("one", "one")] * 4 + [("two", "two")] * 4
    assert len(hosts()) == 2
    for runner in runners.values():
        runner.close()


def test_an_interrupted_apply_keeps_what_the_provider_was_making(
    here: Workplace, known: Path, cloud: LocalCloud
) -> None:
    runner = here.write(VERSIONS + LUSTRE).runner(reuse=Reuse(known))
    runner.init()
    runner.plan(here.plan)
    with interrupted_after(cloud, "CreateFileSystem", runner.interrupt):
        runner.apply(here.plan)
    require_tainted(runner, cloud)
    # AND the provider goes on to serve
    (host,) = hosts()
    assert runner.plan(here.plan).has_changes
    assert hosts() == [host]
    runner.close()


# An engine of its own: argv is folder, binary, log, CLI configuration, home.
ENGINE = """
import os, sys
from pathlib import Path
from engine.terraform.provider import Reuse
from engine.terraform.runner import Runner
folder, binary, log, config, home = sys.argv[1:]
env = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH", "HOME"))}
runner = Runner(Path(folder), binary=Path(binary), env=env | {"TF_CLI_CONFIG_FILE": config},
                log_path=Path(log), reuse=Reuse(Path(home)))
runner.apply(Path(folder, "project.tfplan"))
"""


def test_a_killed_engine_leaves_terraform_its_provider_until_the_state_is_saved(
    here: Workplace, known: Path, cloud: LocalCloud
) -> None:
    # GIVEN an apply that waits for its provider, which waits for AWS
    runner = here.write(VERSIONS + LUSTRE).runner()
    runner.init()
    runner.plan(here.plan)
    arguments = [here.folder, here.tools.binary, here.log, here.tools.cli_config, known]
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, *map(str, arguments)],
        cwd=Path(__file__).parents[3],
        env=here.environment(),
    )
    wait_for_answer(cloud, "CreateFileSystem")
    (host,) = hosts(parent=engine.pid)
    (provider,) = children(host)
    lock = here.folder / ".terraform.tfstate.lock.info"
    assert lock.exists()

    # WHEN the engine is killed, and its whole group told to stop
    engine.kill()
    engine.wait()

    # THEN Terraform saves what the provider was making and releases its lock; then the provider goes
    wait_until(lambda: not lock.exists())
    require_tainted(runner, cloud)
    wait_until(lambda: not alive(host) and not alive(provider))


def require_tainted(runner: Runner, cloud: LocalCloud) -> None:
    made = [one["FileSystemId"] for one in cloud.client("fsx").describe_file_systems()["FileSystems"]]
    (instance,) = [
        one
        for resource in runner.state()["resources"]
        if resource["type"] == "aws_fsx_lustre_file_system"
        for one in resource["instances"]
    ]
    assert instance["status"] == "tainted"
    assert instance["attributes"]["id"] in made


def test_a_provider_that_was_killed_is_replaced_by_terraforms_own(here: Workplace, known: Path) -> None:
    runner = here.write(root("bucket-3")).runner(reuse=Reuse(known))
    runner.init()
    runner.plan(here.plan)
    (host,) = hosts()
    (provider,) = children(host)
    folder = sockets(host)
    # WHEN the host is killed THEN its provider goes as well
    os.kill(host, signal.SIGKILL)
    wait_until(lambda: not alive(host) and not alive(provider))
    # AND the next command works, in Terraform's own way
    assert runner.plan(here.plan).has_changes
    assert hosts() == []
    shutil.rmtree(folder)  # which nobody is left to remove


# Says what it was told of a provider.
TELLING = """
chosen=.terraform/providers/{address}/5.100.0
case "$1" in
  init) mkdir -p $chosen && ln -sfn "{package}" $chosen/any ;;
  *) echo "$1 ${{TF_REATTACH_PROVIDERS:-itself}}" >> told; echo '{{}}' ;;
esac
"""
# Pretends to be a provider that listens where it is told to.
LISTENING = """
echo "Provider started."
cat <<END
  TF_REATTACH_PROVIDERS='{"any":{"ProtocolVersion":%s,"Addr":{"Network":"unix","String":"%s/s"}}}'
END
exec sleep 60
"""


@pytest.fixture
def told(workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path) -> Callable[..., str]:
    """`told(...)` validates with a provider that is a script, and gives what Terraform was told of it."""

    def validate(
        provider: str = LISTENING % (5, "$PLUGIN_UNIX_SOCKET_DIR"),
        main: str = "",
        reuse: bool = True,
        **env: str,
    ) -> str:
        program = pretender(provider, "terraform-provider-aws_v5.100.0_x5")
        package = program.parent
        pins = (
            f'provider "{ADDRESS}" {{\n  version = "5.100.0"\n  hashes = ["{package_digest(package)}"]\n}}\n'
        )
        (workplace.folder / ".terraform.lock.hcl").write_text(pins)
        (tmp_path / "tool").mkdir(exist_ok=True)
        terraform = tmp_path / "tool" / "terraform"
        terraform.write_text("#!/bin/sh\n" + TELLING.format(address=ADDRESS, package=package))
        terraform.chmod(0o755)
        runner = workplace.write(main).runner(
            binary=terraform,
            env=workplace.environment() | env,
            reuse=Reuse(tmp_path / "home") if reuse else None,
        )
        runner.init()
        runner.validate()
        runner.close()
        return (workplace.folder / "told").read_text().splitlines()[-1].removeprefix("validate ")

    return validate


def test_terraform_is_told_of_the_provider(told: Callable[..., str]) -> None:
    attach = json.loads(told())[ADDRESS]
    assert (attach["ProtocolVersion"], attach["Test"], attach["Addr"]["Network"]) == (5, True, "unix")


TWO = 'provider "aws" {}\nprovider "aws" {\n  alias = "other"\n}\n'


@pytest.mark.parametrize(
    "why",
    [
        {"reuse": False},
        {"AWS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"},
        {"main": 'provider "aws" {\n  custom_ca_bundle = "any"\n}\n'},
        {"main": TWO},
        {"provider": "exit 1"},
        {"provider": "echo nothing of use; exit 0"},
        {"provider": LISTENING % (6, "$PLUGIN_UNIX_SOCKET_DIR")},
        {"provider": LISTENING % (5, "/tmp")},
    ],
    ids=["off", "bundle", "custom bundle", "two", "ends", "says nothing", "protocol", "public socket"],
)
def test_terraform_starts_the_provider_itself(told: Callable[..., str], why: dict[str, Any]) -> None:
    assert told(**why) == "itself"
    wait_until(lambda: hosts() == [])


def test_certificates_in_the_configuration_file(told: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nca_bundle = /etc/ssl/certs/ca-certificates.crt\n")
    assert told(AWS_CONFIG_FILE=str(tmp_path / "config")) == "itself"


def test_a_package_that_was_changed_is_terraforms_to_refuse(
    told: Callable[..., str], workplace: Workplace, tmp_path: Path
) -> None:
    assert told() != "itself"
    lock = (workplace.folder / ".terraform.lock.hcl").read_text()
    (tmp_path / "bin" / "terraform-provider-aws_v5.100.0_x5").write_text("#!/bin/sh\nsleep 60\n")
    runner = workplace.runner(binary=tmp_path / "tool" / "terraform", reuse=Reuse(tmp_path / "home"))
    assert (workplace.folder / ".terraform.lock.hcl").read_text() == lock
    runner.validate()
    assert (workplace.folder / "told").read_text().splitlines()[-1] == "validate itself"
