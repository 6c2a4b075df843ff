"""Accounting that outlives clusters: history, job ids, who may run jobs, and who sees what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.mariadb import MariaDbServer
from tests.slurm import software
from tests.slurm.cluster import SlurmCluster, await_value
from tests.slurm.conftest import project_accounting, project_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(600)]

STEP = "head-configured.d/30-accounting"
NAMES = names_for("lab-1", "proj-2", account_id="123456789012")


@pytest.fixture(scope="module")
def cluster(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[SlurmCluster]:
    """A project's cluster with its step done; what follows is rebuilt from it."""
    cluster = project_cluster(slurm_root, accounting_server, "proj-2", before_start=_install)
    cluster.start()
    try:
        software.step(cluster, STEP)
        yield cluster
    finally:
        cluster.stop()


def _install(cluster: SlurmCluster) -> None:
    software.install(cluster, NAMES, Settings())


def _first_job_id(cluster: SlurmCluster) -> int:
    lines = cluster.run("scontrol", "show", "config").stdout.splitlines()
    return next(int(line.split("=")[1]) for line in lines if line.startswith("FirstJobId"))


def test_history_and_job_ids_survive_a_release(cluster: SlurmCluster) -> None:
    # GIVEN a cluster of a project that never had one: ids begin at 1
    assert _first_job_id(cluster) == 1
    first = cluster.sbatch("true", "--comment=before the release")
    assert first == 1
    # AND an array, each of whose tasks has an id of its own
    array = cluster.sbatch("true", "--array=1-3")
    assert cluster.await_state(first) == cluster.await_state(array, rows=3) == "COMPLETED"
    # AND a job that is still held when the project is released
    held = cluster.sbatch("true", "--hold")
    await_value(lambda: cluster.sacct(held), "the held job's record", cluster.logs)
    # WHEN the step runs again, nothing changes
    slurm_conf = cluster.path("/opt/slurm/etc/slurm.conf")
    before = slurm_conf.read_text()
    software.step(cluster, STEP)
    assert slurm_conf.read_text() == before
    # AND the project is released and gets another cluster
    cluster.rebuild()
    said = software.step(cluster, STEP)
    # THEN ids go on after the array's last task and the held job
    assert "job ids go on at 6" in said
    assert cluster.sbatch("true") == 6
    # AND the new cluster shows the old jobs
    assert cluster.sacct(first, "JobID", "State", "Comment") == [["1", "COMPLETED", "before the release"]]
    assert len(cluster.sacct(array)) == 3
    assert cluster.await_state(6) == "COMPLETED"


def test_only_registered_users_run_jobs(cluster: SlurmCluster) -> None:
    # GIVEN a Unix user whom nobody registered
    refused = cluster.run("sbatch", "--wrap=true", user="other", check=False)
    # THEN the user's jobs are refused, and the project's user is charged to the project's account
    assert refused.returncode != 0
    assert "Invalid account" in refused.stderr
    job = cluster.sbatch("true")
    cluster.await_state(job)
    assert cluster.sacct(job, "User", "Account") == [["sim", NAMES.cluster]]


@dataclass(frozen=True)
class Record:
    """A job as the database holds it; times are days ago, None for what has not been."""

    id: int
    submitted: float = 3
    ended: float | None = 3
    eligible: float | None = 3
    cancelled: bool = False


