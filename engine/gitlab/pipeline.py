"""Which specs changed → the GitLab child pipeline that plans, comments, applies and releases.

The text is complete: it includes nothing, so it works as `trigger: include: artifact` in any repository. Its
keywords are those of GitLab's CI/CD YAML reference; tests hold it against GitLab's schema.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from engine.gitlab.changes import ChangedSpec, SpecChanges
from engine.model.spec import ProjectSpec

REPORTS_FOLDER = "provisioner-reports"
"""Folder of the jobs' artifacts, below the repository: one folder for each project."""

DIGEST_FILE = "plan.digest"
"""Beside a plan's reports: the digest under which the plan itself is stored."""

TOKEN_VARIABLE = "AWS_ID_TOKEN"
_STAGES = ("plan", "report", "apply")
_KEPT = "30 days"
# The project's own is an hour by default, which many a cluster and each large export from Lustre exceeds. The
# runner's maximum holds all the same (GitLab's reference, `timeout`).
_LONGEST = "12 hours"

# AWS's SDKs and Terraform take both variables as they are, and fetch new credentials while the job lasts.
_SIGN_IN = (
    f'if [ -n "$AWS_ROLE_ARN" ] && [ -n "${TOKEN_VARIABLE}" ]; then '
    "AWS_WEB_IDENTITY_TOKEN_FILE=$(mktemp); export AWS_WEB_IDENTITY_TOKEN_FILE; "
    f'printf %s "${TOKEN_VARIABLE}" > "$AWS_WEB_IDENTITY_TOKEN_FILE"; fi'
)


class Mode(StrEnum):
    """What the pipeline is for: reviewing a merge request, or deploying what was merged."""

    REVIEW = "review"
    DEPLOY = "deploy"


@dataclass(frozen=True)
class PipelineSettings:
    """How the jobs run.

    image       container image with the engine; empty: what the runner runs by itself
    audience    of the ID token with which a job signs in to AWS; empty: no token is asked for
    plan_role   ARN of the role that plans, apply_role of the one that applies; empty: the runner's own
    tags        of the runners
    comment     put the reviews on the merge request
    """

    image: str = ""
    audience: str = ""
    plan_role: str = ""
    apply_role: str = ""
    tags: tuple[str, ...] = ()
    comment: bool = True


def pipeline(changes: SpecChanges, mode: Mode, settings: PipelineSettings) -> str:
    """The child pipeline as YAML. The same changes give the same bytes.

    Without changes it has a job that says so, since GitLab refuses a pipeline without jobs, and in a merge
    request one that takes back the comment of an earlier pipeline.
    """
    jobs: dict[str, Any] = {}
    for file in changes.changed:
        jobs[_plan_name(file.spec)] = _plan(file, settings)
        if mode is Mode.DEPLOY:
            jobs[f"apply {file.spec.project}"] = _apply(file, settings)
    for file in changes.removed:
        if mode is Mode.DEPLOY:
            jobs[f"release {file.spec.project}"] = _release(file.spec, settings)
        else:
            jobs[f"plan release {file.spec.project}"] = _plan_release(file.spec, settings)
    if not jobs:
        jobs["nothing changed"] = {"stage": "plan", "script": ['echo "No project\'s spec changed."']}
    if mode is Mode.REVIEW and settings.comment:
        jobs["comment"] = _comment(changes)
    head: dict[str, Any] = {}
    if mode is Mode.DEPLOY:
        # A new commit cancels what has not started (GitLab's reference, workflow:auto_cancel:on_new_commit),
        # but what was merged is planned by this pipeline alone.
        head["workflow"] = {"auto_cancel": {"on_new_commit": "none"}}
    head["stages"] = list(_STAGES)
    if default := _default(settings):
        head["default"] = default
    return yaml.safe_dump({**head, **jobs}, sort_keys=False, allow_unicode=True, width=1000)


def reports_of(project: str) -> str:
    """The folder of a project's reports, relative to the repository."""
    return f"{REPORTS_FOLDER}/{project}"


