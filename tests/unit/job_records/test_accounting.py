"""What sacct prints, of several releases, and what is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from job_records import accounting
from job_records.accounting import (
    Accounting,
    AccountingError,
    TooMuch,
    parse_environment,
    parse_rows,
    parse_sections,
)
from job_records.markers import JobRun

# What `sacct --helpformat` offers: of 23.11, without the columns that came later, and of 24.05 and newer.
OLD = ["Account", "AllocTRES", "State", "Submit"]
NEW = [*OLD, "Restarts", "StdErr", "StdIn", "StdOut"]


class Sacct:
    """Plays sacct: a table of rows, each column by its name; what is left out is empty."""

    def __init__(self, offered: list[str], rows: list[dict[str, str]]) -> None:
        self.offered, self.rows = offered, rows
        self.calls: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> str:
        self.calls.append(list(command))
        if "--helpformat" in command:
            return "  ".join(self.offered)
        columns = command[command.index("--format") + 1].split(",")
        separator = command[command.index("--delimiter") + 1]
        end = f"{separator}\n" if "--parsable" in command else "\n"
        return "".join(separator.join(row.get(column, "") for column in columns) + end for row in self.rows)


JOB = {"JobIDRaw": "9", "JobID": "3_2", "JobName": "a|b", "State": "COMPLETED", "Submit": "100", "End": "200",
       "UID": "2001", "Partition": "main", "NodeList": "n1", "SubmitLine": "sbatch a",
       "StdOut": "o.txt"}  # fmt: skip
STEP = {
    "JobIDRaw": "9.batch",
    "JobID": "3_2.batch",
    "JobName": "batch",
    "State": "COMPLETED",
    "MaxRSS": "1024",
}


@pytest.mark.parametrize("offered", [OLD, NEW])
def test_only_the_columns_that_a_release_has_are_asked_for(offered: list[str]) -> None:
    sacct = Sacct(offered, [JOB, STEP])
    rows = Accounting(sacct).rows(["3_2"])
    row = rows[JobRun(9, 100)]
    assert ("StdOut" in row.columns, row.columns.get("StdOut")) == (
        (True, "o.txt") if offered is NEW else (False, None)
    )
    assert (row.name, row.state, row.finished, row.nodes) == ("3_2", "COMPLETED", True, "n1")
    assert [step["MaxRSS"] for step in row.steps] == ["1024"]


def test_the_runs_of_a_requeued_job_are_told_apart_each_with_its_own_steps() -> None:
    again = {**JOB, "Submit": "300", "State": "RUNNING", "End": "Unknown"}
    rows = Accounting(Sacct(NEW, [JOB, STEP, again])).rows(["3_2"])
    assert {run.id: (row.finished, len(row.steps)) for run, row in rows.items()} == {
        "9.100": (True, 1),
        "9.300": (False, 0),
    }


@pytest.mark.parametrize("offered", [OLD, NEW])
def test_restarts_are_counted_where_a_release_does_not_tell_them(offered: list[str]) -> None:
    # GIVEN a job's three runs, after one of the same number from before the numbers came round
    another = {**JOB, "Submit": "5", "SubmitLine": "sbatch other"}
    runs = [{**JOB, "Submit": submit, "Restarts": "7"} for submit in ("300", "100", "200")]
    rows = Accounting(Sacct(offered, [another, *runs])).rows(["3_2"])
    counted = {run.submit: row.columns["Restarts"] for run, row in rows.items() if run.submit >= 100}
    assert counted == (
        {100: "0", 200: "1", 300: "2"} if offered is OLD else dict.fromkeys((100, 200, 300), "7")
    )


@pytest.mark.parametrize(
    ("state", "finished"),
    [
        ("COMPLETED", True), ("FAILED", True), ("CANCELLED by 1000", True), ("TIMEOUT", True),
        ("NODE_FAIL", True), ("OUT_OF_MEMORY", True), ("PREEMPTED", True), ("REQUEUED", True),
        ("DEADLINE", True), ("BOOT_FAIL", True),
        ("PENDING", False), ("RUNNING", False), ("SUSPENDED", False),
        ("COMPLETING", False), ("RESIZING", False),
    ],
)  # fmt: skip
def test_which_states_are_an_end(state: str, finished: bool) -> None:
    (row,) = Accounting(Sacct(NEW, [{**JOB, "State": state}])).rows(["9"]).values()
    assert row.finished is finished


def test_an_array_of_which_nothing_began_is_asked_for_by_its_number() -> None:
    (row,) = Accounting(Sacct(NEW, [{**JOB, "JobIDRaw": "4", "JobID": "4_[1-7]"}])).rows(["4"]).values()
    assert row.name == "4"


def test_line_breaks_and_bars_in_users_texts_do_not_break_rows() -> None:
    columns = ["JobIDRaw", "Submit", "SubmitLine"]
    text = "1;;5;;one\nname|x\n\n;;\n2;;5;;two;;\nrubbish\n"
    rows = parse_rows(text, columns, ";;")
    assert [(row.columns["JobIDRaw"], row.columns["SubmitLine"]) for row in rows] == [
        ("1", "one\nname|x\n\n"),
        ("2", "two"),
    ]


@pytest.mark.parametrize("offered", [OLD, NEW])
def test_a_jobs_name_is_no_row_of_its_own(offered: list[str]) -> None:
    # GIVEN a name that ends its own row and begins another's, if the separator is what its owner believes
    sacct = Sacct(offered, [JOB])
    Accounting(sacct).rows(["3_2"])
    (used,) = [call[call.index("--delimiter") + 1] for call in sacct.calls if "--delimiter" in call]
    for separator in ("\x1f", "|", used):
        row = {**JOB, "JobIDRaw": "99", "JobID": "99", "User": "root", "UID": "0", "StdOut": "/root/secret"}
        columns = sacct.calls[-1][sacct.calls[-1].index("--format") + 1].split(",")
        forged = separator.join(row.get(column, "") for column in columns)
        name = separator.join(["x", *[""] * (len(columns) - 3), f"\n{forged}{separator}\n"])
        sacct.rows = [{**JOB, "JobName": name}]
        # THEN it is a name
        (found,) = Accounting(sacct).rows(["3_2"]).values()
        assert (found.run, found.columns["UID"], found.columns["JobName"]) == (JobRun(9, 100), "2001", name)


@pytest.mark.parametrize(
    "change", [{"JobIDRaw": "²"}, {"Submit": "²"}, {"JobIDRaw": "9" * 5000}, {"Submit": "Unknown"}]
)
def test_a_row_that_is_no_jobs_is_left_out_and_told(
    change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    another = {**JOB, "JobIDRaw": "10", "JobID": "10"}
    rows = Accounting(Sacct(NEW, [{**JOB, **change}, STEP, another])).rows(["3_2", "10"])
    assert [run.id for run in rows] == ["10.100"]
    assert "a row that is no job's" in caplog.text


def test_a_sweep_asks_for_ended_runs_within_its_window() -> None:
    sacct = Sacct(NEW, [JOB, {**JOB, "Submit": "300", "State": "PENDING", "End": "Unknown"}])
    assert [row.run.id for row in Accounting(sacct).finished_between(50, 400)] == ["9.100"]
    call = " ".join(sacct.calls[-1])
    assert "--starttime uts50 --endtime uts400" in call and "--duplicates" in call and "--state" in call
    # AND for nothing that holds a user's text
    asked = sacct.calls[-1][sacct.calls[-1].index("--format") + 1].split(",")
    assert set(asked).isdisjoint({"JobName", "SubmitLine", "WorkDir", "StdOut", "StdErr", "Constraints"})


# As sacct 24.11.5 prints it.
SECTIONS = """\
Environment used for 1 (must be batch to display)
--------------------------------------------------------------------------------
MYVAR=a
b
BASH_FUNC_module%%=() {  eval $(modulecmd bash $*)
}
EMPTY=
Environment used for 7 (must be batch to display)
--------------------------------------------------------------------------------
NONE
Environment used for 3_1 (must be batch to display)
--------------------------------------------------------------------------------
PWD=/home/sim
Environment used for 4_[1-4] (must be batch to display)
--------------------------------------------------------------------------------
PWD=/home/other
"""


def test_the_environments_of_several_jobs() -> None:
    environments = Accounting(lambda _: SECTIONS).environments(["1", "7", "3_1", "4"])
    assert environments == {
        "1": {"MYVAR": "a\nb", "BASH_FUNC_module%%": "() {  eval $(modulecmd bash $*)\n}", "EMPTY": ""},
        "3_1": {"PWD": "/home/sim"},
        "4_[1-4]": {"PWD": "/home/other"},
    }


def test_nothing_is_asked_for_no_jobs() -> None:
    def never(command: Sequence[str]) -> str:
        raise AssertionError(command)

    asked = Accounting(never)
    assert (asked.rows([]), asked.environments([]), asked.scripts([], str)) == ({}, {}, {})


def test_scripts() -> None:
    rule = "-" * 80
    text = f"Batch Script for 1\n{rule}\n#!/bin/sh\necho a\nBatch Script for 3_1\n{rule}\n#!/bin/sh\n"
    assert dict(parse_sections(text)) == {"1": "#!/bin/sh\necho a", "3_1": "#!/bin/sh"}


def test_the_lines_of_a_key_stay_in_its_variable() -> None:
    kind = "RSA " + "PRIVATE KEY"
    text = f"MY_KEY=-----BEGIN {kind}-----\nabc=\nDEF==\n-----END {kind}-----\nA=1"
    assert parse_environment(text) == {"MY_KEY": text[len("MY_KEY=") : -len("\nA=1")], "A": "1"}


def test_the_lines_of_several_keys_and_a_key_without_its_end() -> None:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    chain = f"{begin}\nabc=\n{end}\n{begin}\ndef==\n{end}"
    assert parse_environment(f"CHAIN={chain}\nA=1") == {"CHAIN": chain, "A": "1"}
    # What has no end does not take the variables after it, whose names may have them masked.
    assert parse_environment(f"X={begin}\nabc=\nMY_PIN=12345678") == {
        "X": f"{begin}\nabc=",
        "MY_PIN": "12345678",
    }


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_sections, "Batch Script for " + "a" * 1_000_000 + "\nno rule"),
        (parse_sections, "Batch Script for " + "a " * 500_000 + "\nno rule"),
        (parse_environment, "A=" + "\n" * 1_000_000),
        (parse_environment, "A=-----BEGIN \n" + "B=\n" * 300_000),
    ],
    ids=["word", "words", "lines", "key"],
)
def test_no_text_of_a_users_takes_long(parse: Callable[[str], Iterable[object]], text: str) -> None:
    began = time.process_time()
    list(parse(text))
    assert time.process_time() - began < 5


class Weighed(Sacct):
    """Says too much when it is asked for more than so many jobs, or steps, or seconds at once."""

    def __init__(self, *, jobs: int = 1000, seconds: int = 1000, steps: bool = True) -> None:
        super().__init__(NEW, [JOB])
        self.jobs, self.seconds, self.steps = jobs, seconds, steps

    def __call__(self, command: Sequence[str]) -> str:
        self.calls.append(list(command))
        if "--helpformat" in command:
            return super().__call__(command)
        options = dict(pairwise(command))
        names = options.get("--jobs", "").split(",")
        window = int(options.get("--endtime", "uts0")[3:]) - int(options.get("--starttime", "uts0")[3:])
        if len(names) > self.jobs or window > self.seconds or not (self.steps or "--allocations" in command):
            raise TooMuch
        if "--env-vars" in command:
            return "".join(f"Environment used for {name}\n{'-' * 80}\nN={name}\n" for name in names)
        self.rows = [{**JOB, "JobIDRaw": name, "JobID": name} for name in names]
        if "--starttime" in command:
            self.rows = [{**JOB, "End": options["--endtime"][3:]}]
        return super().__call__(command)


def test_too_much_at_once_is_asked_for_in_parts() -> None:
    names = [str(number) for number in range(1, 31)]
    sacct = Weighed(jobs=4)
    assert {row.name for row in Accounting(sacct).rows(names).values()} == set(names)
    assert Accounting(sacct).environments(names) == {name: {"N": name} for name in names}
    # A job that is too much by itself is there without its steps, or not at all.
    assert len(Accounting(Weighed(jobs=1, steps=False)).rows(["1", "2"])) == 2
    assert Accounting(Weighed(jobs=0)).environments(["1", "2"]) == {}
    # A sweep is for a shorter time, and no second is left out.
    ended = Accounting(Weighed(seconds=100)).finished_between(0, 400)
    assert [row.columns["End"] for row in ended] == ["100", "200", "300", "400"]
    with pytest.raises(AccountingError):
        Accounting(Weighed(seconds=0)).finished_between(0, 400)


def test_what_no_record_has_room_for_is_not_kept() -> None:
    long = "x" * 1_100_000
    rule = "-" * 80
    sections = f"Environment used for 1\n{rule}\nA={long}\nEnvironment used for 2\n{rule}\nA=1\n"
    assert Accounting(lambda _: sections).environments(["1", "2"]) == {"1": None, "2": {"A": "1"}}
    (row,) = Accounting(Sacct(NEW, [{**JOB, "SubmitLine": long}])).rows(["3_2"]).values()
    assert row.columns["SubmitLine"] == ""


def test_an_answer_is_not_held_beyond_its_limit() -> None:
    endless = ["sh", "-c", "while :; do echo 1234567890123456789012345678901234567890; done"]
    with pytest.raises(TooMuch, match="more than 100000 bytes"):
        accounting.run_sacct(endless, max_bytes=100_000)
    # AND one that the kernel killed for want of memory is not asked for the same again
    with pytest.raises(TooMuch, match="killed"):
        accounting.run_sacct(["sh", "-c", "kill -9 $$"])
    given = "for _ in $(seq 300); do grep -qx 1000 /proc/$$/oom_score_adj && exit; sleep 0.1; done; exit 1"
    accounting.run_sacct(["sh", "-c", given])


def test_a_sacct_that_fails_is_asked_again_later() -> None:
    with pytest.raises(AccountingError, match="oops"):
        accounting.run_sacct(["sh", "-c", "echo oops >&2; exit 1"])
    with pytest.raises(AccountingError):
        accounting.run_sacct(["/nonexistent/sacct"])
    assert accounting.run_sacct(["sh", "-c", r"printf 'a\377'; echo $SLURM_TIME_FORMAT"]) == "a�%s\n"
