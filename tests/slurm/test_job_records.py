"""Job records on a real Slurm: every finished run once, whatever the jobs do and whatever is killed."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_records.accounting import _COLUMNS

from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.mariadb import MariaDbServer
from tests.slurm import software
from tests.slurm.agent import FakeAgent
from tests.slurm.cluster import SlurmCluster, await_value
from tests.slurm.conftest import project_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm-records"), pytest.mark.timeout(600)]

SPOOL = "/var/spool/provisioner/job-records"
UNIT = "provisioner-job-records.service"
PROJECT = names_for("lab-1", "records", account_id="123456789012")
# For the tests only: a thousand jobs in seconds.
SCHEDULER = (
    "SchedulerParameters",
    "sched_interval=1,sched_min_interval=50000,default_queue_depth=2000,bf_interval=5",
)
MANY_WITHIN_S = 300.0
# Shorter waits, and files small enough that a thousand records fill several.
FASTER = "--settle 1 --sweep 3 --poll 0.2 --file-bytes 500000"


class Recording:
    """A cluster that records its jobs, and the agent that takes the records away."""

    def __init__(self, cluster: SlurmCluster) -> None:
        self.cluster = cluster
        self.agent = FakeAgent(cluster)
        self._read: list[dict[str, Any]] = []

    def shipper(self, verb: str) -> None:
        self.cluster.systemctl(verb, UNIT)

    def kill_shipper(self) -> None:
        self.cluster.run("systemctl", "kill", "--signal=KILL", UNIT)
        self.cluster.run("systemctl", "stop", UNIT)

    def of(self, job: int | str) -> list[dict[str, Any]]:
        """What CloudWatch has of a job: by its number, or 100_7 for a task."""
        return [record for record in self.records() if str(job) in (str(record["job_id"]), _shown(record))]

    def await_one(self, job: int | str, count: int = 1) -> dict[str, Any]:
        """Wait for so many records of the job; gives the last."""
        found = await_value(
            lambda: len(self.of(job)) >= count and self.of(job), f"record of {job}", self.explain
        )
        assert len(found) == count, found
        return found[-1]

    def records(self) -> list[dict[str, Any]]:
        self._read += [json.loads(line) for line in self.agent.sent[len(self._read) :]]
        return list(self._read)

    def markers(self, job: int) -> list[Path]:
        return list(self.cluster.path(f"{SPOOL}/markers").glob(f"{job}.*"))

    def swept_until(self) -> float:
        """Up to when the last sweep has looked; it had looked at all that was recorded before."""
        return float(json.loads(self.cluster.path(f"{SPOOL}/swept.json").read_text())["until"])

    def explain(self) -> str:
        log = self.cluster.path(f"/var/log/units/{UNIT}.log")
        return log.read_text()[-3000:] if log.exists() else ""


def _shown(record: dict[str, Any]) -> str:
    return f"{record['array_job_id']}_{record['array_task_id']}"


@pytest.fixture(scope="module")
def recording(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[Recording]:
    """A project's cluster with the steps of job records done, and a shipper that waits for less."""
    cluster = project_cluster(
        slurm_root, accounting_server, "records", settings=Settings(job_record_tail_bytes=4000)
    )
    cluster.settings = [*cluster.settings, SCHEDULER, ("DefMemPerCPU", "1")]
    cluster.start()
    try:
        FakeAgent.install(cluster)
        software.step(cluster, "head-configured.d/50-job-records")
        unit = cluster.path(f"/etc/systemd/system/{UNIT}")
        unit.write_text(unit.read_text().replace("-m job_records", f"-m job_records {FASTER}"))
        cluster.systemctl("restart", UNIT)
        made = Recording(cluster)
        made.agent.start()
        yield made
        made.agent.stop()
    finally:
        cluster.run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
        cluster.stop()


def start_slurmctld(cluster: SlurmCluster) -> None:
    """Slurm 24.11.5 may end with SIGFPE when it comes up with messages kept for slurmdbd: then once more."""

    def up() -> bool:
        started = cluster.run("systemctl", "start", "slurmctld", check=False).returncode == 0
        # Once these are sent, it will not end any more. One that has ended sdiag would ask for a minute
        # (slurm_open_controller_conn: once a second for MessageTimeout).
        asked = cluster.run("timeout", "10", "sdiag", check=False)
        return started and "DBD Agent queue size: 0" in asked.stdout

    await_value(up, "slurmctld", cluster.logs)


@pytest.fixture(scope="module")
def timed_out(recording: Recording) -> int:
    """Slurm counts limits in minutes: the job runs out of its time while other tests go on."""
    return recording.cluster.sbatch("echo begun; sleep 600", "--time=1", "--output=/home/sim/timeout-%j")


