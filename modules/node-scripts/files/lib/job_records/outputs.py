"""Where a job's output went, and its last bytes."""

from __future__ import annotations

import base64
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .accounting import Row
from .tails import ReaderFailed, Unavailable, as_user, read_tail

_PATTERN = re.compile(r"%(\d{0,2})([%AabJjNnstuxq])")
_MAX_PADDING = 10
# Below it are root and the daemons (UID_MIN of login.defs): with their rights no path of a job's is opened.
_FIRST_PERSON = 1000
# The first of n[1-3,7],m2 is n1.
_FIRST_NODE = re.compile(r"([^,\[]*)(?:\[(\d+))?")


@dataclass(frozen=True)
class Tail:
    """size          bytes of the whole file
    unavailable   why there is no tail; "" when there is one
    """

    path: str
    data: bytes = b""
    size: int = 0
    unavailable: str = ""


def output_paths(row: Row | None, marker: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Where standard output and error went: absolute paths; None where Slurm wrote no file or nobody knows.

    sacct has the paths from 24.05 on, older releases' come from the marker; a job that named none has
    Slurm's own default. Errors without a path of their own go where the output goes: both paths are the same.
    """
    if not (row.nodes if row else marker.get("NODES")):
        # Cancelled before it began: a file of that name is not this run's.
        return None, None
    columns = row.columns if row else {}
    names = _names(columns, marker)
    out = columns.get("StdOut") or marker.get("STDOUT") or ""
    error = columns.get("StdErr") or marker.get("STDERR") or ""
    if not out:
        if not _is_batch(columns, marker):
            return None, None
        out = "slurm-%A_%a.out" if names["a"] else "slurm-%j.out"
    directory = columns.get("WorkDir") or marker.get("WORK_DIR") or "/"
    expanded = [os.path.join(directory, expand(path, names)) for path in (out, error or out)]  # noqa: PTH118
    return expanded[0], expanded[1]


def expand(pattern: str, names: Mapping[str, str]) -> str:
    """sbatch's filename pattern with its names filled in.

    names    letter -> text; a letter that is missing stays as it is
    Source   sbatch(1), "filename pattern"; a backslash turns all of it off
    """
    if "\\" in pattern:
        return pattern.replace("\\", "")

    def fill(found: re.Match[str]) -> str:
        if found[2] == "%":
            return "%"
        text = names.get(found[2], "")
        if not text:
            return found[0]
        return text.zfill(min(int(found[1] or 0), _MAX_PADDING)) if text.isdigit() else text

    return _PATTERN.sub(fill, pattern)


def read_tails(user: str, uid: str, paths: Sequence[str], limit: int) -> dict[str, Tail]:
    """The last bytes of files, read by a process that has this user's rights and no others.

    uid      the number as text
    limit    bytes of each file
    """
    unique = list(dict.fromkeys(paths))
    if not unique:
        return {}
    try:
        account = pwd.getpwuid(int(uid))
    except (KeyError, ValueError, OverflowError):
        return {path: Tail(path, unavailable=f"no user {user} on the head node") for path in unique}
    if account.pw_uid < _FIRST_PERSON:
        return {path: Tail(path, unavailable="not read for a system's user") for path in unique}
    try:
        answers = as_user(account, lambda: [_answer(path, limit) for path in unique])
        return {path: _tail(path, answer) for path, answer in zip(unique, answers)}
    except ReaderFailed as failure:
        return {path: Tail(path, unavailable=str(failure)) for path in unique}


def _answer(path: str, limit: int) -> dict[str, Any]:
    try:
        data, size = read_tail(path, limit)
    except Unavailable as refusal:
        return {"unavailable": str(refusal)}
    return {"data": base64.b64encode(data).decode(), "size": size}


def _tail(path: str, answer: dict[str, Any]) -> Tail:
    if "unavailable" in answer:
        return Tail(path, unavailable=answer["unavailable"])
    return Tail(path, base64.b64decode(answer["data"]), answer["size"])


def _names(columns: Mapping[str, str], marker: Mapping[str, str]) -> dict[str, str]:
    job_id = columns.get("JobIDRaw") or marker.get("JOBID", "")
    array, _, task = columns.get("JobID", "").partition("_")
    if not task.isdigit():
        array, task = job_id, ""
    nodes = _FIRST_NODE.match(columns.get("NodeList") or marker.get("NODES", ""))
    return {
        "A": array,
        "a": task,
        # What %b gives of the index, its last digit.
        "b": task[-1:],
        "j": job_id,
        "J": job_id,
        "N": "".join(part or "" for part in nodes.groups()) if nodes else "",
        "n": "0",
        "t": "0",
        "s": "batch",
        "u": columns.get("User") or marker.get("USERNAME", ""),
        "x": columns.get("JobName") or marker.get("JOBNAME", ""),
    }


def _is_batch(columns: Mapping[str, str], marker: Mapping[str, str]) -> bool:
    if "BATCH" in marker:
        return marker["BATCH"] == "yes"
    return os.path.basename(columns.get("SubmitLine", "").partition(" ")[0]) == "sbatch"  # noqa: PTH119
