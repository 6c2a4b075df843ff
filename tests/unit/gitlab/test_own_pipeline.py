"""This repository's own pipeline: what runs in which one, and what the image's job does in a registry."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

import engine
from tests.unit.gitlab import registry

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text("utf-8"))
COMMIT = "266ad86a" * 5
MAIN = {"CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BRANCH": "main"}


def taken(rules: list[dict[str, str]], variables: Mapping[str, str]) -> bool:
    """Whether a pipeline gets a job with these rules: the first that holds says so."""
    for rule in rules:
        if holds(rule["if"], variables):
            return rule.get("when") != "never"
    return False


def holds(condition: str, variables: Mapping[str, str]) -> bool:
    assert re.fullmatch(r'\$\w+( == (\$\w+|"\w+"))?', condition), f"{condition}: more than this test knows"
    left, *right = (
        variables.get(term[1:], "") if term.startswith("$") else term.strip('"')
        for term in condition.split(" == ")
    )
    return left == right[0] if right else bool(left)


# Which variables which pipeline has: https://docs.gitlab.com/ci/jobs/job_rules/#ci_pipeline_source-predefined-variable
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CI_PIPELINE_SOURCE": "push", **MAIN}, True),
        ({"CI_PIPELINE_SOURCE": "web", **MAIN}, True),
        ({"CI_PIPELINE_SOURCE": "push", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_TAG": "1.1.0"}, True),
        ({"CI_PIPELINE_SOURCE": "schedule", **MAIN}, False),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_TAG": "1.1.0"}, False),
        ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_DEFAULT_BRANCH": "main"}, False),
    ],
    ids=["merge", "by hand", "tag", "nightly", "nightly of a tag", "merge request"],
)
def test_an_image_comes_of_merges_and_tags_not_of_the_nightly_tests(
    variables: dict[str, str], expected: bool
) -> None:
    assert taken(DOCUMENT["build image"]["rules"], variables) is expected


# Targets that test, and why no pipeline runs them.
BY_HAND = {
    "test-unit": "a part of `make test`",
    "test-slurm-older": "one of its tests wants a machine with time to spare (docs/nodes.md)",
    "test-slurm-newer": "Debian's next release still changes: what fails there is no fault of a commit",
}


def test_every_test_runs_in_a_pipeline() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^(test(?:-[a-z]+)*|soak|slices):.* ##", makefile, re.MULTILINE))
    run = {target for job in DOCUMENT.values() if "script" in job for target in made_by(job)}
    assert targets - run == set(BY_HAND)


def made_by(job: dict[str, Any]) -> set[str]:
    """The targets that a job makes, in all its rows."""
    rows = job.get("parallel", {}).get("matrix", [])
    named = re.findall(r"^make (\S+)$", "\n".join(job["script"]), re.MULTILINE)
    given = {target for row in rows for target in row["TARGET"]}
    return {target for name in named for target in (given if name == '"$TARGET"' else {name})}


def test_the_long_tests_are_made_at_night_alone() -> None:
    rules = DOCUMENT["long tests"]["rules"]
    assert taken(rules, {"CI_PIPELINE_SOURCE": "schedule", **MAIN})
    assert not taken(rules, {"CI_PIPELINE_SOURCE": "push", **MAIN})
    # A merge cancels older pipelines of its branch, scheduled ones too, unless such a job has begun.
    assert DOCUMENT["long tests"]["interruptible"] is False


@dataclass(frozen=True)
class Registry:
    """The image's job, run with a registry in a folder."""

    folder: Path

    def push(self, **variables: str) -> int:
        """Run the job; its exit code."""
        programs = self.folder.parent / "programs"
        programs.mkdir(exist_ok=True)
        for name in ("aws", "docker"):
            program = programs / name
            program.write_text(
                f'#!/bin/sh\nexec {sys.executable} {registry.__file__} {self.folder} {name} "$@"\n'
            )
            program.chmod(0o755)
        repository = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/platform/provisioner"
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "ECR_REPOSITORY": repository, **variables}
        script = "\n".join(DOCUMENT["build image"]["script"])
        return subprocess.run(["sh", "-ec", script], env=environment, check=False).returncode

    def tags(self) -> dict[str, str]:
        return {one.name: one.read_text() for one in self.folder.iterdir() if one.name != "calls"}

    def calls(self, start: str) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(start)]


