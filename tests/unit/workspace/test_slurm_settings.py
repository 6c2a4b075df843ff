"""The lines of slurm.conf that are ours from the start."""

from __future__ import annotations

from typing import Any

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.workspace.slurm_settings import slurm_settings

REST_API = {
    "jwks_url": "https://sso.example.org/certs",
    "jwt_issuer": "https://sso.example.org",
    "jwt_audience": "slurm",
}


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


def test_slurm_asks_for_the_keys_of_tokens_only_where_there_are_any() -> None:
    assert "AuthAltTypes" not in lines()
    assert lines(**REST_API)["AuthAltTypes"] == "auth/jwt"
    assert lines(**REST_API)["AuthAltParameters"] == (
        "jwks=/opt/slurm/etc/jwks.json,userclaimfield=preferred_username"
    )
