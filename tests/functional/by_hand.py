"""A Terraform root as a person drives it, but with one provider process for all its commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.local.server import LocalCloud
from engine.operations.installation import base_folder
from engine.terraform.environment import terraform_environment
from engine.terraform.programs import start_helper
from engine.terraform.provider import PrivateProvider, Reuse
from engine.terraform.toolchain import Toolchain, prepare

# Commands that talk to the provider.
_NEEDING = {"plan", "apply", "destroy", "show", "validate", "import"}


@dataclass(frozen=True)
class ByHand:
    folder: Path
    toolchain: Toolchain
    environment: dict[str, str]
    provider: PrivateProvider

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run Terraform; what it says on both outputs. It must end with this exit code."""
        attached = self.provider.environment(needed=arguments[0] in _NEEDING)
        done = subprocess.run(
            [self.toolchain.binary, *arguments, "-no-color"],
            cwd=self.folder,
            env=self.environment | attached,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == code, f"terraform {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@contextmanager
def by_hand(folder: Path, cloud: LocalCloud, home: Path) -> Iterator[ByHand]:
    """Terraform in a folder, against the local cloud.

    home   where what is known of the provider is kept; its `modules` hold the types in use
    """
    toolchain = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    environment = terraform_environment(
        os.environ, cli_config=toolchain.cli_config, aws=cloud.environment(), local=True
    )
    provider = PrivateProvider(folder, environment, Reuse(home, (home / "modules",)), start_helper)
    try:
        yield ByHand(folder, toolchain, environment, provider)
    finally:
        provider.close()
