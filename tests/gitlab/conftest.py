"""One local cloud and one repository of specs for a whole story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.functional.conftest import QUICK, backend, terraform
from tests.functional.gitlab.gitlab_api import TOKEN, GitLabApi, gitlab_api
from tests.gitlab.pipelines import GITLAB_CI_LOCAL, Repository, new_repository

__all__ = ["backend", "terraform"]


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK) as cloud:
        yield cloud


@pytest.fixture
def api() -> Iterator[GitLabApi]:
    with gitlab_api() as running:
        yield running


@pytest.fixture
def repository(
    cloud: LocalCloud,
    backend: Cloud,
    api: GitLabApi,
    terraform: str,
    tmp_path: Path,
) -> Repository:
    assert GITLAB_CI_LOCAL.is_file(), "make test-gitlab installs gitlab-ci-local"
    environment = {
        "PROVISIONER_HOME": str(tmp_path / "home"),
        "PROVISIONER_WORKSPACES_DIR": str(tmp_path / "projects"),
        "PROVISIONER_ENDPOINT_URL": cloud.endpoint,
        "PROVISIONER_TERRAFORM": terraform,
        "GITLAB_COMMENT_TOKEN": TOKEN,
        "CI_SERVER_URL": api.url,
        "CI_MERGE_REQUEST_PROJECT_ID": "7",
    }
    return new_repository(tmp_path / "clusters", environment)
