"""Writing what only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import RequestError


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file of mode 0600 in one step: readers see the old content or the new, never half of it.

    Raises   RequestError when the folder cannot be written to
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RequestError(
            f"{path} cannot be written: {error.strerror}.", hint="Name a file in a folder of yours."
        ) from error
