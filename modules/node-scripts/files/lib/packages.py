"""Programs that an image may lack, from the bucket that people with Internet access fill."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from node import StepError, fetch, run

# As AWS's own downloads name them.
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


def ensure_program(name: str, settings: dict[str, Any]) -> str:
    """The path of a program; where the image has none, its package is installed first.

    The package is packages/<os>/<architecture>/<name>.rpm (.deb) of the nodes bucket. What it needs in turn
    comes from the system's own repositories: those of Amazon Linux 2023 are reached through the S3 endpoint.
    Raises   StepError, which says what to do
    """
    found = shutil.which(name)
    if found:
        return found
    system = settings["os"]
    kind = "deb" if system.startswith("ubuntu") else "rpm"
    machine = platform.machine()
    bucket, key = (
        settings["nodes_bucket"],
        f"packages/{system}/{ARCHITECTURES.get(machine, machine)}/{name}.{kind}",
    )
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"{name}.{kind}"
        # apt's own user must be able to read it.
        Path(folder).chmod(0o755)
        try:
            fetch(bucket, key, package)
        except StepError as error:
            raise StepError(
                f"{name} is not on this image, and its package cannot be fetched: put it to "
                f's3://{bucket}/{key} (docs/setup.md, "Packages for the nodes"), or use an '
                f"image that has it ({error})"
            ) from None
        _install(package, kind)
    found = shutil.which(name)
    if not found:
        raise StepError(
            f"s3://{bucket}/{key} is installed, and there is still no {name}: is it the right package?"
        )
    return found


def _install(package: Path, kind: str) -> None:
    if kind == "rpm":
        run("dnf", "install", "-y", "--setopt=timeout=20", "--setopt=retries=2", str(package))
    else:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-y", "-o", "DPkg::Lock::Timeout=120", str(package), env=quiet)
