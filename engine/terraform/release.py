"""Terraform's own release, downloaded into the engine's folder where the machine has no Terraform."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import platform
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from engine.errors import TerraformMissing

VERSION = "1.11.4"
RELEASES = "https://releases.hashicorp.com/terraform"
# SHA-256 of terraform_1.11.4_<platform>.zip, as HashiCorp publishes them; each found alike in several
# independent package definitions (Homebrew tap, Nix flakes, an Arch Linux PKGBUILD, a Python wrapper).
CHECKSUMS = {
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TIMEOUT_S = 30
_MOST_BYTES = 300 * 1024 * 1024
_BY_HAND = (
    "Install Terraform >= 1.11, < 2 (or OpenTofu) so that it is on PATH, "
    "or name its path in PROVISIONER_TERRAFORM."
)


def this_platform() -> str:
    """This machine as Terraform names it, such as linux_amd64."""
    machine = platform.machine().lower()
    return f"{sys.platform}_{_MACHINES.get(machine, machine)}"


def downloaded(home: Path) -> Path:
    """Where the download puts the program; it need not be there."""
    return home / "terraform" / VERSION / "terraform"


def download(home: Path, *, on: str | None = None, releases: str = RELEASES) -> Path:
    """Fetch the pinned release, check its SHA-256, unpack the program; gives its path.

    on         the platform, this machine's if not given
    releases   where the releases lie; the checksums stay what they are
    Raises     TerraformMissing: no checksum for the platform, no way to the releases, or a file that
               is not the one we know. Nothing is left behind then.
    """
    on = on or this_platform()
    if on not in CHECKSUMS:
        raise TerraformMissing(
            f"There is no Terraform on this machine, and none to download for {on}: "
            f"only {', '.join(sorted(CHECKSUMS))} are known here.",
            hint=_BY_HAND,
        )
    url = f"{releases}/{VERSION}/terraform_{VERSION}_{on}.zip"
    archive = _fetch(url)
    found = hashlib.sha256(archive).hexdigest()
    if found != CHECKSUMS[on]:
        raise TerraformMissing(
            f"What came from {url} is not Terraform {VERSION}: its SHA-256 is {found}, "
            f"it must be {CHECKSUMS[on]}. It was thrown away.",
            hint=f"Something between here and there may change downloads. {_BY_HAND}",
        )
    return _unpack(archive, downloaded(home))


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  an https address of ours
            content: bytes = answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        raise _unavailable(url, str(error)) from error
    except urllib.error.URLError as error:
        raise _unavailable(url, str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unavailable(url, str(error)) from error
    return content


def _unavailable(url: str, reason: str) -> TerraformMissing:
    return TerraformMissing(
        f"There is no Terraform on this machine, and it could not be downloaded from {url} ({reason}).",
        hint=f"Let this machine reach that address, or: {_BY_HAND}",
    )


def _unpack(archive: bytes, target: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        program = zipped.read("terraform")
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(program)
        Path(part).chmod(0o755)
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return target
