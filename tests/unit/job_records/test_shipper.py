"""Which runs are recorded, when, and with whose rights their output is read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from job_records import shipper as shipping
from job_records.accounting import Accounting, AccountingError
from job_records.attempts import Attempts
from job_records.journal import Journal
from job_records.markers import Spool
from job_records.outputs import Tail
from job_records.shipper import Shipper, Timing

WHOLE = {"JobIDRaw": "9", "JobID": "9", "User": "sim", "UID": "2001", "Partition": "main", "State": "FAILED",
         "ExitCode": "3:0", "Submit": "100", "Start": "110", "End": "120", "NodeList": "n1", "NNodes": "1",
         "WorkDir": "/home/sim", "SubmitLine": "sbatch run.sh"}  # fmt: skip
# As 22.05 shows it for seconds: the end is there, and nothing of what came with the start.
END_ALONE = {**WHOLE, "User": "root", "UID": "0", "Partition": "", "WorkDir": "", "SubmitLine": ""}
MARKER = {"JOBID": "9", "USERNAME": "sim", "UID": "2001", "JOBSTATE": "FAILED", "EXITCODE": "3:0",
          "NODES": "n1", "NODECNT": "1", "START": "110", "END": "120", "STDOUT": "/root/secret",
          "BATCH": "yes"}  # fmt: skip


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Node:
    """A shipper with a spool of its own, a database that says what `row` holds, and a clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.now = folder, 1000.0
        self.row: dict[str, str] = {}
        # What the sweep finds, where that is not the row that its job's number gives.
        self.swept_row: dict[str, str] = {}
        # Whether there is such a row for every number that is asked for.
        self.many = False
        self.environment, self.script = "HOME=/home/sim", "module load gcc/13"
        self.asked: list[list[str]] = []
        self.readers: list[tuple[str, str]] = []
        (folder / "markers").mkdir()
        (folder / "swept.json").write_text('{"until": 50, "first_start": 50}')
        self.deadly = ""
        self.start()
        monkeypatch.setattr(shipping, "read_tails", self._read_tails)

    def start(self) -> None:
        journal = Journal(self.folder)
        self.shipper = Shipper(
            spool=Spool(self.folder / "markers"),
            accounting=Accounting(self._sacct),
            journal=journal,
            attempts=Attempts(self.folder / "attempts.json", journal),
            swept=self.folder / "swept.json",
            about={},
            tail_bytes=100,
            timing=Timing(give_up=1800),
            clock=lambda: self.now,
        )

    def mark(self, job: int = 9) -> None:
        fields = {**MARKER, "JOBID": str(job), "STDOUT": "/root/out-%j", "COMPLETE": "1"}
        text = "".join(f"{name}={value}\0" for name, value in fields.items())
        marker = self.folder / "markers" / f"{job}.100"
        marker.write_text(text)
        os.utime(marker, (self.now, self.now))

    def records(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in (self.folder / "records" / "000001.jsonl").read_text().splitlines()
        ]

    def _sacct(self, command: Sequence[str]) -> str:
        if "--env-vars" in command or "--batch-script" in command:
            return self._submissions(command[1], command[-1].split(","))
        if "--format" not in command:
            return ""
        columns = command[command.index("--format") + 1].split(",")
        separator = command[command.index("--delimiter") + 1]
        row = self.row if "--jobs" in command else self.swept_row or self.row
        numbers = [row.get("JobIDRaw", "")]
        if self.many and "--jobs" in command:
            numbers = command[command.index("--jobs") + 1].split(",")
        rows = [{**row, "JobIDRaw": number, "JobID": number} for number in numbers if row]
        return "".join(
            "".join(each.get(column, "") + separator for column in columns) + "\n" for each in rows
        )

    def _submissions(self, option: str, names: list[str]) -> str:
        self.asked.append(names)
        environments = option == "--env-vars"
        heading = "Environment used" if environments else "Batch Script"
        text = self.environment if environments else self.script
        return "".join(f"{heading} for {name}\n{'-' * 80}\n{text}\n" for name in names)

    def _read_tails(self, user: str, uid: str, paths: Sequence[str], limit: int) -> dict[str, Tail]:
        if self.deadly in paths:
            raise Killed
        self.readers.append((user, uid))
        return {path: Tail(path, b"x", 1) for path in paths}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


@pytest.mark.parametrize("marked", [True, False])
def test_a_run_of_which_only_the_end_is_known_waits_for_the_rest(node: Node, marked: bool) -> None:
    # GIVEN a run whose end is in the database before its start is
    if marked:
        node.mark()
    node.row = END_ALONE
    node.now += 400
    assert (node.shipper.pass_once(), node.records()) == (0, [])
    # WHEN the rest arrives
    node.row = WHOLE
    node.now += 400
    assert node.shipper.pass_once() == 1
    # THEN its record is that of its user, with whose rights its output was read
    (record,) = node.records()
    assert (record["user"], record["partition"], record["source"]) == ("sim", "main", "accounting")
    assert set(node.readers) == {("sim", "2001")}


