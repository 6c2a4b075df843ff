"""What Slurm's accounting database knows of jobs, asked through sacct.

Columns rather than `--json`: every release has its own JSON (23.11 speaks v0.0.40, 25.11 no longer does),
and 22.05's reports success for every non-zero exit; the columns have kept their names and meaning. Columns
that a release lacks are left out of the question.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, TypeVar

from .markers import JobRun

T = TypeVar("T")
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
# What may be held of one answer. Users decide how much there is: a script has up to 4 MiB (max_script_size),
# an environment or a submit line as much as the kernel lets pass, a job up to 40,000 steps (MaxStepCount).
_ANSWER_BYTES = 32 * 1024**2
# No record has room for more, nor for the environment of a job beyond this.
_VALUE_CHARS = 250_000
_ENVIRONMENT_CHARS = 1024**2
_TASK = re.compile(r"\d+_\d+")
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*(?:%%|\(\))?)=(.*)", re.DOTALL)
# Not `(\S+).*`: over a long line of a user's that could take time by the square of its length.
_SECTION = re.compile(r"^(?:Environment used|Batch Script) for (\S+)(?: .*)?\n-{5,}$", re.MULTILINE)


class AccountingError(Exception):
    """sacct gave no answer: the database daemon is away or restarting. Ask again later."""


class TooMuch(AccountingError):
    """sacct has more to say than may be held, or was ended for want of memory: ask for less at once."""


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
    """run   starts a command and gives what it printed; raises AccountingError, TooMuch among them"""

    def __init__(self, run: Callable[[Sequence[str]], str] | None = None):
        self._run = run or run_sacct
        self._known: list[str] = []

    def rows(self, names: Sequence[str]) -> dict[JobRun, Row]:
        """Every run of these jobs that the database has.

        names   as `Row.name`
        """
        rows = _in_parts(self._rows_of, names)
        if rows and "Restarts" not in self._columns():
            rows = _with_restarts(rows)
        return {row.run: row for row in rows}

    def finished_between(self, start: int, end: int) -> list[Row]:
        """Every run that ended in that time, with _SWEPT_COLUMNS alone; both in seconds since 1970.

        One that ended within a second at which the answer had to be parted may be there twice.
        """
        window = ["--starttime", f"uts{start}", "--endtime", f"uts{end}", "--state", _STATES]
        try:
            rows = self._table(_SWEPT_COLUMNS, ["--duplicates", "--allusers", "--allocations", *window])
        except TooMuch as too_much:
            if end - start < 2:
                raise AccountingError(str(too_much)) from None
            middle = (start + end) // 2
            return [*self.finished_between(start, middle), *self.finished_between(middle, end)]
        return [row for row in rows if row.finished]

    def environments(self, names: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """The environment of each batch job as it was at submission, by sacct's JobID; None: too large a one.

        names   as `Row.name`, of one user's jobs: what a user's variables hold may look like a heading
        """
        return self._sections("--env-vars", names, _environment)

    def scripts(self, names: Sequence[str], keep: Callable[[str], T]) -> dict[str, T]:
        """What is to be kept of the script of each batch job; as `environments`."""
        return self._sections("--batch-script", names, keep)

    def _sections(self, option: str, names: Sequence[str], keep: Callable[[str], T]) -> dict[str, T]:
        def ask(part: Sequence[str]) -> list[tuple[str, T]]:
            text = self._run(["sacct", option, "--jobs", ",".join(part)])
            return [(shown, keep(body)) for shown, body in parse_sections(text)]

        return dict(_in_parts(ask, names))

    def _rows_of(self, names: Sequence[str]) -> list[Row]:
        which = ["--duplicates", "--jobs", ",".join(names)]
        try:
            return self._table(self._columns(), which)
        except TooMuch:
            if len(names) > 1:
                raise
            log.warning("job %s has too many steps: they are left out of its record", names[0])
            return self._table(self._columns(), ["--allocations", *which])

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


def _in_parts(ask: Callable[[Sequence[str]], list[T]], names: Sequence[str]) -> list[T]:
    """What there is of these jobs, asked for in as many parts as it takes to hold each answer."""
    if not names:
        return []
    try:
        return ask(names)
    except TooMuch as too_much:
        if len(names) == 1:
            log.warning("job %s: %s", names[0], too_much)
            return []
    middle = len(names) // 2
    return [*_in_parts(ask, names[:middle]), *_in_parts(ask, names[middle:])]


def run_sacct(command: Sequence[str], *, max_bytes: int = _ANSWER_BYTES) -> str:
    """What sacct prints; times as seconds since 1970, whatever the time zone.

    Raises   AccountingError, TooMuch among them
    """
    environment = {**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"}
    deadline = time.monotonic() + _TIMEOUT_S
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        except OSError as error:
            raise AccountingError(str(error)) from None
        # Where memory ends, the kernel is to end sacct, which can be asked for less, and not the shipper.
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
        with process:
            try:
                answer = _read(process, deadline, max_bytes)
            finally:
                process.kill()
        if process.returncode == -signal.SIGKILL:
            raise TooMuch("sacct was killed, perhaps for want of memory")
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read(_VALUE_CHARS).decode("utf-8", "replace").strip()
            raise AccountingError(said or f"exit {process.returncode}")
    return answer.decode("utf-8", "replace")


def _read(process: subprocess.Popen[bytes], deadline: float, max_bytes: int) -> bytearray:
    """All that a process prints until it ends."""
    assert process.stdout is not None
    answer = bytearray()
    while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(process.stdout.fileno(), 1 << 16)
        if not part:
            break
        answer += part
        if len(answer) > max_bytes:
            raise TooMuch(f"sacct has more than {max_bytes} bytes to say of it")
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise AccountingError(f"sacct did not answer within {_TIMEOUT_S} s") from None
    return answer


def parse_rows(text: str, columns: Sequence[str], separator: str) -> list[Row]:
    """sacct's rows, each job with its steps, which follow it.

    Values may hold line breaks, as a job's name does: a row ends when it has all its columns. One that no
    record has room for is left empty, not cut: a secret cut in two would not be known for one.
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
        yield text[start:end] if end - start <= _VALUE_CHARS else ""
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


