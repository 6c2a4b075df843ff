"""Whether the provider's package on this disk is the one that the lock file names.

Terraform itself reads the whole package (700 MB) for that with every command. Here it is read once, and again
when a file of it is another, or was written since: the inode's change time can't be set back.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.terraform.mirror import PROVIDER, REGISTRIES

ADDRESS = f"{REGISTRIES['terraform']}/{PROVIDER}"
_REMEMBERED = "provider-packages.json"
_LOCKED = re.compile(rf'^provider "{re.escape(ADDRESS)}" \{{(.*?)^\}}', re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r'version\s*=\s*"([^"]+)"')
_HASH = re.compile(r'"(h1:[^"]+)"')
# Of many projects at a time, the first one reads the package, and the others find it read.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Package:
    """program: the provider's executable. digest: of the whole package, as lock files give it ("h1:...")."""

    program: Path
    digest: str


def verified_package(workdir: Path, home: Path) -> Package | None:
    """The AWS provider that init chose for a root, if its package is the one that the root's lock file names.

    home     where it is remembered which packages were read
    Returns  None where there is none, or another one: Terraform then says what is wrong with it
    """
    try:
        locked = _LOCKED.search((workdir / ".terraform.lock.hcl").read_text("utf-8"))
        version = _VERSION.search(locked[1]) if locked else None
        if not locked or not version:
            return None
        chosen = workdir / ".terraform" / "providers" / ADDRESS / version[1]
        (folder,) = (path.resolve() for path in chosen.iterdir())
        (program,) = folder.glob("terraform-provider-aws*")
        with _ONE_AT_A_TIME:
            digest = _known_digest(folder, home)
    except (OSError, ValueError):
        return None
    return Package(program, digest) if digest in _HASH.findall(locked[1]) else None


def package_digest(folder: Path) -> str:
    """The hash that Terraform's lock files hold for an unpacked package.

    Source   Go's golang.org/x/mod/sumdb/dirhash, "Hash1"
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)
    return "h1:" + base64.b64encode(hashlib.sha256(listed.encode()).digest()).decode()


def _known_digest(folder: Path, home: Path) -> str:
    looks = _looks(folder)
    known = _remembered(home)
    found = known.get(str(folder))
    if isinstance(found, dict) and found.get("looks") == looks:
        return str(found.get("digest"))
    digest = package_digest(folder)
    if _looks(folder) == looks:  # nobody wrote to it meanwhile
        known[str(folder)] = {"looks": looks, "digest": digest}
        write_whole(home / _REMEMBERED, lambda path: path.write_text(json.dumps(known, indent=2), "utf-8"))
    return digest


def _looks(folder: Path) -> list[list[str | int]]:
    """What changes when a file does: for each its name, device, inode, size and times in ns."""
    return [
        [
            path.relative_to(folder).as_posix(),
            one.st_dev,
            one.st_ino,
            one.st_size,
            one.st_mtime_ns,
            one.st_ctime_ns,
        ]
        for path in sorted(folder.rglob("*"))
        for one in [path.stat()]
    ]


def _remembered(home: Path) -> dict[str, object]:
    try:
        known = json.loads((home / _REMEMBERED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file (0600) so that others see all of it or nothing; one that can't be written is left out."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
    except OSError:
        return
    try:
        write(Path(name))
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
