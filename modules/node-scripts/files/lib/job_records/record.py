"""One job's record: what of Slurm's words goes where, and how it is kept within its limit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .accounting import Row, number, seconds
from .markers import NO_TASK, JobRun
from .masking import MASK, Masking
from .outputs import Tail

SCHEMA = "provisioner.job-record/1"

# CloudWatch Logs takes events of up to 256 KiB (newer regions and agents: 1 MiB), of which the agent counts
# 200 bytes as its own; a longer line it cuts, and a cut line is no JSON.
MAX_BYTES = 250_000

_MODULE_LINE = re.compile(
    r"(?:^|[;&])[ \t]*(?:module[ \t]+(?:load|add|switch|swap)|ml(?:[ \t]+(?:load|add))?)[ \t]+([^#;&|\n]+)",
    re.MULTILINE,
)
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_CUT = "[...]"
_LONG_VALUE = 512
_MAX_MODULES = 200
_NOT_MASKED = "the environment is not known, and with it the secrets to mask"


@dataclass(frozen=True)
class Findings:
    """All that is known of one run.

    row           None when the accounting database never had it
    marker        jobcomp/script's variables; {} for a run that the sweep found
    environment   at submission; None when the database has none: interactive jobs
    modules       what the script's `module load` lines name
    problem       why something is not there that might have been; "" when all is
    stdout        None where Slurm wrote no file
    stderr        the same object as stdout where both went to one file
    """

    run: JobRun
    row: Row | None
    marker: Mapping[str, str]
    environment: Mapping[str, str] | None = None
    modules: Sequence[str] = ()
    problem: str = ""
    stdout: Tail | None = None
    stderr: Tail | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def compose(findings: Findings, *, recorded_at: float, max_bytes: int = MAX_BYTES) -> bytes:
    """The record as one line of UTF-8 JSON without its line break, at most max_bytes - 1 long.

    recorded_at   seconds since 1970
    """
    masking = Masking(findings.environment)
    row, marker = findings.row, findings.marker
    facts = _from_row(row, masking) if row else _from_marker(findings.run, marker, masking)
    record = {
        "id": findings.run.id,
        "schema": SCHEMA,
        **findings.about,
        **facts,
        "modules": _modules(findings.environment, findings.modules, masking),
        "stdout": _output(findings.stdout, masking),
        "stderr": (
            {"path": masking.text(findings.stderr.path), "same_as": "stdout"}
            if findings.stderr is not None and findings.stderr is findings.stdout
            else _output(findings.stderr, masking)
        ),
        "recorded_at": _iso(int(recorded_at)),
        "source": "accounting" if row else "marker",
        # Last: Logs Insights finds the first 200 fields of an event by itself, and these are many.
        "environment": masking.environment(),
    }
    if findings.problem:
        record["shortened"] = findings.problem
    return _fitted(record, max_bytes - 1)


def bare(run: JobRun, problem: str, *, recorded_at: float) -> bytes:
    """The record of a run that could not be described: better its id alone than nothing."""
    record = {"id": run.id, "schema": SCHEMA, "job_id": run.job_id, "problem": problem}
    return _line({**record, "recorded_at": _iso(int(recorded_at))})


def text_of(tail: Tail) -> str:
    """The text of an output's end; bytes that are no UTF-8 become U+FFFD, a character cut in two goes."""
    data = tail.data
    if len(data) < tail.size:
        # At most three bytes continue a character; more of them in a row are not UTF-8 anyway.
        start = next((at for at in range(min(4, len(data))) if data[at] & 0xC0 != 0x80), 0)
        data = data[start:]
    return data.decode("utf-8", "replace")


