"""The files of a simulated Lustre file system, so that data really moves between it and S3.

Paths are absolute inside the file system ("/project/private/a.txt"); a node would see them below its
mount directory. A file that was imported keeps only where it came from until somebody reads it, as
Lustre's HSM does.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class LustreFile:
    """content     the bytes, None while they are only in S3
    size        bytes
    etag        of the S3 object it equals, None when never exported or imported
    changed_at  moment of a write that S3 has not seen, None when in step with S3
    """

    content: bytes | None
    size: int
    etag: str | None
    changed_at: float | None


class LustreTree:
    def __init__(self) -> None:
        self._files: dict[str, LustreFile] = {}
        self._removed: dict[str, float] = {}

    def write(self, path: str, content: bytes, now: float) -> None:
        path = clean_path(path)
        self._removed.pop(path, None)
        self._files[path] = LustreFile(content, len(content), None, now)

    def place(self, path: str, size: int, etag: str) -> None:
        """Make an S3 object visible; a local change that S3 has not seen stays."""
        known = self._files.get(path)
        if known and (known.changed_at is not None or known.etag == etag):
            return
        self._files[path] = LustreFile(None, size, etag, None)

    def get(self, path: str) -> LustreFile | None:
        return self._files.get(clean_path(path))

    def remove(self, path: str, now: float) -> bool:
        path = clean_path(path)
        if self._files.pop(path, None) is None:
            return False
        self._removed[path] = now
        return True

    def drop_under(self, directory: str) -> None:
        """Forget files without telling S3."""
        for path in list(self._files):
            if is_under(path, directory):
                del self._files[path]

    def forget(self, path: str) -> None:
        self._files.pop(path, None)

    def under(self, directory: str) -> Iterator[tuple[str, LustreFile]]:
        for path in sorted(self._files):
            if is_under(path, directory):
                yield path, self._files[path]

    def removed_under(self, directory: str) -> list[tuple[str, float]]:
        return [(path, at) for path, at in self._removed.items() if is_under(path, directory)]

    def removal_done(self, path: str) -> None:
        self._removed.pop(path, None)

    def to_list(self, prefix: str = "/") -> list[dict[str, Any]]:
        return [
            {
                "path": path,
                "size": file.size,
                "state": "changed" if file.changed_at is not None else "in-step",
                "on_disk": file.content is not None,
            }
            for path, file in self.under(prefix)
        ]


def clean_path(path: str) -> str:
    """/a/b from a/b, /a/b/ or /a//b. Raises ValueError when it climbs out."""
    if ".." in path.split("/"):
        raise ValueError(f"{path!r} leaves the file system")
    cleaned = posixpath.normpath("/" + path.strip("/"))
    return "/" + cleaned.lstrip("/")


def is_under(path: str, directory: str) -> bool:
    return directory == "/" or path == directory or path.startswith(directory.rstrip("/") + "/")
