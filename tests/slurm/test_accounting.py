"""Accounting that outlives clusters: history, job ids, who may run jobs, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.mariadb import MariaDbServer
from tests.slurm import software
from tests.slurm.cluster import SlurmCluster
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
    # WHEN the step runs again, nothing changes
    slurm_conf = cluster.path("/opt/slurm/etc/slurm.conf")
    before = slurm_conf.read_text()
    software.step(cluster, STEP)
    assert slurm_conf.read_text() == before
    # AND the project is released and gets another cluster
    cluster.rebuild()
    said = software.step(cluster, STEP)
    # THEN ids go on after the array's last task
    assert "job ids go on at 5" in said
    assert cluster.sbatch("true") == 5
    # AND the new cluster shows the old jobs
    assert cluster.sacct(first, "JobID", "State", "Comment") == [["1", "COMPLETED", "before the release"]]
    assert len(cluster.sacct(array)) == 3
    assert cluster.await_state(5) == "COMPLETED"


def test_only_registered_users_run_jobs(cluster: SlurmCluster) -> None:
    # GIVEN a Unix user whom nobody registered
    refused = cluster.run("sbatch", "--wrap=true", user="other", check=False)
    # THEN the user's jobs are refused, and the project's user is charged to the project's account
    assert refused.returncode != 0
    assert "Invalid account" in refused.stderr
    job = cluster.sbatch("true")
    cluster.await_state(job)
    assert cluster.sacct(job, "User", "Account") == [["sim", NAMES.cluster]]


@pytest.mark.parametrize(
    ("ids", "first"),
    [
        # The last id of a long row, with room for the next cluster.
        ([60_000_000], 60_000_001),
        # No room: the ids begin again.
        ([67_043_000], 1),
        # They have come round already: after the newest, not after the highest.
        ([67_043_327, 1, 2, 3], 4),
        # An old job that was queued again has a new record, and the old id.
        ([100, 7], 101),
    ],
)
def test_ids_come_round(cluster: SlurmCluster, ids: list[int], first: int) -> None:
    # GIVEN a history that ends so
    table = f"`{NAMES.database}`.`{NAMES.cluster}_job_table`"
    cluster.database.ask(f"DELETE FROM {table}")
    for job in ids:
        # IGNORE: what is left out gets the value that its type has for nothing.
        cluster.database.ask(f"INSERT IGNORE INTO {table} (id_job) VALUES (%s)", job)
    # THEN the next cluster goes on there
    code = (
        "from slurm_accounting import *; print(next_job_id(Database(parameters(at(ETC + '/slurmdbd.conf')))))"
    )
    done = cluster.run("python3", "-c", code, environment={"PYTHONPATH": f"{software.HOME}/lib"})
    assert int(done.stdout) == first


def test_the_questions_are_answered_by_an_index(cluster: SlurmCluster) -> None:
    table = f"`{NAMES.database}`.`{NAMES.cluster}_job_table`"
    (highest,) = cluster.database.ask(f"EXPLAIN SELECT MAX(id_job) FROM {table}")
    assert "Select tables optimized away" in map(str, highest)
    (newest,) = cluster.database.ask(
        f"EXPLAIN SELECT id_job FROM {table} ORDER BY job_db_inx DESC LIMIT 1000"
    )
    assert "PRIMARY" in map(str, newest)


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