def test_a_run_of_which_no_more_than_the_end_comes_is_recorded_from_its_marker(node: Node) -> None:
    node.mark()
    node.row = END_ALONE
    node.now += 1801
    assert node.shipper.pass_once() == 1
    (record,) = node.records()
    assert (record["source"], record["user"], record["exit_code"]) == ("marker", "sim", 3)


def test_output_is_read_as_the_user_whom_slurmctld_names(node: Node) -> None:
    # GIVEN a database that takes the job for root's: its path would be opened by root
    node.mark()
    node.row = {**WHOLE, "User": "root", "UID": "0"}
    node.now += 60
    assert node.shipper.pass_once() == 1
    assert node.readers == [("sim", "2001")]


@pytest.mark.parametrize("found", [{}, {**WHOLE, "JobIDRaw": "10"}, {**WHOLE, "UID": "2002"}])
def test_a_run_is_the_sweeps_only_if_its_number_gives_the_same(node: Node, found: dict[str, str]) -> None:
    # GIVEN a row of the sweep that the database does not have when it is asked for it
    node.swept_row, node.row = WHOLE, found
    node.now += 400
    assert (node.shipper.pass_once(), node.records(), node.readers) == (0, [], [])
    # WHEN it has it after all THEN a later sweep records it
    node.row = WHOLE
    node.now += 400
    assert node.shipper.pass_once() == 1
    assert node.readers == [("sim", "2001")]


def test_environments_and_scripts_are_asked_for_by_few_and_forgotten_when_they_are_large(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN many jobs that ended together, with environments larger than may be held together
    monkeypatch.setattr(shipping, "_REMEMBERED_BYTES", 1_000_000)
    node.many, node.row, node.environment = True, WHOLE, f"LONG={'x' * 100_000}"
    for job in range(1, 41):
        node.mark(job)
    node.now += 60
    assert node.shipper.pass_once() == 40
    # THEN no answer is larger than a few of them, and few are held
    assert {len(names) for names in node.asked} == {10}
    assert 0 < node.shipper._remembered <= 1_000_000
    assert {record["modules"]["script"][0] for record in node.records()} == {"gcc/13"}


@pytest.mark.parametrize(
    "environment", [f"A={'x' * 1_100_000}", "".join(f"T{n}_TOKEN=secret-{n:06}\n" for n in range(1100))]
)
def test_an_environment_that_is_too_large_is_left_out(node: Node, environment: str) -> None:
    node.mark()
    node.row, node.environment = WHOLE, environment
    node.now += 60
    assert node.shipper.pass_once() == 1
    (record,) = node.records()
    assert (record["environment"], record["shortened"]) == (None, "the environment is too large")


@pytest.mark.parametrize(
    ("marked", "deadly", "path"), [(range(1, 31), 7, "/root/out-7"), ((), 9, "/home/sim/slurm-9.out")]
)
def test_a_job_that_brings_the_shipper_down_does_not_hold_up_the_others(
    node: Node, marked: Sequence[int], deadly: int, path: str
) -> None:
    # GIVEN jobs that ended together, of which one kills whoever looks at its output; or the sweep's own
    node.many, node.row, node.deadly = True, WHOLE, path
    for job in marked:
        node.mark(job)
    node.now += 400
    deaths = 0
    # WHEN the service starts again after each death
    while deaths < 20:
        try:
            node.shipper.pass_once()
            break
        except Killed:
            deaths += 1
            node.start()
    # THEN it comes to an end, with the others' records whole, and that one's id
    assert deaths == 8
    lame = {record["job_id"]: record["problem"] for record in node.records() if "problem" in record}
    assert lame == {deadly: "not described: the service ended each time it was"}
    whole = [record["job_id"] for record in node.records() if "problem" not in record]
    assert sorted(whole) == [job for job in marked if job != deadly]
    # AND nothing is tried again
    assert node.shipper.pass_once() == 0 and node.shipper.waiting == 0


@pytest.mark.parametrize("fault", [AccountingError(), OSError(28, "No space left on device")])
def test_what_is_no_jobs_fault_is_not_held_against_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    node.mark()
    node.row = WHOLE
    node.now += 60

    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as failing:
        failing.setattr(node.shipper, "_record", fail)
        for _ in range(9):
            with pytest.raises(type(fault)):
                node.shipper.pass_once()
    node.start()
    assert node.shipper.pass_once() == 1
    assert "problem" not in node.records()[0]
