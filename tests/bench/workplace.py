"""Where both sides work: one local cloud, one home folder, projects planned by the engine and by hand."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.operations.installation import base_folder
from engine.terraform.environment import terraform_environment
from engine.terraform.toolchain import Toolchain, prepare
from tests.bench.measure import Cost, run
from tests.functional.conftest import QUICK, _make_backend

SPEC = {"vlab_id": "lab-1", "project_id": "proj-1", "tier": "debug", "storage": {"kind": "lustre"}}
PROVISIONER = str(Path(sys.executable).with_name("provisioner"))


def toolchain() -> Toolchain:
    return prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)


class Workplace:
    """A folder with home, workspaces and specs, against one local cloud."""

    def __init__(self, cloud: LocalCloud, base: Path, tools: Toolchain) -> None:
        self.cloud = cloud
        self.base = base
        self.tools = tools
        self.projects = base / "projects"
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "PROVISIONER_HOME": str(base / "home"),
            "PROVISIONER_WORKSPACES_DIR": str(self.projects),
            "PROVISIONER_ENDPOINT_URL": cloud.endpoint,
            "PROVISIONER_TERRAFORM": str(tools.binary),
        }
        self.by_hand_env = terraform_environment(
            self.env, cli_config=tools.cli_config, aws=cloud.environment(), local=True
        )

    def spec(self, name: str = "spec", **changed: Any) -> Path:
        path = self.base / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**SPEC, **changed}))
        return path

    def provisioner(self, *arguments: str | Path) -> Cost:
        return run([[PROVISIONER, *map(str, arguments)]], cwd=self.base, env=self.env)

    def workspace(self, spec: Path) -> Path:
        """The folder that was generated for a spec."""
        wanted = json.loads(spec.read_text())
        ids = ("vlab_id", "project_id")
        for folder in self.projects.iterdir():
            there = json.loads((folder / "spec.json").read_text())
            if all(there[name] == wanted[name] for name in ids):
                return folder
        raise SystemExit(f"{spec} has no workspace")

    def copy(self, workspace: Path, target: Path, *, initialised: bool = False) -> Path:
        """A workspace for the other side, as it would come out of version control unless `initialised`."""
        shutil.rmtree(target, ignore_errors=True)
        left_out = () if initialised else (".terraform",)
        shutil.copytree(
            workspace, target, symlinks=True, ignore=shutil.ignore_patterns(*left_out, "*.tfplan", "plan.*")
        )
        return target

    def by_hand(self, *folders: Path, apply: bool = False) -> Cost:
        """What a careful person types, in one folder after the other."""
        total = Cost(0.0, 0.0, 0.0)
        for folder in folders:
            total += run(self._commands(apply=apply), cwd=folder, env=self.by_hand_env)
        return total

    def _commands(self, *, apply: bool) -> list[Sequence[str]]:
        terraform = str(self.tools.binary)
        return [
            [terraform, "init", "-input=false"],
            [terraform, "validate"],
            [terraform, "plan", "-input=false", "-out=project.tfplan"],
            [terraform, "show", "-json", "project.tfplan"],
            *([[terraform, "apply", "-input=false", "project.tfplan"]] if apply else []),
        ]


@contextmanager
def workplace(**cloud_options: Any) -> Iterator[Workplace]:
    """A workplace with a backend; everything is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as base,
        LocalCloud(**{"durations": QUICK, **cloud_options}) as cloud,
    ):
        _make_backend(Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True))
        yield Workplace(cloud, Path(base), toolchain())
