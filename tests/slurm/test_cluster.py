"""The real Slurm itself: what every other test of this folder rests on."""

from __future__ import annotations

import pytest

from tests.slurm.cluster import SlurmCluster
from tests.slurm.releases import RELEASE

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_it_is_the_slurm_that_the_tests_expect(slurm: SlurmCluster) -> None:
    assert slurm.version() >= RELEASE.slurm


def test_a_users_job_reaches_the_projects_database(slurm: SlurmCluster) -> None:
    # GIVEN a job of an ordinary user
    job = slurm.sbatch("id -un; exit 0", "--output=/tmp/who-%j")
    # WHEN it has run
    assert slurm.await_state(job) == "COMPLETED"
    # THEN it ran as that user, and the project's database has it
    assert slurm.path(f"/tmp/who-{job}").read_text() == "sim\n"
    assert slurm.sacct(job, "User", "ExitCode", "Partition") == [["sim", "0:0", "main"]]
    rows = slurm.database.ask(f"SELECT id_job FROM `{slurm.accounting.database}`.`{slurm.name}_job_table`")
    assert (job,) in rows


def test_a_failed_job_is_told_with_its_exit_code(slurm: SlurmCluster) -> None:
    job = slurm.sbatch("exit 3")
    assert slurm.await_state(job, "FAILED") == "FAILED"
    assert slurm.sacct(job, "ExitCode") == [["3:0"]]
