"""Real Terraform in a temporary folder, programs that pretend to be Terraform, and made-up machines."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.terraform.environment import terraform_environment
from engine.terraform.events import Event
from engine.terraform.mirror import REGISTRIES
from engine.terraform.runner import Runner
from engine.terraform.toolchain import Toolchain, prepare

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    """Terraform as `make setup` found it."""
    return prepare(REPOSITORY / ".provisioner", explicit=None, environ=os.environ)


@dataclass
class Workplace:
    """A folder with a configuration, a runner in it, and what the runner told."""

    folder: Path
    tools: Toolchain
    log: Path
    events: list[Event] = field(default_factory=list)
    aws: dict[str, str] = field(default_factory=dict)

    def write(self, text: str) -> Workplace:
        (self.folder / "main.tf").write_text(text)
        return self

    def runner(self, **more: Any) -> Runner:
        settings: dict[str, Any] = {
            "binary": self.tools.binary,
            "env": self.environment(),
            "log_path": self.log,
            "on_event": self.events.append,
            "project": "lab-1/proj-1",
        }
        return Runner(self.folder, **(settings | more))

    def environment(self) -> dict[str, str]:
        return terraform_environment(os.environ, cli_config=self.tools.cli_config, aws=self.aws, local=True)

    @property
    def plan(self) -> Path:
        return self.folder / "project.tfplan"

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def workplace(tmp_path: Path, tools: Toolchain) -> Workplace:
    folder = tmp_path / "pc-lab-1"
    folder.mkdir()
    return Workplace(folder, tools, tmp_path / "logs" / "pc-lab-1.log")


@pytest.fixture
def pretender(tmp_path: Path) -> Callable[..., Path]:
    """`pretender("echo hello; exit 3")` is a program that does that, whatever it is asked."""

    def make(script: str, name: str = "pretender") -> Path:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return make


ANSWER = """
if [ "$2" = -json ]; then
  echo '{{"terraform_version":"{version}","platform":"linux_amd64","provider_selections":{{}}}}'
else
  echo '{product} v{version}'
fi
"""


class Machine:
    """A machine with nothing on it but what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "engine-home"
        self.add_ons = root / "opt"
        self.environ = {
            "HOME": str(root / "alice"),
            "PATH": str(root / "bin"),
            "XDG_DATA_DIRS": str(root / "share"),
        }

    def program(self, name: str, version: str, *, product: str = "Terraform", folder: str = "bin") -> Path:
        return self.script(name, ANSWER.format(version=version, product=product), folder=folder)

    def script(self, name: str, text: str, *, folder: str = "bin") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def mirror(
        self,
        place: str,
        version: str = "5.100.0",
        *,
        platform: str = "linux_amd64",
        product: str = "terraform",
    ) -> Path:
        mirror = self.root / place
        folder = mirror / REGISTRIES[product] / "hashicorp" / "aws" / version / platform
        folder.mkdir(parents=True)
        (folder / f"terraform-provider-aws_v{version}_x5").touch()
        return mirror

    def file(self, place: str, text: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def prepare(
        self, explicit: str | None = None, *, download_missing: bool = False, **environ: str
    ) -> Toolchain:
        return prepare(
            self.home,
            explicit=explicit,
            environ=self.environ | environ,
            download_missing=download_missing,
            add_on_roots=[self.add_ons],
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