@pytest.mark.parametrize(
    ("records", "first"),
    [
        ([], 1),
        # Years without a cluster.
        ([Record(8, 3000, 3000), Record(77, 2900, 2900)], 78),
        # Many jobs since: only the newest are looked for.
        ([Record(8, 300, 300), Record(9, 0.1, 0.1)], 10),
        # It ran when its cluster was released, and ended for accounting when the new one started.
        ([Record(5, 100, 0), Record(200, 50, 40)], 201),
        # It ran when its cluster was released, and has never ended.
        ([Record(5, 100, None), Record(200, 50, 40)], 201),
        # An old job that was queued again has a new record, and the old id.
        ([Record(7, 300, 0.5), Record(7, 0.5, 0.1), Record(100, 200, 100)], 101),
        # Tasks of an array get ids as they start; their time of submission is the array's.
        ([Record(7, 100, 0.5), Record(100, 100, 0.1), Record(8, 0.5, 0.5)], 101),
        # Held until it was cancelled.
        ([Record(8), Record(9, eligible=None, cancelled=True)], 10),
        # Held when its cluster was released, many of them, and no other.
        ([Record(job, ended=None, eligible=None) for job in range(1, 131)], 131),
        # The ids came round long ago: what follows the newest is of the time before.
        ([Record(8, 0.1, 0.1), Record(9, 3000, 3000)], 9),
        # Due to begin next month.
        ([Record(8), Record(9, ended=None, eligible=-30)], 10),
        # The last id of a long row, with room for the next cluster.
        ([Record(60_000_000)], 60_000_001),
        # No room: the ids begin again.
        ([Record(67_043_000)], 1),
        # They have come round already: after the newest, not after the highest.
        ([Record(67_043_327), Record(1, 2.9), Record(2, 2.8), Record(3, 2.7)], 4),
    ],
)
def test_ids_go_on_after_every_kind_of_job(cluster: SlurmCluster, records: list[Record], first: int) -> None:
    _write_history(cluster, records)
    assert int(_ask_step(cluster, "next_job_id()")) == first


def test_no_more_history_is_read_than_needed(cluster: SlurmCluster) -> None:
    # GIVEN jobs of a year, and one of the last days
    _write_history(cluster, [Record(100 + day, day, day) for day in range(20, 365)] + [Record(500)])
    # THEN the last days' are all that is asked for
    assert _ask_step(cluster, "newest_job_ids()") == "{500}"


def _write_history(cluster: SlurmCluster, records: list[Record]) -> None:
    """Make these the only jobs of the project."""
    now = int(time.time())
    table = f"`{NAMES.database}`.`{NAMES.cluster}_job_table`"
    cluster.database.ask(f"DELETE FROM {table}")
    for record in records:
        ended = 0 if record.ended is None else _ago(now, record.ended)
        cluster.database.ask(
            # IGNORE: what is left out gets the value that its type has for nothing.
            f"INSERT IGNORE INTO {table} "
            "(id_job, time_submit, time_eligible, time_start, time_end, state) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            record.id,
            _ago(now, record.submitted),
            0 if record.eligible is None else _ago(now, record.eligible),
            ended,
            ended,
            4 if record.cancelled else 3 if ended else 0,
        )


def _ago(now: int, days: float) -> int:
    return now - int(days * 86_400)


def _ask_step(cluster: SlurmCluster, expression: str) -> str:
    code = f"from slurm_accounting import *; print({expression})"
    done = cluster.run("python3", "-c", code, environment={"PYTHONPATH": f"{software.HOME}/lib"})
    return done.stdout.strip()


def test_ids_are_not_guessed_when_accounting_does_not_answer(cluster: SlurmCluster) -> None:
    cluster.systemctl("stop", "slurmdbd")
    try:
        with pytest.raises(AssertionError, match="Problem talking to the database"):
            _ask_step(cluster, "next_job_id()")
    finally:
        cluster.systemctl("start", "slurmdbd")


def test_a_project_sees_no_other_projects_records(
    cluster: SlurmCluster, accounting_server: MariaDbServer
) -> None:
    # GIVEN another project on the same server
    other = project_accounting(accounting_server, names_for("lab-1", "proj-3", account_id="123456789012"))
    # WHEN its database user looks for the first one's jobs
    with accounting_server.login(other.user, other.password) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        seen: set[Any] = {name for (name,) in cursor.fetchall()}
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute(f"SELECT * FROM `{NAMES.database}`.`{NAMES.cluster}_job_table`")
    # THEN there is nothing to see
    assert seen - {"information_schema"} <= {other.database}
