"""The record itself: its limit, its texts, and a record made without the database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_records.accounting import Row
from job_records.markers import JobRun
from job_records.outputs import Tail
from job_records.record import MAX_BYTES, Findings, bare, compose, named_modules, text_of

RUN = JobRun(9, 100)
COLUMNS = {
    "JobIDRaw": "9", "JobID": "3_2", "JobName": "job", "User": "sim", "UID": "2001", "Group": "sim",
    "GID": "2001", "Account": "", "Partition": "main", "QOS": "normal", "State": "CANCELLED by 0",
    "Reason": "None",
    "ExitCode": "0:15", "DerivedExitCode": "0:0", "Submit": "100", "Eligible": "100", "Start": "110",
    "End": "200", "ElapsedRaw": "90", "TimelimitRaw": "60", "NNodes": "2", "NodeList": "n[1-2]", "NCPUS": "4",
    "ReqCPUS": "4", "ReqNodes": "2", "ReqTRES": "cpu=4,mem=2000M,node=2,gres/gpu=1", "AllocTRES": "cpu=4",
    "CPUTimeRAW": "360", "TotalCPU": "1-02:03:04", "UserCPU": "05:06.789", "SystemCPU": "", "Constraints": "",
    "ConsumedEnergyRaw": "0", "WorkDir": "/home/sim", "SubmitLine": "sbatch --password=abc run.sh",
}  # fmt: skip
STEPS = [{"MaxRSS": "1024", "MaxDiskRead": "1.5M", "MaxDiskWrite": ""}, {"MaxRSS": "4K", "MaxDiskRead": "0", "MaxDiskWrite": ""}]  # noqa: E501  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    findings = Findings(**{"run": RUN, "row": Row(COLUMNS, STEPS), "marker": {}, **changes})
    return dict(json.loads(compose(findings, recorded_at=1764000000.5)))


def test_slurms_words_in_units_that_can_be_counted_with() -> None:
    found = record()
    assert (found["state"], found["cancelled_by_uid"], found["exit_code"], found["signal"]) == (
        "CANCELLED", 0, 0, 15,
    )  # fmt: skip
    assert (found["array_job_id"], found["array_task_id"], found["restarts"]) == (3, 2, None)
    assert found["times"] == {
        "submit": "1970-01-01T00:01:40Z", "eligible": "1970-01-01T00:01:40Z",
        "start": "1970-01-01T00:01:50Z", "end": "1970-01-01T00:03:20Z",
    }  # fmt: skip
    assert (found["elapsed_s"], found["time_limit_s"]) == (90, 3600)
    assert found["requested"]["tres"] == {"cpu": 4, "mem_bytes": 2000 * 2**20, "node": 2, "gres/gpu": 1}
    assert found["used"] == {
        "allocated_cpu_s": 360, "cpu_s": 93784.0, "user_cpu_s": 306.789, "system_cpu_s": None,
        "max_rss_bytes": 4096, "max_disk_read_bytes": 1572864, "max_disk_write_bytes": None, "energy_j": None,
    }  # fmt: skip
    assert record(environment={})["submit_line"] == "sbatch --password=*** run.sh"
    assert found["recorded_at"] == "2025-11-24T16:00:00Z"


def test_the_id_comes_first_and_the_environment_last() -> None:
    members = list(record(environment={"A": "1"}))
    assert (members[0], members[-1]) == ("id", "environment")


def test_what_never_ran_has_no_start() -> None:
    found = record(row=Row({**COLUMNS, "NodeList": "None assigned", "Start": "200"}, []))
    assert (found["times"]["start"], found["nodes"]) == (None, {"count": 0, "names": None})


def test_modules_of_the_shell_and_of_the_script() -> None:
    script = (
        "#!/bin/bash\nmodule purge\n  module load gcc/13 openmpi/5  # why\nml cmake; module add -s gcc/13\n"
    )
    found = record(environment={"LOADEDMODULES": "a/1:b/2"}, modules=named_modules(script))
    assert found["modules"] == {"submitted": ["a/1", "b/2"], "script": ["gcc/13", "openmpi/5", "cmake"]}


def test_of_very_many_modules_the_first_are_kept() -> None:
    script = "".join(f"module load m/{number} {'x' * 5000}\n" for number in range(1000))
    named = named_modules(script)
    assert len(named) == 200 and named[:3:2] == ["m/0", "m/1"] and max(map(len, named)) < 600


def test_a_record_without_the_database() -> None:
    marker = {"JOBID": "9", "JOBNAME": "job", "USERNAME": "sim", "UID": "2001", "JOBSTATE": "PENDING",
              "NODES": "n1", "EXITCODE": "3:0", "ARRAYJOBID": "3", "ARRAYTASKID": "2", "START": "110",
              "END": "200", "NODECNT": "0", "WORK_DIR": "/home/sim"}  # fmt: skip
    found = record(row=None, marker=marker)
    assert (found["source"], found["state"], found["exit_code"], found["elapsed_s"]) == (
        "marker",
        "REQUEUED",
        3,
        90,
    )
    assert (found["array_job_id"], found["array_task_id"]) == (3, 2)
    assert record(row=None, marker={})["state"] == "UNKNOWN"
    assert json.loads(bare(RUN, "why", recorded_at=0))["id"] == "9.100"


@pytest.mark.parametrize("start", range(4))
def test_a_character_that_the_limit_cuts_in_two_goes(start: int) -> None:
    whole = "é€😀x".encode()
    data = whole[start:]
    text = text_of(Tail("o", data, len(whole)))
    assert "\ufffd" not in text and "é€😀x".endswith(text)


def test_bytes_that_are_no_text_stay_visible() -> None:
    assert text_of(Tail("o", b"\xff\xfea\xc3", 4)) == "��a�"
    assert text_of(Tail("o", b"\x80\x80\x80\x80\x80a", 100)) == "�����a"


@pytest.mark.parametrize("row", [Row(COLUMNS), None])
def test_what_cannot_be_masked_is_not_shown(row: Row | None) -> None:
    # GIVEN a run whose environment the database does not have: nobody knows what of it is in these texts
    secret, shown = "correct-horse-battery", "password=correct-horse"
    columns = {
        **COLUMNS,
        "SubmitLine": f"/usr/bin/srun ./solve {secret}",
        "JobName": shown,
        "WorkDir": f"/{shown}",
    }
    marker = {"JOBNAME": shown, "WORK_DIR": f"/{shown}", "NODES": "n1"}
    found = record(
        row=row and Row(columns),
        marker=marker,
        modules=[f"m/{shown}"],
        stdout=Tail(f"/{shown}", secret.encode(), 999),
        stderr=Tail("/e", b"", unavailable="a symbolic link"),
    )
    # THEN its outputs are told of, and not shown; and what looks like a secret is shown nowhere
    assert found["stdout"] == {
        "path": "/password=***", "bytes": 999,
        "unavailable": "the environment is not known, and with it the secrets to mask",
    }  # fmt: skip
    assert found["stderr"]["unavailable"] == "a symbolic link"
    assert (found["name"], found["work_directory"]) == ("password=***", "/password=***")
    assert found.get("submit_line") == ("/usr/bin/srun ***" if row else None)
    assert "correct-horse" not in json.dumps(found)
    assert record(row=Row({**COLUMNS, "SubmitLine": "salloc"}))["submit_line"] == "salloc"


def test_paths_are_masked_too() -> None:
    environment = {"MY_TOKEN": "correct-horse-battery"}
    tail = Tail("/home/correct-horse-battery.out", b"text", 4)
    found = record(environment=environment, stdout=tail, stderr=tail)
    assert found["stdout"]["path"] == found["stderr"]["path"] == "/home/***.out"


@pytest.mark.parametrize("kept", range(30))
def test_a_tail_does_not_begin_with_the_rest_of_a_secret(kept: int) -> None:
    # GIVEN an output that the limit cuts anywhere, within a secret as well
    secret = "correct-horse-battery"
    whole = f"text {secret} end"
    data = whole[-kept:] if kept else ""
    found = record(environment={"MY_TOKEN": secret}, stdout=Tail("/o", data.encode(), len(whole)))
    tail = found["stdout"]["tail"]
    # THEN nothing of it is left but what is too short to be told from any text
    assert not any(secret[-length:] in tail for length in range(4, len(secret) + 1))
    assert tail.endswith(" end"[-kept:] if kept else "")


def test_both_outputs_in_one_file_are_shown_once() -> None:
    tail = Tail("/o", b"text", 4)
    found = record(environment={}, stdout=tail, stderr=tail)
    assert found["stdout"]["tail"] == "text" and found["stderr"] == {"path": "/o", "same_as": "stdout"}


@given(
    out=st.binary(max_size=65536),
    repeated=st.sampled_from([b"\0", b"\x1b", b'"', b"\xff", b"a", "😀".encode()]),
    environment=st.dictionaries(
        st.from_regex(r"[A-Z_]{1,20}", fullmatch=True),
        st.text(max_size=200).map(lambda text: text * 400),
        max_size=5,
    ),
    name=st.text(max_size=300),
)
@settings(max_examples=60, deadline=None)
def test_no_record_is_longer_than_an_event_may_be(
    out: bytes, repeated: bytes, environment: dict[str, str], name: str
) -> None:
    findings = Findings(
        run=RUN,
        row=Row({**COLUMNS, "JobName": name}, STEPS),
        marker={},
        environment=environment,
        stdout=Tail("/o", repeated * (65536 // len(repeated)), 1 << 40),
        stderr=Tail("/e", out, len(out)),
    )
    line = compose(findings, recorded_at=0)
    assert len(line) < MAX_BYTES and b"\n" not in line
    assert json.loads(line)["id"] == "9.100"


def test_even_an_absurd_submit_line_fits() -> None:
    columns = {**COLUMNS, "SubmitLine": "x " * 200_000}
    assert len(compose(Findings(RUN, Row(columns), {}), recorded_at=0)) < MAX_BYTES
