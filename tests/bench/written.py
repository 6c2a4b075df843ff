"""What lies on a disk, by who wrote it: `python -m tests.bench.written FOLDER` prints it as JSON.

Links count as nothing: what they point to is not there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def parts(disk: Path) -> dict[str, dict[str, float]]:
    files = [path for path in disk.rglob("*") if path.is_file() and not path.is_symlink()]
    init = [path for path in files if ".terraform" in path.parts]
    providers = [path for path in init if "providers" in path.parts]
    workspaces = [path for path in files if "projects" in path.parts and path not in init]
    rest = [path for path in files if path not in init and path not in workspaces]
    return {
        "`terraform init`: the provider": _size(providers),
        "`terraform init`: the rest (.terraform)": _size(path for path in init if path not in providers),
        "the workspace, its plan and reports": _size(workspaces),
        "home, logs, Node's and other temporary files": _size(rest),
    }


def _size(files: Iterable[Path]) -> dict[str, float]:
    sizes = [path.stat().st_size for path in files]
    return {"files": len(sizes), "kilobytes": round(sum(sizes) / 1024, 1)}


if __name__ == "__main__":
    print(json.dumps(parts(Path(sys.argv[1]))))
