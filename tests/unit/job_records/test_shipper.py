"""Which runs are recorded, when, and with whose rights their output is read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from job_records import shipper as shipping
from job_records.accounting import Accounting
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


class Node:
    """A shipper with a spool of its own, a database that says what `row` holds, and a clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.now = folder, 1000.0
        self.row: dict[str, str] = {}
        # What the sweep finds, where that is not the row that its job's number gives.
        self.swept_row: dict[str, str] = {}
        self.readers: list[tuple[str, str]] = []
        (folder / "markers").mkdir()
        (folder / "swept.json").write_text('{"until": 50, "first_start": 50}')
        self.shipper = Shipper(
            spool=Spool(folder / "markers"),
            accounting=Accounting(self._sacct),
            journal=Journal(folder),
            swept=folder / "swept.json",
            about={},
            tail_bytes=100,
            timing=Timing(give_up=1800),
            clock=lambda: self.now,
        )
        monkeypatch.setattr(shipping, "read_tails", self._read_tails)

    def mark(self) -> None:
        text = "".join(f"{name}={value}\0" for name, value in {**MARKER, "COMPLETE": "1"}.items())
        marker = self.folder / "markers" / "9.100"
        marker.write_text(text)
        os.utime(marker, (self.now, self.now))

    def records(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in (self.folder / "records" / "000001.jsonl").read_text().splitlines()
        ]

    def _sacct(self, command: Sequence[str]) -> str:
        if "--format" not in command:
            return ""
        columns = command[command.index("--format") + 1].split(",")
        separator = command[command.index("--delimiter") + 1]
        row = self.row if "--jobs" in command else self.swept_row or self.row
        return "".join(row.get(column, "") + separator for column in columns) + "\n" if row else ""

    def _read_tails(self, user: str, uid: str, paths: Sequence[str], limit: int) -> dict[str, Tail]:
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
