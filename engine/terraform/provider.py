"""One provider process for all commands of one run, where that is safe; otherwise Terraform's own way.

Terraform is told of it by TF_REATTACH_PROVIDERS, and then neither starts the provider nor looks at its
package: that it is the right one is looked at here (packages.py). What the process does, and how long it
lives, is said in provider_host.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import select
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from engine.terraform.packages import ADDRESS, verified_package

_ANSWER_S = 40.0
_TYPE = re.compile(r"\baws_[a-z0-9_]+\b")
_PROVIDER_BLOCK = re.compile(r'^\s*provider\s+"?aws"?\s*\{', re.MULTILINE)


class Helper(Protocol):
    """A process that was started."""

    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...


StartHelper = Callable[[Sequence[str], Mapping[str, str], int], Helper]
"""Starts a program with an environment and a descriptor as its standard input."""


@dataclass(frozen=True)
class Reuse:
    """home: where what is known of packages and schemas is kept. type_sources: folders of Terraform code
    whose resource types the provider is to know besides those of the root."""

    home: Path
    type_sources: tuple[Path, ...] = ()


class PrivateProvider:
    """The provider of one root, for the commands of one run; they must come one after another.

    It is started when `start` or `environment` is called first, and lives until `close`, or until this object
    is gone, and any Terraform that knows of it as well.
    """

    def __init__(
        self, workdir: Path, env: Mapping[str, str], reuse: Reuse | None, start: StartHelper
    ) -> None:
        self._workdir = workdir
        self._env = env
        self._reuse = reuse
        self._start_helper = start
        self._helper: Helper | None = None
        self._attach: str | None = None
        self._descriptor = -1
        self._close: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Have it started, if it may be; returns at once."""
        if self._reuse is None or self._helper is not None:
            return
        order = _order(self._workdir, self._env, self._reuse)
        if order is None:
            self._reuse = None
            return
        read_end, self._descriptor = os.pipe()
        # Also when this object is forgotten, and at the end of the interpreter.
        self._close = weakref.finalize(self, os.close, self._descriptor)
        try:
            # -I: neither the caller's folder nor PYTHON* variables have a say in what is imported.
            argv = [sys.executable, "-I", "-m", "engine.terraform.provider_host"]
            self._helper = self._start_helper(argv, self._env, read_end)
            os.write(self._descriptor, json.dumps(order).encode() + b"\n")
        except OSError:
            self.give_up()
        finally:
            os.close(read_end)

    @property
    def in_use(self) -> bool:
        return self._attach is not None

    def environment(self, *, needed: bool) -> dict[str, str]:
        """What Terraform's environment has to hold besides; nothing where it is to start the provider itself.

        needed   whether the command works with the provider: False starts none
        """
        if needed:
            self.start()
        if self._helper is None:
            return {}
        if self._attach is None:
            self._attach = _answer(self._helper)
        if self._attach is None or self._helper.poll() is not None:
            self.give_up()
            return {}
        return {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: json.loads(self._attach)})}

    def descriptors(self) -> tuple[int, ...]:
        """What Terraform has to hold open, so that the provider outlives it."""
        return (self._descriptor,) if self._helper is not None else ()

    def give_up(self) -> None:
        """Go on in Terraform's own way."""
        self.close()
        self._reuse = None

    def close(self) -> None:
        """Let it go: it ends when no Terraform works with it any more."""
        self._close()
        self._helper = self._attach = None


def _order(workdir: Path, env: Mapping[str, str], reuse: Reuse) -> dict[str, object] | None:
    """What the host has to know; None where the provider must not be kept, or cannot."""
    # With a bundle, a provider that is configured a second time fails (observed with 5.100.0).
    if os.name != "posix" or not sys.executable or env.get("AWS_CA_BUNDLE") or _names_bundle(env):
        return None
    if importlib.util.find_spec("grpc") is None:
        return None
    texts = list(_texts(workdir))
    # Each configuration has a process of its own in Terraform's way.
    if sum(map(_configurations, texts)) > 1 or any("custom_ca_bundle" in text for text in texts):
        return None
    package = verified_package(workdir, reuse.home)
    if package is None:
        return None
    more = (text for folder in reuse.type_sources for text in _texts(folder))
    types = sorted({found for text in (*texts, *more) for found in _TYPE.findall(text)})
    key = hashlib.sha256(json.dumps([package.digest, types]).encode()).hexdigest()
    schema_file = reuse.home / "provider-schemas" / key
    return {"program": str(package.program), "schema_file": str(schema_file), "types": types}


def _texts(folder: Path) -> Iterator[str]:
    """All Terraform code at and below a folder, but for what init brought there."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".terraform"]
        for name in sorted(files):
            if name.endswith((".tf", ".tf.json")):
                yield Path(parent, name).read_text("utf-8")


def _configurations(text: str) -> int:
    if not text.lstrip().startswith("{"):
        return len(_PROVIDER_BLOCK.findall(text))
    try:
        found = json.loads(text).get("provider", {})
    except ValueError:
        return 0
    blocks = found.get("aws", []) if isinstance(found, dict) else found
    return len(blocks) if isinstance(blocks, list) else 1


def _names_bundle(env: Mapping[str, str]) -> bool:
    """Whether the caller's AWS configuration file names certificates of its own."""
    named = env.get("AWS_CONFIG_FILE") or (f"{env['HOME']}/.aws/config" if "HOME" in env else os.devnull)
    try:
        return "ca_bundle" in Path(named).read_text("utf-8")
    except OSError:
        return False
    except ValueError:
        return True


def _answer(helper: Helper) -> str | None:
    """What the host says Terraform needs, as JSON; None when it says that it can't, or nothing in time."""
    said = b""
    deadline = time.monotonic() + _ANSWER_S
    while helper.stdout and not said.endswith(b"\n"):
        ready, _, _ = select.select([helper.stdout], [], [], max(0.0, deadline - time.monotonic()))
        read = os.read(helper.stdout.fileno(), 1 << 16) if ready else b""
        if not read:
            return None
        said += read
    try:
        attach = json.loads(said).get("attach")
    except ValueError:
        return None
    return json.dumps(attach) if attach else None
