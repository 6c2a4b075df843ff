"""The lines of slurm.conf that are ours from the start."""

from __future__ import annotations

from engine.workspace.slurm_settings import SLURM_SETTINGS

LINES = dict(SLURM_SETTINGS)


def test_no_parameter_is_given_twice() -> None:
    assert len(LINES) == len(SLURM_SETTINGS)


def test_every_end_of_a_job_is_told() -> None:
    assert (LINES["JobCompType"], LINES["JobCompLoc"]) == ("jobcomp/script", "/opt/provisioner/mark-finished")


def test_job_scripts_and_environments_are_kept() -> None:
    assert LINES["AccountingStoreFlags"] == "job_comment,job_env,job_script"


def test_nothing_that_must_wait_for_something_else_is_there_from_the_start() -> None:
    # slurmctld ends where the keys of tokens, or the cluster's registration, are missing.
    assert {"AuthAltTypes", "AuthAltParameters", "AccountingStorageEnforce"}.isdisjoint(LINES)
