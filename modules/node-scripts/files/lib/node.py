"""What every script of a node needs: its configuration, places, commands and files. Python 3.9 and up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class StepError(Exception):
    """A step cannot be done. The message says what happened and what to do, in one line."""


def at(path: str) -> Path:
    """An absolute path of the node; below $PROVISIONER_ROOT where that is set, as tests do."""
    return Path(os.environ.get("PROVISIONER_ROOT", "") + path)


def config() -> dict[str, Any]:
    """The node configuration (engine/workspace/node_config.py).

    Raises   StepError when there is none
    """
    path = os.environ.get("PROVISIONER_NODE_CONFIG") or at("/etc/provisioner/node.json")
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StepError(f"the node configuration {path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise StepError(f"the node configuration {path} is not a JSON object")
    return found


def run(*command: str, **more: Any) -> str:
    """What a command prints. It gets no input unless `input` is given.

    Raises   StepError with the last line it said, when it fails or is not there
    """
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if "input" not in more:
        streams["stdin"] = subprocess.DEVNULL
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, check=False, text=True, **streams, **more
        )
    except FileNotFoundError:
        raise StepError(f"{command[0]} is not on this image") from None
    if done.returncode != 0:
        print(done.stdout, end="", flush=True)
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise StepError(f"{' '.join(command)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def fetch(bucket: str, key: str, target: Path) -> None:
    """An object of S3 as a file. Raises StepError."""
    run("aws", "s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(target))


def write(path: Path, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> bool:
    """Make the file hold this, at once; False when it does already.

    owner   ids of user and group; None for whoever writes it
    """
    if path.is_file():
        there = path.stat()
        is_theirs = owner in (None, (there.st_uid, there.st_gid))
        if is_theirs and there.st_mode & 0o7777 == mode and path.read_text("utf-8") == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    # It may hold a password: nobody else may open it at any moment, not even before it has its mode.
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    if owner is not None:
        os.chown(new, *owner)
    new.chmod(mode)
    new.replace(path)
    return True


def step(action: Callable[[], None]) -> None:
    """Do it; a StepError becomes the last line on stderr and exit code 1."""
    try:
        action()
    except StepError as error:
        sys.exit(str(error))
    except KeyError as error:
        sys.exit(
            f"the node configuration has no {error.args[0]}; apply the project again to have it written anew"
        )
