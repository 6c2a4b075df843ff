"""What Slurm's accounting database knows of jobs, asked through sacct.

Columns rather than `--json`: every release has its own JSON (23.11 speaks v0.0.40, 25.11 no longer does),
and 22.05's reports success for every non-zero exit; the columns have kept their names and meaning. Columns
that a release lacks are left out of the question.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable

from .markers import JobRun

log = logging.getLogger("job-records")

# fmt: off
_COLUMNS = (
    "JobIDRaw", "JobID", "JobName", "User", "UID", "Group", "GID", "Account", "Partition", "QOS",
    "State", "Reason", "ExitCode", "DerivedExitCode", "Restarts",
    "Submit", "Eligible", "Start", "End", "ElapsedRaw", "TimelimitRaw",
    "NNodes", "NodeList", "NCPUS", "ReqCPUS", "ReqNodes", "ReqTRES", "AllocTRES", "Constraints",
    "CPUTimeRAW", "TotalCPU", "UserCPU", "SystemCPU", "MaxRSS", "MaxDiskRead", "MaxDiskWrite",
    "ConsumedEnergyRaw", "WorkDir", "SubmitLine", "StdOut", "StdErr",
)
# The others exist in every release from 22.05 on.
_OPTIONAL = frozenset({"StdOut", "StdErr", "Restarts"})
# What a sweep looks for, without one column that holds a user's text: whose job it was is taken from here.
_SWEPT_COLUMNS = ("JobIDRaw", "JobID", "User", "UID", "Partition", "State", "Submit", "End")
_STEP_COLUMNS = ("MaxRSS", "MaxDiskRead", "MaxDiskWrite")

# The states a run can end in; PENDING, RUNNING, SUSPENDED, RESIZING and COMPLETING are not among them.
FINAL_STATES = frozenset((
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL",
    "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REQUEUED", "REVOKED", "SPECIAL_EXIT", "TIMEOUT",
))
# fmt: on
# The same for sacct's --state, as far as it can be asked for. Without them it leaves out jobs that were
# cancelled before the time they might have begun.
_STATES = "BF,CA,CD,DL,F,NF,OOM,PR,RQ,RV,TO"

_TIMEOUT_S = 120
_MAX_DIGITS = 20
_TASK = re.compile(r"\d+_\d+")
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*(?:%%|\(\))?)=(.*)", re.DOTALL)
_SECTION = re.compile(r"^(?:Environment used|Batch Script) for (\S+).*\n-{5,}$", re.MULTILINE)


class AccountingError(Exception):
    """sacct gave no answer: the database daemon is away or restarting. Ask again later."""


@dataclass(frozen=True)
class Row:
    """One run of a job.

    columns   sacct's columns as text; times are seconds since 1970
    steps     what its steps used at most, each's _STEP_COLUMNS
    """

    columns: Mapping[str, str]
    steps: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def run(self) -> JobRun:
        return JobRun(int(self.columns["JobIDRaw"]), seconds(self.columns["Submit"]) or 0)

    @property
    def name(self) -> str:
        """What sacct knows its job by: 107, or 100_7; the number of an array would mean all its tasks."""
        shown = self.columns["JobID"]
        return shown if _TASK.fullmatch(shown) else self.columns["JobIDRaw"]

    @property
    def state(self) -> str:
        """Without what may follow it, as in `CANCELLED by 1000`."""
        return self.columns["State"].partition(" ")[0]

    @property
    def nodes(self) -> str:
        """The nodes it ran on, as Slurm writes them; "" when it never ran."""
        return "" if self.columns["NodeList"] == "None assigned" else self.columns["NodeList"]

    @property
    def described(self) -> bool:
        """Whether the database has more of it than times and state.

        slurmctld tells of a job's end at once and of its start in batches, seconds apart (seen with 22.05).
        In between the run seems to be root's, without partition, place in an array or work directory.
        """
        return self.columns["Partition"] != ""

    @property
    def finished(self) -> bool:
        return self.state in FINAL_STATES and seconds(self.columns["End"]) is not None and self.described


class Accounting:
    """run   starts a command and gives what it printed; raises AccountingError"""

    def __init__(self, run: Callable[[Sequence[str]], str] | None = None):
        self._run = run or run_sacct
        self._known: list[str] = []

    def rows(self, names: Sequence[str]) -> dict[JobRun, Row]:
        """Every run of these jobs that the database has.

        names   as `Row.name`
        """
        if not names:
            return {}
        rows = self._table(self._columns(), ["--duplicates", "--jobs", ",".join(names)])
        if "Restarts" not in self._columns():
            rows = _with_restarts(rows)
        return {row.run: row for row in rows}

    def finished_between(self, start: int, end: int) -> list[Row]:
        """Every run that ended in that time, with _SWEPT_COLUMNS alone; both in seconds since 1970."""
        window = ["--starttime", f"uts{start}", "--endtime", f"uts{end}", "--state", _STATES]
        rows = self._table(_SWEPT_COLUMNS, ["--duplicates", "--allusers", "--allocations", *window])
        return [row for row in rows if row.finished]

    def environments(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The environment of each batch job as it was at submission, by sacct's JobID.

        names   as `Row.name`, of one user's jobs: what a user's variables hold may look like a heading
        """
        texts = self._sections("--env-vars", names)
        return {shown: parse_environment(text) for shown, text in texts.items()}

    def scripts(self, names: Sequence[str]) -> dict[str, str]:
        """The script of each batch job; as `environments`."""
        return self._sections("--batch-script", names)

    def _sections(self, option: str, names: Sequence[str]) -> dict[str, str]:
        return parse_sections(self._run(["sacct", option, "--jobs", ",".join(names)])) if names else {}

    def _table(self, columns: Sequence[str], which: Sequence[str]) -> list[Row]:
        # Another one for each question, which nobody can put into a job's name beforehand; and one behind
        # the last column, too, which may be a user's text.
        separator = secrets.token_hex(8)
        output = ["--parsable", "--noheader", "--noconvert", "--delimiter", separator]
        answer = self._run(["sacct", *output, "--format", ",".join(columns), *which])
        return parse_rows(answer, columns, separator)

    def _columns(self) -> list[str]:
        if not self._known:
            offered = self._run(["sacct", "--helpformat"]).split()
            self._known = [name for name in _COLUMNS if name not in _OPTIONAL or name in offered]
        return self._known


