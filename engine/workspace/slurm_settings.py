"""The lines that a project's slurm.conf has beyond ParallelCluster's own, as CustomSlurmSettings.

Only what may be there before Slurm starts for the first time. What has to wait until accounting knows
the project's user and the highest job id, the node step head-configured.d/30-accounting writes.

Source   slurm.conf(5) of Slurm 24.11; Slurm's guide "JWT Authentication"; ParallelCluster 3.16.1, deny list
         of CustomSlurmSettings
"""

from __future__ import annotations

from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec

JWKS_FILE = "/opt/slurm/etc/jwks.json"
"""Written by the node step head-start/30-jwks; slurmctld does not start without it."""

JWKS_KEY = "jwks.json"
"""Where the nodes bucket holds it."""

MARK_FINISHED = "/opt/provisioner/mark-finished"
"""Put there by the node step head-start/50-job-records."""

USER_CLAIM = "preferred_username"
"""Keycloak's claim for the user's name; Slurm takes `sun`, then `username`, before it."""


def slurm_settings(spec: ProjectSpec, names: Names, settings: Settings) -> list[tuple[str, str]]:  # noqa: ARG001 (one shape for every line)
    """Parameter and value of each line, in the order of slurm.conf."""
    return [
        # What a job record shows of a job beside its numbers: script, environment at submission, comment.
        ("AccountingStoreFlags", "job_comment,job_env,job_script"),
        # Tells the shipper of job records of every run that ended.
        ("JobCompType", "jobcomp/script"),
        ("JobCompLoc", MARK_FINISHED),
        *_rest_api(settings),
    ]


def _rest_api(settings: Settings) -> list[tuple[str, str]]:
    if not settings.has_rest_api:
        return []
    return [
        ("AuthAltTypes", "auth/jwt"),
        ("AuthAltParameters", f"jwks={JWKS_FILE},userclaimfield={USER_CLAIM}"),
    ]
