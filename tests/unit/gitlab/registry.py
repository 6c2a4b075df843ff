"""An image registry in a folder, in the place of `aws ecr` and `docker`: what the pipeline's image job calls.

    python registry.py FOLDER aws|docker ARGUMENT ...

A tag is a file with the manifest of its image, and never moves. Every call is a line of the file `calls`.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import jmespath


def main(folder: Path, program: str, arguments: list[str]) -> int:
    calls = folder / "calls"
    earlier = calls.read_text("utf-8") if calls.exists() else ""
    calls.write_text(f"{earlier}{shlex.join([program, *arguments])}\n", "utf-8")
    if program == "docker":
        return _docker(folder, arguments, build=earlier.count("docker build"))
    _, operation, *options = arguments
    given = dict(zip(options[::2], options[1::2], strict=True))
    if operation == "put-image":
        return _put(folder / given["--image-tag"], given["--image-manifest"])
    assert operation == "batch-get-image"
    tag = folder / given["--image-ids"].removeprefix("imageTag=")
    images = [{"imageManifest": tag.read_text("utf-8")}] if tag.exists() else []
    found = jmespath.search(given["--query"], {"images": images})
    # As `--output text` prints it.
    print("\t".join(found) if isinstance(found, list) else found)
    return 0


def _docker(folder: Path, arguments: list[str], *, build: int) -> int:
    if arguments[0] == "push":
        return _put(folder / arguments[1].rsplit(":", 1)[1], f'{{"schemaVersion": 2, "build": {build}}}')
    return 0


def _put(tag: Path, manifest: str) -> int:
    if tag.exists():
        sys.stderr.write(f"ImageTagAlreadyExistsException: {tag.name}\n")
        return 1
    tag.write_text(manifest, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