@pytest.fixture
def ecr(tmp_path: Path) -> Registry:
    (tmp_path / "ecr").mkdir()
    return Registry(tmp_path / "ecr")


def test_a_second_pipeline_of_a_commit_takes_the_image_that_is_there(ecr: Registry) -> None:
    # A job that is run again, or a pipeline that somebody starts: tags in the registry never move.
    assert ecr.push(CI_COMMIT_SHA=COMMIT) == 0
    first = ecr.tags()
    assert list(first) == [COMMIT]
    assert ecr.push(CI_COMMIT_SHA=COMMIT) == 0
    assert ecr.tags() == first
    assert len(ecr.calls("docker build")) == 1


def test_what_a_tag_releases_is_the_image_of_its_commit(ecr: Registry) -> None:
    assert ecr.push(CI_COMMIT_SHA=COMMIT) == 0
    assert ecr.push(CI_COMMIT_SHA=COMMIT, CI_COMMIT_TAG="1.1.0") == 0
    tags = ecr.tags()
    assert set(tags) == {COMMIT, "1.1.0"}
    assert tags["1.1.0"] == tags[COMMIT]
    assert len(ecr.calls("docker build")) == 1

    # The job is run again; nothing is left to do.
    assert ecr.push(CI_COMMIT_SHA=COMMIT, CI_COMMIT_TAG="1.1.0") == 0
    assert ecr.tags() == tags


def test_a_tag_whose_pipeline_is_the_first_of_its_commit_makes_the_image_for_both(ecr: Registry) -> None:
    assert ecr.push(CI_COMMIT_SHA=COMMIT, CI_COMMIT_TAG="1.1.0") == 0
    assert ecr.push(CI_COMMIT_SHA=COMMIT) == 0
    assert set(ecr.tags()) == {COMMIT, "1.1.0"}
    assert len(set(ecr.tags().values())) == 1
    assert len(ecr.calls("docker build")) == 1


def test_a_tag_that_was_moved_releases_nothing(ecr: Registry) -> None:
    assert ecr.push(CI_COMMIT_SHA=COMMIT, CI_COMMIT_TAG="1.1.0") == 0
    released = ecr.tags()["1.1.0"]
    assert ecr.push(CI_COMMIT_SHA="f" * 40, CI_COMMIT_TAG="1.1.0") != 0
    assert ecr.tags()["1.1.0"] == released


@pytest.mark.parametrize(("tag", "code"), [(engine.__version__, 0), ("99.0.0", 1)])
def test_a_tag_that_is_not_the_engine_s_version_ends_before_its_name_is_taken(tag: str, code: int) -> None:
    checks, image, _ = DOCUMENT["stages"]
    assert DOCUMENT["build image"]["stage"] == image
    assert "needs" not in DOCUMENT["build image"], "it would not wait for the stage before"
    job = DOCUMENT["version"]
    assert job["stage"] == checks
    assert taken(job["rules"], {"CI_COMMIT_TAG": tag})
    script = "\n".join(job["script"])
    done = subprocess.run(
        ["sh", "-ec", script], env={"CI_COMMIT_TAG": tag, "PATH": "/usr/bin:/bin"}, cwd=ROOT
    )
    assert done.returncode == code


def test_the_registry_is_asked_with_options_that_it_has(ecr: Registry) -> None:
    assert ecr.push(CI_COMMIT_SHA=COMMIT, CI_COMMIT_TAG="1.1.0") == 0
    service = botocore.session.get_session().get_service_model("ecr")
    operations = {xform_name(name, "-"): service.operation_model(name) for name in service.operation_names}
    for call in ecr.calls("aws ecr "):
        operation, *options = shlex.split(call)[2:]
        given = dict(zip(options[::2], options[1::2], strict=True))
        members = operations[operation].input_shape.members
        assert set(given) <= {f"--{xform_name(one, '-')}" for one in members} | {"--query", "--output"}
        assert given["--registry-id"] == "210987654321"
        assert given["--repository-name"] == "platform/provisioner"