def _from_row(row: Row, masking: Masking) -> dict[str, Any]:
    columns = row.columns
    array, _, task = columns["JobID"].partition("_")
    exit_code, signal = _exit(columns["ExitCode"])
    # Cancelled while pending: some releases give such a run the time of its end as its start.
    start, end = seconds(columns["Start"]) if row.nodes else None, seconds(columns["End"])
    by = re.search(r" by (\d+)", columns["State"])
    return {
        "job_id": row.run.job_id,
        "array_job_id": number(array) if task else None,
        "array_task_id": number(task),
        # Of an array cancelled before all its tasks began: those that never got a number of their own.
        "array_tasks_pending": task.strip("[]") if task.startswith("[") else None,
        "name": masking.text(columns["JobName"]),
        "user": columns["User"] or None,
        "uid": number(columns["UID"]),
        "group": columns["Group"] or None,
        "account": columns["Account"] or None,
        "partition": columns["Partition"] or None,
        "qos": columns["QOS"] or None,
        "state": row.state,
        "cancelled_by_uid": int(by[1]) if by else None,
        "reason": None if columns["Reason"] in ("", "None") else columns["Reason"],
        "exit_code": exit_code,
        "signal": signal,
        "derived_exit_code": _exit(columns["DerivedExitCode"])[0],
        "restarts": number(columns.get("Restarts", "")),
        "times": _times(seconds(columns["Submit"]), seconds(columns["Eligible"]), start, end),
        "elapsed_s": number(columns["ElapsedRaw"]),
        "time_limit_s": _minutes(columns["TimelimitRaw"]),
        # Of a job that never ran, NNodes is what it asked for.
        "nodes": {"count": number(columns["NNodes"]) if row.nodes else 0, "names": row.nodes or None},
        "requested": {
            "cpus": number(columns["ReqCPUS"]),
            "nodes": number(columns["ReqNodes"]),
            "tres": _tres(columns["ReqTRES"]),
            "constraints": columns["Constraints"] or None,
        },
        "allocated": {"cpus": number(columns["NCPUS"]), "tres": _tres(columns["AllocTRES"])},
        "used": {
            "allocated_cpu_s": number(columns["CPUTimeRAW"]),
            "cpu_s": _duration(columns["TotalCPU"]),
            "user_cpu_s": _duration(columns["UserCPU"]),
            "system_cpu_s": _duration(columns["SystemCPU"]),
            "max_rss_bytes": _largest(row, "MaxRSS"),
            "max_disk_read_bytes": _largest(row, "MaxDiskRead"),
            "max_disk_write_bytes": _largest(row, "MaxDiskWrite"),
            "energy_j": number(columns["ConsumedEnergyRaw"]) or None,
        },
        "work_directory": masking.text(columns["WorkDir"]) or None,
        "submit_line": _submit_line(columns["SubmitLine"], masking),
    }


def _submit_line(text: str, masking: Masking) -> str | None:
    if not text or masking.complete:
        return masking.text(text) or None
    # The shell may have put the value of a variable that nobody knows into any of its arguments.
    program, *arguments = text.split(None, 1)
    return masking.text(program) + (f" {MASK}" if arguments else "")


def _from_marker(run: JobRun, marker: Mapping[str, str], masking: Masking) -> dict[str, Any]:
    """The same keys, as far as slurmctld told them when the job ended."""
    exit_code, signal = _exit(marker.get("EXITCODE", ""))
    task = marker.get("ARRAYTASKID", NO_TASK)
    start = seconds(marker.get("START", "")) if marker.get("NODES") else None
    end = seconds(marker.get("END", ""))
    in_array = number(task) is not None and task != NO_TASK
    return {
        "job_id": run.job_id,
        "array_job_id": number(marker.get("ARRAYJOBID", "")) if in_array else None,
        "array_task_id": number(task) if in_array else None,
        "name": masking.text(marker.get("JOBNAME", "")) or None,
        "user": marker.get("USERNAME"),
        "uid": number(marker.get("UID", "")),
        "group": marker.get("GROUPNAME"),
        "account": marker.get("ACCOUNT") or None,
        "partition": marker.get("PARTITION"),
        "qos": marker.get("QOS") or None,
        "state": _marked_state(marker),
        "exit_code": exit_code,
        "signal": signal,
        "times": _times(run.submit, seconds(marker.get("ELIGIBLE", "")), start, end),
        "elapsed_s": end - start if start and end else None,
        "nodes": {"count": number(marker.get("NODECNT", "")), "names": marker.get("NODES") or None},
        "work_directory": masking.text(marker.get("WORK_DIR", "")) or None,
    }


def _marked_state(marker: Mapping[str, str]) -> str:
    # slurmctld has put a requeued job back among the pending ones by the time it tells of the run.
    state = marker.get("JOBSTATE", "UNKNOWN").partition(" ")[0]
    return "REQUEUED" if state == "PENDING" else state