@pytest.mark.usefixtures("timed_out")
def test_the_agent_is_told_of_the_records_and_loses_nothing_else(recording: Recording) -> None:
    cluster = recording.cluster
    told = software.configuration(PROJECT, Settings())["job_records"]
    assert recording.agent.entry["log_group_name"] == told["log_group"]
    # WHEN the node is set up again
    software.step(cluster, "head-start.d/50-job-records")
    # THEN the agent's own configuration was only ever added to
    assert all("append-config" in call and "fetch-config" not in call for call in recording.agent.calls)
    assert cluster.path(SPOOL).stat().st_mode & 0o777 == 0o711
    assert cluster.path(f"{SPOOL}/records").stat().st_mode & 0o777 == 0o700


def test_what_a_record_says(recording: Recording) -> None:
    # GIVEN a job with modules, a secret and a failure
    script = "module() { :; }; module load openmpi/5.0\necho result; echo key=$API_KEY; echo oops >&2; exit 3"
    done = recording.cluster.run(
        "sbatch", "--parsable", "--chdir=/home/sim", "--job-name=my|job", "--output=out-%x-%j",
        "--error=err-%j", "--time=5", "--cpus-per-task=2", "--mem=20M",
        user="sim", stdin=f"#!/bin/bash\n{script}\n",
        environment={
            "LOADEDMODULES": "gcc/13:cmake/3.29", "API_KEY": "a-very-secret-value", "LINES": "a\n b",
        },
    )  # fmt: skip
    job = int(done.stdout)
    record = recording.await_one(job)
    # THEN all of it is there, and the secret nowhere
    expected = {
        "schema": "provisioner.job-record/1", "cluster": PROJECT.cluster,
        "vlab_id": "lab-1", "project_id": "records", "job_id": job, "array_job_id": None,
        "array_task_id": None, "name": "my|job", "user": "sim", "uid": 2001,
        "state": "FAILED", "exit_code": 3, "signal": None, "partition": "main", "restarts": 0,
        "time_limit_s": 300, "nodes": {"count": 1, "names": "n1"}, "work_directory": "/home/sim",
        "modules": {"submitted": ["gcc/13", "cmake/3.29"], "script": ["openmpi/5.0"]},
        "source": "accounting",
    }  # fmt: skip
    assert {key: record[key] for key in expected} == expected
    assert record["id"].startswith(f"{job}.")
    assert record["requested"]["tres"]["mem_bytes"] == 20 * 2**20 and record["requested"]["cpus"] == 2
    assert record["stdout"]["tail"] == "result\nkey=***\n" and record["stderr"]["tail"] == "oops\n"
    assert record["environment"]["API_KEY"] == "***" and record["environment"]["LINES"] == "a\n b"
    assert "a-very-secret-value" not in json.dumps(record)
    assert record["times"]["submit"] <= record["times"]["start"] <= record["times"]["end"]
    assert record["submit_line"].startswith("sbatch --parsable")


def test_output_of_every_kind(recording: Recording) -> None:
    jobs = {
        "huge": "for i in $(seq 200000); do echo line $i of a long output; done",
        "binary": r"printf 'a\377\376\000b\033[1m\303'",
        # 4,000 bytes are kept, of characters of three bytes: the first is cut in two.
        "cut": r"for i in $(seq 2000); do printf '\342\202\254'; done",
        "deleted": "rm /home/sim/deleted-$SLURM_JOB_ID",
    }
    numbers = {
        name: recording.cluster.sbatch(script, f"--output=/home/sim/{name}-%j")
        for name, script in jobs.items()
    }
    outputs = {name: recording.await_one(number)["stdout"] for name, number in numbers.items()}
    assert outputs["huge"]["bytes"] > 5_000_000 and outputs["huge"]["truncated"]
    assert outputs["huge"]["tail"].endswith("line 200000 of a long output\n")
    assert 3_900 < len(outputs["huge"]["tail"]) <= 4_000
    assert outputs["binary"]["tail"] == "a��\0b\x1b[1m�" and outputs["binary"]["bytes"] == 10
    assert outputs["cut"]["tail"] == "€" * 1333
    assert outputs["deleted"]["unavailable"] == "no such file on the head node"