def _default(settings: PipelineSettings) -> dict[str, Any]:
    default: dict[str, Any] = {}
    if settings.image:
        # The image's own entry point is Lambda's.
        default["image"] = {"name": settings.image, "entrypoint": [""]}
    if settings.tags:
        default["tags"] = list(settings.tags)
    return default


def _signed_in(settings: PipelineSettings, role: str) -> dict[str, Any]:
    job: dict[str, Any] = {}
    if settings.audience:
        job["id_tokens"] = {TOKEN_VARIABLE: {"aud": settings.audience}}
    if role:
        job["variables"] = {"AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "gitlab-$CI_JOB_ID"}
        job["before_script"] = [_SIGN_IN]
    return job


def _one_at_a_time(spec: ProjectSpec) -> str:
    return f"provisioner/{spec.project}"


def _plan_name(spec: ProjectSpec) -> str:
    return f"plan {spec.project}"


def _reports(spec: ProjectSpec) -> dict[str, Any]:
    folder = reports_of(spec.project)
    return {
        "name": f"plan-{spec.vlab_id}-{spec.project_id}",
        "when": "always",
        "access": "developer",
        "expire_in": _KEPT,
        "paths": [f"{folder}/"],
        "reports": {"terraform": f"{folder}/plan.gitlab.json"},
    }


def _plan(file: ChangedSpec, settings: PipelineSettings) -> dict[str, Any]:
    return {
        "stage": "plan",
        "resource_group": _one_at_a_time(file.spec),
        **_signed_in(settings, settings.plan_role),
        "script": [
            f"provisioner plan {shlex.quote(file.path)} --save --reports {reports_of(file.spec.project)}"
        ],
        "artifacts": _reports(file.spec),
    }


def _plan_release(spec: ProjectSpec, settings: PipelineSettings) -> dict[str, Any]:
    return {
        "stage": "plan",
        "resource_group": _one_at_a_time(spec),
        **_signed_in(settings, settings.plan_role),
        "script": [
            f"provisioner release {spec.project} --if-there --dry-run --reports {reports_of(spec.project)}"
        ],
        "artifacts": _reports(spec),
    }


def _apply(file: ChangedSpec, settings: PipelineSettings) -> dict[str, Any]:
    spec = file.spec
    digest = f"{reports_of(spec.project)}/{DIGEST_FILE}"
    return {
        "stage": "apply",
        "needs": [_plan_name(spec)],
        "when": "manual",
        "resource_group": _one_at_a_time(spec),
        "environment": {"name": f"projects/{spec.project}"},
        "timeout": _LONGEST,
        **_signed_in(settings, settings.apply_role),
        "script": [
            f'provisioner apply {shlex.quote(file.path)} --plan "$(cat {digest})" '
            '--approved-by "$GITLAB_USER_LOGIN" --yes'
        ],
    }


def _release(spec: ProjectSpec, settings: PipelineSettings) -> dict[str, Any]:
    return {
        "stage": "apply",
        "needs": [],
        "when": "manual",
        "resource_group": _one_at_a_time(spec),
        "environment": {"name": f"projects/{spec.project}", "action": "stop"},
        "timeout": _LONGEST,
        **_signed_in(settings, settings.apply_role),
        "script": [f"provisioner release {spec.project} --if-there --yes"],
    }


def _comment(changes: SpecChanges) -> dict[str, Any]:
    projects = [file.spec.project for file in (*changes.changed, *changes.removed)]
    # Who changes no spec needs no token, as in a fork.
    with_token = {"rules": [{"if": "$GITLAB_COMMENT_TOKEN", "when": "always"}]}
    # No `needs`, of which GitLab allows fifty: the artifacts of all earlier stages come by themselves.
    return {
        "stage": "report",
        **({"when": "always"} if projects else with_token),
        "script": [" ".join(["provisioner gitlab comment --reports", REPORTS_FOLDER, *projects])],
    }