def parse_sections(text: str) -> Iterator[tuple[str, str]]:
    """What `--env-vars` and `--batch-script` print for several jobs: a heading and a rule before each."""
    heading = _SECTION.search(text)
    while heading:
        after = _SECTION.search(text, heading.end())
        body = text[heading.end() : after.start() if after else len(text)].strip("\n")
        if body not in ("", "NONE"):
            yield heading[1], body
        heading = after


def _environment(text: str) -> dict[str, str] | None:
    return parse_environment(text) if len(text) <= _ENVIRONMENT_CHARS else None


def parse_environment(text: str) -> dict[str, str]:
    """NAME=value lines; a line that is none belongs to the value before it, as in exported functions.

    A line of a longer value that itself looks like NAME=value can't be told from a variable; but the lines of
    a PEM key end in "=" as well, and stay in the variable whose name has them masked.
    """
    lines: dict[str, list[str]] = {}
    held: list[str] | None = None
    in_key = False
    for line in text.split("\n"):
        setting = _SETTING.fullmatch(line)
        if setting and not (in_key and setting[2] in ("", "=")):
            held, in_key = [setting[2]], False
            lines[setting[1]] = held
        elif held is not None:
            held.append(line)
        begin, end = line.rfind("-----BEGIN "), line.rfind("-----END ")
        in_key = begin > end if begin != end else in_key
    return {name: "\n".join(value) for name, value in lines.items()}


def seconds(text: str) -> int | None:
    """A time as SLURM_TIME_FORMAT=%s gives it; None for Unknown and None."""
    return number(text) or None


def number(text: str) -> int | None:
    """What Slurm writes as a number; None for anything else, such as "²", a digit to str.isdigit alone."""
    return int(text) if len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit() else None
