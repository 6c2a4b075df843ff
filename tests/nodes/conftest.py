"""A node in a folder: the node software runs there as root would run it, with a fake of what it asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
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
    """root stands before every path; commands found in `bin` come before the machine's own."""

    root: Path
    software: str
    environ: dict[str, str] = field(default_factory=dict)

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
            **self.environ,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call node.sh as ParallelCluster does."""
        return subprocess.run(
            ["bash", "-s", "--", *arguments],
            input=self.software,
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


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
    made = Node(tmp_path / "node", software="")
    for folder in ("etc", "var/log", "s3", "bin"):
        (made.root / folder).mkdir(parents=True)
    made.command("aws", FAKE_AWS)
    return made
