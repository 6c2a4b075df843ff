"""A node in a folder: the node software runs there as root would run it, with a fake of what it asks for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.cli.invocation import base_folder
from engine.terraform.toolchain import prepare

MODULE = Path(__file__).parents[2] / "modules" / "node-scripts"

# Stands for the AWS CLI: a bucket is a folder of $FAKE_S3.
FAKE_AWS = """#!{python}
import os, shutil, sys
arguments = [text for text in sys.argv[1:] if text != "--only-show-errors"]
print(*arguments, file=open(os.environ["FAKE_S3"] + "/calls", "a"))
if arguments[:2] != ["s3", "cp"] or len(arguments) != 4:
    sys.exit("fake aws: " + " ".join(arguments))
source, target = arguments[2:]
path = os.environ["FAKE_S3"] + "/" + source.removeprefix("s3://")
if not os.path.isfile(path):
    sys.exit(f"fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden")
shutil.copyfile(path, target)
"""


@dataclass
class Node:
    """root stands before every path; commands found in `bin` come before the machine's own.
    inside: what leads a command into the node's own mounts."""

    root: Path
    software: str
    inside: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "opt/provisioner/node"

    @property
    def s3(self) -> Path:
        return self.root / "s3"

    @property
    def log(self) -> str:
        return (self.root / "var/log/provisioner-node.log").read_text("utf-8")

    def command(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(python=sys.executable) if "{python}" in text else text, "utf-8")
        path.chmod(0o755)

    def put(self, url: str, content: str | bytes) -> None:
        path = self.s3 / url.removeprefix("s3://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def configure(self, config: dict[str, Any], url: str = "s3://project/nodes/pc/node.json") -> str:
        self.put(url, json.dumps(config))
        return url

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "PROVISIONER_ROOT": str(self.root),
            "PROVISIONER_RETRY_S": "0",
            "FAKE_S3": str(self.s3),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call node.sh as ParallelCluster does."""
        return subprocess.run(
            [*self.inside, "bash", "-s", "--", *arguments],
            input=self.software,
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def sh(self, script: str, *, uid: int = 0, gid: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a script in the node's folder, as somebody who is in no other group."""
        as_somebody = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        return subprocess.run(
            [*self.inside, *as_somebody, "bash", "-c", f"cd {self.root} || exit 1\n{script}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def told(self, script: str) -> str:
        """What a script of root's prints; it must succeed."""
        done = self.sh(script)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], str]:
    """Files -> node.sh, by Terraform itself."""
    binary = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ).binary

    def rendered(files: dict[str, str]) -> str:
        folder = tmp_path_factory.mktemp("console")
        (folder / "variables.tf").write_text('variable "files" {\n  type = map(string)\n}\n')
        (folder / "terraform.tfvars.json").write_text(json.dumps({"files": files}))
        template = MODULE / "node.sh.tftpl"
        values = '{ region = "eu-west-3", files = var.files }'
        expression = f'jsonencode(templatefile("{template}", {values}))'
        done = subprocess.run(
            [binary, "console"], input=expression, cwd=folder, capture_output=True, text=True, check=True
        )
        return str(json.loads(json.loads(done.stdout)))

    return rendered


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    """The files of the node software, as the module takes them."""
    folder = MODULE / "files"
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return made_in(tmp_path / "node")


def made_in(root: Path) -> Node:
    made = Node(root, software="")
    for folder in ("etc", "var/log", "s3", "bin"):
        (made.root / folder).mkdir(parents=True)
    (made.root / "proc").mkdir()
    (made.root / "proc/mounts").touch()
    made.command("aws", FAKE_AWS)
    # Python itself: one that a version manager stands before would change PATH for its children.
    made.command("python3", f'#!/bin/bash\nexec {sys.executable} "$@"\n')
    return made


CONFIG: dict[str, Any] = {
    "project": {"vlab_id": "lab-1", "project_id": "proj-1", "cluster_name": "pc-1"},
    "user": {"name": "sim", "uid": 2000, "group": "project", "gid": 2000},
    "region": "eu-west-3",
    "os": "alinux2023",
    "storage": {
        "kind": "lustre",
        "data_directory": "/data",
        "private_bucket": "project",
        "public_bucket": "public",
    },
    "nodes_bucket": "nodes",
    "authorized_keys_key": "projects/pc-1/authorized_keys",
    "accounting": {"database": "pc_1", "user": "slurm_1", "host": "db.example", "port": 3306},
    "rest": None,
    "job_records": None,
}


@pytest.fixture(scope="session")
def our_scripts(render: Callable[[dict[str, str]], str], files: dict[str, str]) -> str:
    """node.sh with the frame, and of the steps' scripts those of users and storage."""
    ours = {
        name: text
        for name, text in files.items()
        if ".d/" not in name or name.endswith(("-users", "-storage"))
    }
    return render(ours)


@pytest.fixture
def machine(our_scripts: str) -> Iterator[Node]:
    """A node with mounts, users and a network of its own, where the scripts change whatever root can."""
    if os.geteuid() != 0 or shutil.which("setfacl") is None or not may_mount():
        missing = (
            "The scripts of the nodes run as root, mount, and need setfacl: `make setup-services` brings it."
        )
        if os.environ.get("REQUIRE_SERVICES"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Not pytest's own folder: the node's user must be able to go there.
    folder = Path(tempfile.mkdtemp(prefix="node-"))
    folder.chmod(0o755)
    namespace = subprocess.Popen(["unshare", "--mount", "--net", "sleep", "600"])
    try:
        made = made_in(folder / "root")
        made.software = our_scripts
        made.inside = ["nsenter", f"--target={namespace.pid}", "--mount", "--net"]
        # Never the machine's own.
        made.command("systemctl", '#!/bin/bash\necho "$*" >>"$PROVISIONER_ROOT/systemctl"\n')
        for name, text in ETC.items():
            path = made.root / "etc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        (made.root / "home").mkdir()
        wait_for_own_mounts(namespace.pid)
        yield made
    finally:
        namespace.kill()
        namespace.wait()
        shutil.rmtree(folder, ignore_errors=True)


def required_by_slurmd(node: Node, unit: str) -> str:
    """The text of a unit without which, once it is enabled, slurmd does not start; it comes first."""
    text = (node.root / "etc/systemd/system" / unit).read_text("utf-8")
    assert {"Before=slurmd.service", "RequiredBy=slurmd.service"} <= set(text.splitlines())
    assert f"enable {unit}\n" in (node.root / "systemctl").read_text("utf-8")
    return text


ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nec2-user:x:1000:1000::/home/ec2-user:/bin/bash\n",
    "group": "root:x:0:\nwheel:x:10:ec2-user\nec2-user:x:1000:\n",
    "shadow": "root:*:19000:0:99999:7:::\nec2-user:!!:19000:0:99999:7:::\n",
    "gshadow": "root:::\nwheel:::ec2-user\nec2-user:!::\n",
    "skel/.bashrc": "# the system's\n",
}


def may_mount() -> bool:
    command = ["unshare", "--mount", "--net", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def wait_for_own_mounts(pid: int) -> None:
    until = time.monotonic() + 10
    ours = Path("/proc/self/ns/mnt").readlink()
    while Path(f"/proc/{pid}/ns/mnt").readlink() == ours:
        assert time.monotonic() < until, "unshare makes no mounts of its own"
        time.sleep(0.01)
