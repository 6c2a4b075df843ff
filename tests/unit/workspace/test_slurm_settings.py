"""The lines of slurm.conf that are ours from the start."""

from __future__ import annotations

from typing import Any

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.workspace.slurm_settings import slurm_settings


def lines(**settings: Any) -> dict[str, str]:
    spec = ProjectSpec.model_validate(
        {"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "lustre"}}
    )
    names = names_for("lab-1", "proj-1", account_id="123456789012")
    given = slurm_settings(spec, names, Settings.model_validate(settings))
    assert len(dict(given)) == len(given), "a parameter that is given twice"
    return dict(given)


def test_job_scripts_and_environments_are_kept() -> None:
    assert lines()["AccountingStoreFlags"] == "job_comment,job_env,job_script"


def test_nothing_that_must_wait_for_something_else_is_there_from_the_start() -> None:
    # slurmctld ends where the keys of tokens, or the cluster's registration, are missing.
    rest = {"jwks_url": "https://sso.example.org/certs", "jwt_issuer": "https://sso", "jwt_audience": "slurm"}
    assert {"AuthAltTypes", "AuthAltParameters", "AccountingStorageEnforce"}.isdisjoint(lines(**rest))
