"""Whether `terraform init` would find nothing to do: what it reads and what it left are as they were.

Init takes a second even then. Rather too much is compared than too little: an init that was not needed costs
that second, one that was left out would plan with the wrong provider or state.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DATA = ".terraform"
_RECORD = "provisioner-init.json"
_LOCK = ".terraform.lock.hcl"
_MODULES = "modules/modules.json"
# Above this a file is a provider's program: known by its place on the disk, not by its text.
_MOST_READ = 1 << 20
# These change with every sign-in, and say nothing about where the state lies.
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


@dataclass(frozen=True)
class Place:
    """What init works with: the root, Terraform, its whole environment, and what the root leaves open of its
    backend."""

    workdir: Path
    binary: Path
    env: Mapping[str, str]
    backend_config: Path | None = None


def is_initialised(place: Place) -> bool:
    """Whether the last init that was recorded here left all that it would leave now."""
    try:
        recorded = json.loads((place.workdir / _DATA / _RECORD).read_text("utf-8"))["fingerprint"]
        return bool(recorded == _fingerprint(place))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def record_init(place: Place) -> None:
    """Remember that init has just succeeded. Where that cannot be written, the next one runs again."""
    try:
        text = json.dumps({"fingerprint": _fingerprint(place)}) + "\n"
        (place.workdir / _DATA / _RECORD).write_text(text, "utf-8")
    except (OSError, ValueError, KeyError, TypeError):
        forget_init(place.workdir)


def forget_init(workdir: Path) -> None:
    """Make the next init run, whatever it finds."""
    (workdir / _DATA / _RECORD).unlink(missing_ok=True)


@contextmanager
def one_at_a_time(lock: Path | None) -> Iterator[None]:
    """Hold a file's lock, against the other threads and processes of this machine; None: nothing to hold.

    Source   Terraform's CLI configuration, "Provider Plugin Cache": not safe for inits at the same time
    """
    if lock is None:
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file lets it go
        yield


def _fingerprint(place: Place) -> str:
    workdir, env = place.workdir, place.env
    seen = hashlib.sha256()
    for part in (
        [str(workdir.resolve())],
        _file(place.binary),
        sorted(f"{name}={value}" for name, value in env.items() if _counts(name)),
        _text(Path(env["TF_CLI_CONFIG_FILE"])) if "TF_CLI_CONFIG_FILE" in env else [],
        _text(place.backend_config) if place.backend_config else [],
        _text(workdir / _LOCK),
        *(_configuration(workdir / folder) for folder in _module_folders(workdir)),
        _left(workdir / _DATA),
    ):
        seen.update(json.dumps(list(part)).encode())
    return seen.hexdigest()


def _counts(name: str) -> bool:
    return name.startswith(("TF_", "AWS_")) and name not in _CREDENTIALS


def _module_folders(workdir: Path) -> list[str]:
    """The folders of all modules that init found, the root's first, relative to it."""
    listed = workdir / _DATA / _MODULES
    if not listed.is_file():
        return ["."]
    modules = json.loads(listed.read_text("utf-8"))["Modules"]
    return [".", *sorted({str(module["Dir"]) for module in modules} - {"."})]


def _configuration(folder: Path) -> Iterator[str]:
    yield str(folder)
    for path in sorted([*folder.glob("*.tf"), *folder.glob("*.tf.json")]):
        yield path.name
        text = path.read_text("utf-8")
        yield json.dumps(_read_by_init(json.loads(text))) if path.suffix == ".json" else text


def _read_by_init(root: Any) -> Any:
    """What init reads of a root in JSON: not what is handed to modules, which changes with every spec."""
    modules = root.get("module", {}) if isinstance(root, dict) else None
    if not isinstance(modules, dict) or not all(isinstance(call, dict) for call in modules.values()):
        return root  # written another way than ours
    return {
        "terraform": root.get("terraform"),
        "provider": root.get("provider"),
        "types": [sorted(root.get(kind, {})) for kind in ("resource", "data", "ephemeral")],
        "module": {
            name: [call.get(key) for key in ("source", "version", "providers")]
            for name, call in sorted(modules.items())
        },
    }


def _left(data: Path) -> Iterator[str]:
    """What init left: every file by its text, a provider's folder behind a link by what lies there."""
    for parent, folders, files in os.walk(data):
        folders.sort()
        for name in sorted(folders):
            folder = Path(parent, name)
            if folder.is_symlink():
                yield f"{folder} -> {folder.readlink()}"
                for target in sorted(folder.iterdir()):
                    yield from _file(target)
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith("provisioner-"):
                yield from _file(path) if path.stat().st_size > _MOST_READ else _text(path)


def _text(path: Path) -> Iterator[str]:
    yield str(path)
    yield hashlib.sha256(path.read_bytes()).hexdigest()


def _file(path: Path) -> Iterator[str]:
    status = path.stat()
    yield f"{path} {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
