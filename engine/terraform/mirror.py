"""Looks for a copy of the AWS provider on this machine, so that no registry is needed."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PROVIDER = "hashicorp/aws"
WANTED = "hashicorp/aws 5.x, 5.100 or newer"
# The host that "hashicorp/aws" stands on for each product; the first folder of a mirror is named so.
REGISTRIES = {"terraform": "registry.terraform.io", "tofu": "registry.opentofu.org"}

# Where add-on software lies on a Linux system (Filesystem Hierarchy Standard 3.0: /opt, /srv,
# /usr/local, /var/lib).
ADD_ON_ROOTS = (Path("/opt"), Path("/srv"), Path("/usr/local"), Path("/var/lib"))
_DEPTH = 3
_MOST_FOLDERS = 500

_VERSION = re.compile(r"5\.(\d+)\.\d+")


def holds_provider(mirror: Path, *, product: str, platform: str) -> bool:
    """Whether the folder is a filesystem mirror with a fitting AWS provider for the platform.

    Both layouts count: HOST/hashicorp/aws/VERSION/PLATFORM/ unpacked, and
    HOST/hashicorp/aws/terraform-provider-aws_VERSION_PLATFORM.zip packed.
    Source   Terraform's documentation, "CLI configuration", "Provider installation"
    """
    versions = mirror / REGISTRIES[product] / PROVIDER
    return any(_fits(entry, platform) for entry in _entries(versions))


def find_mirror(candidates: Iterable[Path], *, product: str, platform: str) -> Path | None:
    """The first of the folders that holds a fitting provider."""
    for candidate in candidates:
        if holds_provider(candidate, product=product, platform=platform):
            return candidate
    return None


def usual_roots(environ: Mapping[str, str], *, system: str = sys.platform) -> list[Path]:
    """The folders that Terraform itself looks into without being told.

    Source   Terraform's documentation, "CLI configuration", "Implied local mirror directories"
    """
    home = environ.get("HOME")
    roots = [Path(home, ".terraform.d", "plugins")] if home else []
    if system == "darwin":
        roots += [Path(home, "Library/Application Support/io.terraform/plugins")] if home else []
        return [*roots, Path("/Library/Application Support/io.terraform/plugins")]
    data_home = environ.get("XDG_DATA_HOME") or (str(Path(home, ".local/share")) if home else "")
    data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    shared = [data_home, *data_dirs.split(":")]
    return roots + [Path(folder, "terraform/plugins") for folder in shared if folder]


def add_on_folders(roots: Iterable[Path] = ADD_ON_ROOTS) -> Iterator[Path]:
    """The folders under the roots, nearest first: a few levels and a few hundred of each root.

    Links are followed, each folder is looked at once; what may not be read is passed over.
    """
    for root in roots:
        seen: set[tuple[int, int]] = set()
        waiting = deque([(root, 0)])
        while waiting and len(seen) < _MOST_FOLDERS:
            folder, depth = waiting.popleft()
            identity = _identity(folder)
            if identity is None or identity in seen:
                continue
            seen.add(identity)
            yield folder
            if depth < _DEPTH:
                waiting.extend((entry, depth + 1) for entry in _entries(folder) if _is_folder(entry))


def _fits(entry: Path, platform: str) -> bool:
    if entry.suffix == ".zip":
        packed = re.fullmatch(r"terraform-provider-aws_(.+)_([a-z0-9]+_[a-z0-9]+)\.zip", entry.name)
        return bool(packed and packed[2] == platform and _is_wanted(packed[1]))
    if not _is_wanted(entry.name):
        return False
    return any(file.name.startswith("terraform-provider-aws") for file in _entries(entry / platform))


def _is_wanted(version: str) -> bool:
    match = _VERSION.fullmatch(version)
    return match is not None and int(match[1]) >= 100


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries)
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
