"""Slurm's configuration files on the head node: our own lines in those that ParallelCluster leaves alone.

slurm.conf and slurmdbd.conf are written once, when the head node is set up; updates of the cluster write
the files anew that they include (slurm_parallelcluster*.conf). So an edit of the two stays.
Source   ParallelCluster user guide, "Slurm configuration customization"; its cookbook (3.12)
"""

from __future__ import annotations

import re
from pathlib import Path

from node import StepError, at, write

ETC = "/opt/slurm/etc"
# ParallelCluster's order in the path: its own Slurm before any other.
PROGRAMS = "/opt/slurm/bin"


def slurm(program: str) -> str:
    """The path of one of Slurm's programs."""
    return str(at(f"{PROGRAMS}/{program}"))


def block(path: Path, topic: str) -> str | None:
    """Our lines about a topic, as they stand in the file; None when there are none."""
    found = _pattern(topic).search(path.read_text("utf-8"))
    return found.group("lines") if found else None


def set_block(path: Path, topic: str, lines: list[str]) -> bool:
    """Make these lines the file's last about a topic; False when they are that already.

    The file keeps owner and mode. Raises StepError when there is no such file.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror}") from None
    inside = "".join(f"{line}\n" for line in lines)
    if (block(path, topic) or "") == inside:
        return False
    rest = _pattern(topic).sub("", text)
    before = path.stat()
    ours = f"{_begin(topic)}\n{inside}{_end(topic)}\n" if lines else ""
    owner = (before.st_uid, before.st_gid)
    write(path, rest.rstrip("\n") + "\n" + ours, before.st_mode & 0o7777, owner)
    return True


def _begin(topic: str) -> str:
    return f"# >>> provisioner: {topic}"


def _end(topic: str) -> str:
    return f"# <<< provisioner: {topic}"


def _pattern(topic: str) -> re.Pattern[str]:
    return re.compile(
        rf"^{re.escape(_begin(topic))}\n(?P<lines>.*?)^{re.escape(_end(topic))}\n", re.MULTILINE | re.DOTALL
    )
