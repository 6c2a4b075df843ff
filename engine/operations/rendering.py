"""Rendering, left out where a workspace holds already what it would give.

cdktf starts a Node and takes half a second. Everything it works from goes into a fingerprint: spec, settings,
tier, address block, and the code that renders. It is kept in the workspace, with the hash of each file that
was rendered: one that was changed by hand is made anew, as ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec, dump_spec
from engine.model.tiers import Tier
from engine.terraform.packages import write_whole

_RECORD = Path(".terraform", "provisioner-render.json")
# What has a say in the texts: our own code, and whose code turns it into them.
_OUR_CODE = ("model", "workspace")
_LIBRARIES = ("cdktf", "jinja2", "pyyaml")


def fingerprint(
    spec: ProjectSpec, settings: Settings, tier: Tier, *, subnet_cidr: str | None, presence: str
) -> str:
    """Changes whenever the rendered texts might: rather too often than too seldom."""
    seen = [
        dump_spec(spec),
        {name: str(value) for name, value in settings.values().items()},
        repr(tier),
        subnet_cidr,
        presence,
        _code(),
    ]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def rendered(folder: Path, key: str, render: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The texts of a workspace: those in its folder, if they were rendered from the same, else new ones.

    key      the fingerprint of what is to be rendered
    """
    return _standing(folder, key) or render()


def remember(folder: Path, key: str, texts: Mapping[str, str]) -> None:
    """Note what a workspace that was just written was rendered from; without it, it is rendered again."""
    record = json.dumps({"fingerprint": key, "files": {name: _hash(text) for name, text in texts.items()}})
    if _record(folder) != json.loads(record):
        write_whole(folder / _RECORD, lambda path: path.write_text(record, "utf-8"))


def _standing(folder: Path, key: str) -> dict[str, str] | None:
    record = _record(folder)
    if record.get("fingerprint") != key:
        return None
    try:
        texts = {name: (folder / name).read_text("utf-8") for name in record["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return texts if {name: _hash(text) for name, text in texts.items()} == record["files"] else None


def _record(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _code() -> str:
    """Of the version alone a checkout says nothing: it is the files that count."""
    package = Path(engine.__file__).parent
    seen = hashlib.sha256(engine.__version__.encode())
    for name in _LIBRARIES:
        seen.update(f"{name} {version(name)}\n".encode())
    for part in _OUR_CODE:
        for path in sorted((package / part).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                seen.update(path.relative_to(package).as_posix().encode() + b"\0")
                seen.update(path.read_bytes())
    return seen.hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