def test_no_file_of_others_comes_into_a_record(recording: Recording) -> None:
    cluster = recording.cluster
    secret = cluster.path("/root/secret")
    secret.write_text("root's secret")
    secret.chmod(0o600)
    others = cluster.path("/home/other/readable")
    others.write_text("another user's text")
    cluster.run("chown", "other:other", "/home/other/readable")
    tricks = {
        "link": ("ln -sf /root/secret $out", "a symbolic link"),
        "readable": ("ln -sf /home/other/readable $out", "a symbolic link"),
        "passage": ("rm $out; mkdir d-$SLURM_JOB_ID; ln -s /root/secret $out", "a symbolic link"),
        "pipe": ("rm $out; mkfifo $out", "not a regular file"),
        "folder": ("rm $out; mkdir $out", "not a regular file"),
        "device": ("ln -sf /dev/zero $out", "a symbolic link"),
        "closed": ("chmod 000 $out", "the user may not read it"),
        "self": ("ln -sf /proc/self/environ $out", "a symbolic link"),
    }
    numbers = {
        name: cluster.sbatch(
            f"cd /home/sim; out={name}-$SLURM_JOB_ID; {script}", f"--output=/home/sim/{name}-%j"
        )
        for name, (script, _) in tricks.items()
    }
    # A path straight to somebody's file: Slurm can't write there as the user, and we don't read it.
    numbers["straight"] = cluster.sbatch("echo x", "--output=/home/other/readable")
    for name, number in numbers.items():
        output = recording.await_one(number)["stdout"]
        assert output.get("unavailable") == tricks.get(name, ("", "it belongs to another user"))[1], name
    assert "root's secret" not in "".join(recording.agent.sent)
    assert "another user's text" not in "".join(recording.agent.sent)


def test_the_output_of_a_run_without_environment_is_not_shown(recording: Recording) -> None:
    # GIVEN an interactive job that writes to a file; the database has no environment of such ones
    cluster = recording.cluster
    command = (
        "srun",
        "--chdir=/home/sim",
        "--output=/home/sim/srun-%j",
        "--job-name=shown",
        "echo",
        "a-secret",
    )
    cluster.run(*command, user="sim")
    found = await_value(
        lambda: [one for one in recording.records() if one["name"] == "shown"],
        "its record",
        recording.explain,
    )
    assert (found[0]["environment"], found[0]["submit_line"]) == (None, "srun ***")
    assert "a-secret" not in json.dumps(found)


def test_cancelled_before_it_began(recording: Recording) -> None:
    cluster = recording.cluster
    alone = cluster.sbatch("true", "--begin=now+1hour")
    tasks = cluster.sbatch("true", "--begin=now+1hour", "--array=1-7")
    cluster.run("scancel", str(alone), str(tasks), user="sim")
    record = recording.await_one(alone)
    assert (record["state"], record["cancelled_by_uid"]) == ("CANCELLED", 2001)
    assert (record["times"]["start"], record["nodes"]["count"], record["stdout"]) == (None, 0, None)
    # An array of which no task ever had a number of its own is one record.
    assert recording.await_one(tasks)["array_tasks_pending"] == "1-7"


def test_a_requeued_job_has_a_record_for_each_run(recording: Recording) -> None:
    cluster = recording.cluster
    script = '[ -n "$SLURM_RESTART_COUNT" ] && exit 0; echo first; sleep 600'
    job = cluster.sbatch(script, "--requeue", "--output=/home/sim/requeued-%j")
    output = cluster.path(f"/home/sim/requeued-{job}")
    await_value(lambda: cluster.sacct(job, "State") == [["RUNNING"]], "the job to run", cluster.logs)
    # Accounting says so before the script has come to its first line.
    await_value(lambda: output.exists() and "first" in output.read_text(), "its output", cluster.logs)
    cluster.run("scontrol", "requeue", str(job))
    first = recording.await_one(job)
    assert (first["state"], first["restarts"]) == ("REQUEUED", 0)

    def started_again() -> bool:
        # Slurm waits two minutes before it starts such a job again; not here. It sets that time when the
        # node has cleared up after the first run, so once asking may be too early.
        cluster.run("scontrol", "update", f"jobid={job}", "starttime=now", check=False)
        return len(recording.of(job)) > 1

    await_value(started_again, "the second run", recording.explain)
    second = recording.await_one(job, 2)
    assert (second["state"], second["restarts"]) == ("COMPLETED", 1)
    assert first["id"] != second["id"]
    # AND both have their environment, without which no tail is shown
    assert "first" in first["stdout"]["tail"].splitlines() and "tail" in second["stdout"]