def _times(submit: int | None, eligible: int | None, start: int | None, end: int | None) -> dict[str, Any]:
    return {"submit": _iso(submit), "eligible": _iso(eligible), "start": _iso(start), "end": _iso(end)}


def _iso(time: int | None) -> str | None:
    if time is None:
        return None
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _exit(text: str) -> tuple[int | None, int | None]:
    """Exit code and signal of Slurm's "3:0"; no signal is None."""
    code, _, signal = text.partition(":")
    return number(code), (number(signal) or None)


def named_modules(script: str) -> list[str]:
    """The modules in a script's `module load` lines, as written, each once: the first of very many."""
    named: dict[str, None] = {}
    for line in _MODULE_LINE.finditer(script):
        named.update(dict.fromkeys(_short(name) for name in line[1].split() if name[0] != "-"))
        if len(named) >= _MAX_MODULES:
            break
    return list(named)[:_MAX_MODULES]


def _modules(environment: Mapping[str, str] | None, named: Sequence[str], masking: Masking) -> dict[str, Any]:
    """submitted: loaded where sbatch was typed; script: named in its `module load` lines, as written."""
    loaded = (environment or {}).get("LOADEDMODULES", "")
    return {
        "submitted": [name for name in loaded.split(":") if name],
        "script": [masking.text(name) for name in named],
    }


def _output(tail: Tail | None, masking: Masking) -> dict[str, Any] | None:
    if tail is None:
        return None
    path = masking.text(tail.path)
    if tail.unavailable:
        return {"path": path, "unavailable": tail.unavailable}
    if not masking.complete:
        return {"path": path, "bytes": tail.size, "unavailable": _NOT_MASKED}
    text, truncated = text_of(tail), len(tail.data) < tail.size
    return {
        "path": path,
        "bytes": tail.size,
        "truncated": truncated,
        "tail": masking.end(text) if truncated else masking.text(text),
    }


def _fitted(record: dict[str, Any], limit: int) -> bytes:
    """The record, shortened where it is too long: outputs first, by halves, then the environment, then texts.

    A tail of control characters or quotes takes up to six times its bytes in JSON, and a user's environment
    has no limit but the kernel's: both are found out only here.
    """
    line = _line(record)
    while len(line) > limit and _halve_the_longer_tail(record):
        line = _line(record)
    if len(line) > limit and record["environment"]:
        record["environment"] = {name: _short(value) for name, value in record["environment"].items()}
        line = _line(record)
    if len(line) > limit:
        record["environment"] = None
        record["shortened"] = "the environment is too large"
        line = _line(record)
    if len(line) > limit:
        record = {key: _short(value) if isinstance(value, str) else value for key, value in record.items()}
        record["modules"] = None
        line = _line(record)
    return line


def _halve_the_longer_tail(record: dict[str, Any]) -> bool:
    outputs = [output for key in ("stdout", "stderr") if (output := record[key]) and output.get("tail")]
    if not outputs:
        return False
    output = max(outputs, key=lambda one: len(one["tail"]))
    output["tail"] = output["tail"][(len(output["tail"]) + 1) // 2 :]
    output["truncated"] = True
    return True


def _short(text: str) -> str:
    return text if len(text) <= _LONG_VALUE else text[:_LONG_VALUE] + _CUT


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate can't come from decoded bytes, but must not stop the shipper if it ever does.
    return text.encode("utf-8", "replace")


def _minutes(text: str) -> int | None:
    minutes = number(text)
    return None if minutes is None else minutes * 60


def _duration(text: str) -> float | None:
    """Seconds of [days-][hours:]minutes:seconds[.fraction]."""
    found = _DURATION.fullmatch(text)
    if not found:
        return None
    days, hours, minutes, rest = found.groups()
    return round(((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes)) * 60 + float(rest), 3)


def _bytes(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    return int(float(found[1]) * 1024 ** _POWERS[found[2]]) if found else None


def _largest(row: Row, column: str) -> int | None:
    sizes = [size for step in row.steps if (size := _bytes(step[column])) is not None]
    return max(sizes, default=None)


def _tres(text: str) -> dict[str, Any]:
    """Trackable resources, such as cpu=4,mem=100M,gres/gpu=1; memory in bytes, the rest as counted."""
    resources: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name == "mem":
            resources["mem_bytes"] = _bytes(value)
        elif name and value:
            resources[name] = value if (count := number(value)) is None else count
    return resources