def run_sacct(command: Sequence[str]) -> str:
    """What sacct prints; times as seconds since 1970, whatever the time zone.

    Raises   AccountingError
    """
    environment = {**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, capture_output=True, env=environment, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AccountingError(str(error)) from None
    if done.returncode != 0:
        raise AccountingError(done.stderr.decode("utf-8", "replace").strip() or f"exit {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def parse_rows(text: str, columns: Sequence[str], separator: str) -> list[Row]:
    """sacct's rows, each job with its steps, which follow it.

    Values may hold line breaks, as a job's name does: a row ends when it has all its columns.
    """
    rows: list[Row] = []
    values = _values(text, separator)
    for held in zip(*[values] * len(columns)):
        row = dict(zip(columns, held))
        row["JobIDRaw"] = row["JobIDRaw"].rpartition("\n")[2]
        job_id, _, step = row["JobIDRaw"].partition(".")
        if step and rows and rows[-1].columns["JobIDRaw"] == job_id:
            rows[-1].steps.append({name: row[name] for name in _STEP_COLUMNS if name in row})
        elif not step and number(job_id) is not None and seconds(row["Submit"]) is not None:
            rows.append(Row(row))
        else:
            log.warning("sacct gave a row that is no job's: %.80r", row["JobIDRaw"])
    return rows


def _values(text: str, separator: str) -> Iterator[str]:
    """Each value, without holding all of them."""
    start = 0
    while (end := text.find(separator, start)) >= 0:
        yield text[start:end]
        start = end + len(separator)


def _with_restarts(rows: Sequence[Row]) -> list[Row]:
    """The rows with the column that the release lacks: a job's earlier runs are here, too, and are counted.

    After 67 million jobs numbers come round: only what the same user submitted by the same line counts.
    """

    def restarts(row: Row) -> int:
        return sum(_came_before(other, row) for other in rows)

    return [replace(row, columns={**row.columns, "Restarts": str(restarts(row))}) for row in rows]


def _came_before(other: Row, row: Row) -> bool:
    same = all(other.columns[name] == row.columns[name] for name in ("JobIDRaw", "UID", "SubmitLine"))
    return same and other.run.submit < row.run.submit


def parse_sections(text: str) -> dict[str, str]:
    """What `--env-vars` and `--batch-script` print for several jobs: a heading and a rule before each."""
    headings = list(_SECTION.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    sections = {}
    for heading, end in zip(headings, ends):
        body = text[heading.end() : end].strip("\n")
        if body not in ("", "NONE"):
            sections[heading[1]] = body
    return sections


def parse_environment(text: str) -> dict[str, str]:
    """NAME=value lines; a line that is none belongs to the value before it, as in exported functions.

    A line of a longer value that itself looks like NAME=value can't be told from a variable; but the lines of
    a PEM key end in "=" as well, and stay in the variable whose name has them masked.
    """
    environment: dict[str, str] = {}
    name = None
    for line in text.split("\n"):
        setting = _SETTING.fullmatch(line)
        if setting and not (name is not None and _within_pem(environment[name])):
            name = setting[1]
            environment[name] = setting[2]
        elif name is not None:
            environment[name] += f"\n{line}"
    return environment


def _within_pem(value: str) -> bool:
    return "-----BEGIN " in value and "-----END " not in value


def seconds(text: str) -> int | None:
    """A time as SLURM_TIME_FORMAT=%s gives it; None for Unknown and None."""
    return number(text) or None


def number(text: str) -> int | None:
    """What Slurm writes as a number; None for anything else, such as "²", a digit to str.isdigit alone."""
    return int(text) if len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit() else None