def test_a_job_without_its_marker_is_found_in_the_database(recording: Recording) -> None:
    recording.kill_shipper()
    cluster = recording.cluster
    jobs = [cluster.sbatch("true"), cluster.sbatch("true", "--begin=now+1hour")]
    cluster.run("scancel", str(jobs[1]))
    for job, state in zip(jobs, ("COMPLETED", "CANCELLED"), strict=True):
        cluster.await_state(job, state)
        # Its marker comes on a way of its own, which may take longer.
        for marker in await_value(lambda job=job: recording.markers(job), "its marker", cluster.logs):  # type: ignore[misc]
            marker.unlink()
    recording.shipper("start")
    assert [recording.await_one(job)["source"] for job in jobs] == ["accounting", "accounting"]


def without_markers(recording: Recording, *jobs: int) -> None:
    """Take the markers of these jobs, which end with the shipper down: only the sweep can find them."""
    for job in jobs:
        for marker in await_value(
            lambda job=job: recording.markers(job), "its marker", recording.cluster.logs
        ):  # type: ignore[misc]
            marker.unlink()


def forged_name(*, job_id: int, now: int) -> str:
    """A name that ends its row and adds a job of root's, for whoever takes \\x1f for the end of a value."""
    forged = {
        "JobIDRaw": f"{job_id}", "JobID": f"{job_id}", "JobName": "x", "User": "root", "UID": "0",
        "Partition": "main", "State": "FAILED", "ExitCode": "1:0", "Submit": f"{now}", "Start": f"{now}",
        "End": f"{now}", "NodeList": "n1", "StdOut": "/root/forged", "WorkDir": "/", "SubmitLine": "sbatch",
    }  # fmt: skip
    rest = ["n", *[""] * (len(_COLUMNS) - 3)]
    return "\x1f".join(rest) + "\n" + "\x1f".join(forged.get(column, "") for column in _COLUMNS) + "\n"


def test_a_jobs_name_makes_no_job_of_its_own(recording: Recording) -> None:
    cluster = recording.cluster
    cluster.path("/root/forged").write_text("root's forged secret")
    recording.kill_shipper()
    number = 60_000_000
    name = forged_name(job_id=number, now=int(time.time()))
    job, after = cluster.sbatch("true", "--job-name", name), cluster.sbatch("true")
    without_markers(recording, job, after)
    recording.shipper("start")
    # THEN it is a name, and the rows after it are read as they are
    assert recording.await_one(job)["name"] == name
    assert recording.await_one(after)["source"] == "accounting"
    assert recording.of(number) == []
    assert "root's forged secret" not in "".join(recording.agent.sent)


def test_a_job_of_several_parts_is_found_by_the_sweep_too(recording: Recording) -> None:
    cluster = recording.cluster
    recording.kill_shipper()
    first = cluster.sbatch("#SBATCH --ntasks=1\n#SBATCH hetjob\n#SBATCH --ntasks=1\ntrue")
    # Its parts take nodes of their own, and there is one.
    cluster.run("scancel", str(first), user="sim")
    without_markers(recording, first, first + 1)
    recording.shipper("start")
    assert [recording.await_one(part)["state"] for part in (first, first + 1)] == ["CANCELLED"] * 2


def test_scripts_that_are_too_large_together_are_asked_for_apart(recording: Recording) -> None:
    cluster = recording.cluster
    recording.kill_shipper()
    # GIVEN more than sacct may answer at once, all of it in one batch
    filling = ("#" * 99 + "\n") * 40_000
    jobs = [
        cluster.sbatch(f"exit 0\n{filling}module load m/{number}", "--output=/dev/null")
        for number in range(12)
    ]
    for job in jobs:
        cluster.await_state(job)
        await_value(lambda job=job: recording.markers(job), "its marker", cluster.logs)  # type: ignore[misc]
    recording.shipper("start")
    # THEN each has its record, and in it what its script names
    named = [recording.await_one(job)["modules"]["script"] for job in jobs]
    assert named == [[f"m/{number}"] for number in range(12)]
    assert "OOMPolicy=continue" in cluster.path(f"/etc/systemd/system/{UNIT}").read_text()


def test_what_ends_around_a_reboot_is_recorded_after_it(recording: Recording) -> None:
    cluster = recording.cluster
    # GIVEN jobs that end while the shipper, and then the database's daemon, are down
    recording.kill_shipper()
    before = cluster.sbatch("true")
    cluster.await_state(before)
    cluster.run("systemctl", "stop", "slurmdbd")
    during = cluster.sbatch("exit 4")
    await_value(lambda: recording.markers(during), "the marker", cluster.logs)
    # WHEN the head node comes up again
    for unit in ("slurmctld", "slurmdbd"):
        cluster.run("systemctl", "stop", unit)
    recording.shipper("start")
    cluster.run("systemctl", "start", "slurmdbd")
    await_value(
        lambda: cluster.run("sacctmgr", "-n", "list", "cluster", check=False).stdout, "slurmdbd", cluster.logs
    )
    start_slurmctld(cluster)
    # THEN both have their records, the exit code with them
    assert recording.await_one(before)["state"] == "COMPLETED"
    assert recording.await_one(during)["exit_code"] == 4


def test_a_thousand_jobs_with_the_shipper_killed_at_random(recording: Recording) -> None:
    cluster = recording.cluster
    started = time.monotonic()
    with killing(recording, random.Random(4)) as kills:
        # GIVEN five arrays of 150 tasks and 250 jobs of their own
        arrays = [cluster.sbatch("exit $((SLURM_ARRAY_TASK_ID % 3))", "--array=1-150") for _ in range(5)]
        one = "sbatch --parsable --output=/dev/null --wrap 'exit 0' || exit 1"
        loop = f"cd /tmp && for i in $(seq 250); do {one}; done"
        alone = cluster.run("bash", "-c", loop, user="sim", timeout_s=MANY_WITHIN_S).stdout.split()

        def ended() -> bool:
            """Asked again where slurmctld, which is busy, has not answered."""
            left = cluster.run("squeue", "-h", "-u", "sim", "-n", "sbatch,wrap", check=False)
            return left.returncode == 0 and not left.stdout

        await_value(ended, "them to end", cluster.logs, within_s=MANY_WITHIN_S)
        # WHEN slurmctld, too, restarts in between
        cluster.run("systemctl", "stop", "slurmctld")
        start_slurmctld(cluster)

    def of_these() -> list[dict[str, Any]]:
        ours = {str(number) for number in arrays} | set(alone)
        return [one for one in recording.records() if str(one["array_job_id"] or one["job_id"]) in ours]

    await_value(
        lambda: len(of_these()) >= 1000, "a thousand records", recording.explain, within_s=MANY_WITHIN_S
    )
    # AND a sweep, which would find one twice
    written = time.time()
    await_value(lambda: recording.swept_until() > written, "a sweep", recording.explain)
    # THEN there are a thousand records, each once
    records = of_these()
    assert len(records) == 1000
    runs = Counter(record["id"] for record in recording.records())
    assert [run for run, times in runs.items() if times > 1] == []
    assert sorted(_shown(record) for record in records if record["array_task_id"] is not None) == sorted(
        f"{array}_{task}" for array in arrays for task in range(1, 151)
    )
    assert sorted(str(record["job_id"]) for record in records if record["array_job_id"] is None) == sorted(
        alone
    )
    assert {(record["array_task_id"] or 0) % 3 == record["exit_code"] for record in records} == {True}
    assert {record["source"] for record in records} == {"accounting"}
    assert [record["id"] for record in records if not record["environment"] or "problem" in record] == []
    print(f"1,000 jobs, {len(kills)} kills, {time.monotonic() - started:.0f} s")
    assert len(kills) >= 5
    # AND what was sent is deleted, but the file in use
    left = await_value(
        lambda: len(list(cluster.path(f"{SPOOL}/records").iterdir())) == 1,
        "sent files to go",
        recording.explain,
    )
    assert left


class killing:
    """Kills the shipper again and again, at random, and starts it anew."""

    def __init__(self, recording: Recording, dice: random.Random) -> None:
        self._recording, self._dice = recording, dice
        self._done = threading.Event()
        self._kills: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> list[float]:
        self._thread.start()
        return self._kills

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(self._dice.uniform(0.2, 3)):
            self._recording.kill_shipper()
            self._kills.append(time.monotonic())
            self._recording.shipper("start")


def test_a_job_that_ran_out_of_time(recording: Recording, timed_out: int) -> None:
    record = recording.await_one(timed_out)
    assert (record["state"], record["time_limit_s"]) == ("TIMEOUT", 60)
    assert record["stdout"]["tail"].startswith("begun\n")


def test_a_node_that_stops_records_what_there_is(recording: Recording) -> None:
    cluster = recording.cluster
    # GIVEN a job that ended a moment ago, too young to be looked up
    unit = cluster.path(f"/etc/systemd/system/{UNIT}")
    unit.write_text(unit.read_text().replace("--settle 1 ", "--settle 600 "))
    recording.shipper("restart")
    job = cluster.sbatch("true")
    await_value(lambda: recording.markers(job), "its marker", cluster.logs)
    assert recording.of(job) == []
    # WHEN the node stops
    recording.shipper("stop")
    # THEN its record is sent before that
    recording.agent.poll()
    assert len(recording.of(job)) == 1
    assert list(cluster.path(f"{SPOOL}/markers").iterdir()) == []
