"""The child pipeline: what it holds, and that GitLab's own schema takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import check_jsonschema
import pytest
import yaml
from jsonschema import Draft7Validator

from engine.gitlab.pipeline import Mode, PipelineSettings, pipeline
from tests.unit.gitlab.states import compare

ROOT = Path(__file__).parents[3]
A = "vlab_id: lab-1\nproject_id: a\n"
B = "vlab_id: lab-1\nproject_id: b\n"
CHANGED = compare({"gone.yaml": B}, {"dir with space/a.yaml": A})
IN_AWS = PipelineSettings(
    image="210987654321.dkr.ecr.eu-central-1.amazonaws.com/provisioner:1",
    audience="provisioner",
    plan_role="arn:aws:iam::210987654321:role/plan",
    apply_role="arn:aws:iam::210987654321:role/apply",
    tags=("aws",),
)


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """GitLab's CI schema, as the package check-jsonschema ships it."""
    folder = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    return Draft7Validator(json.loads((folder / "gitlab-ci.json").read_text("utf-8")))


def parsed(mode: Mode, settings: PipelineSettings = IN_AWS) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(pipeline(CHANGED, mode, settings))
    return document


def jobs(document: dict[str, Any]) -> list[str]:
    return [name for name in document if name not in ("workflow", "stages", "default")]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("settings", [IN_AWS, PipelineSettings()], ids=["aws", "bare"])
def test_gitlab_takes_it(schema: Draft7Validator, mode: Mode, settings: PipelineSettings) -> None:
    problems = [error.message for error in schema.iter_errors(parsed(mode, settings))]
    assert not problems


def test_a_pipeline_that_gitlab_would_refuse_is_found(schema: Draft7Validator) -> None:
    broken = parsed(Mode.DEPLOY)
    broken["apply lab-1/a"]["when"] = "sometimes"
    assert list(schema.iter_errors(broken))


@pytest.mark.parametrize("name", [".gitlab-ci.yml", "templates/projects.yml"])
def test_both_files_are_what_gitlab_takes(schema: Draft7Validator, name: str) -> None:
    documents = list(yaml.safe_load_all((ROOT / name).read_text("utf-8")))
    if len(documents) == 2:
        assert set(documents[0]) == {"spec"}
    problems = [error.message for document in documents for error in schema.iter_errors(document)]
    assert not problems


def test_a_review_plans_and_comments_and_applies_nothing() -> None:
    document = parsed(Mode.REVIEW)
    assert jobs(document) == ["plan lab-1/a", "plan release lab-1/b", "comment"]
    assert "lab-1/a lab-1/b" in document["comment"]["script"][0]
    assert document["comment"]["when"] == "always", "a plan that failed is said, too"
    assert "comment" not in parsed(Mode.REVIEW, PipelineSettings(comment=False))


def test_a_deployment_waits_for_a_hand_and_applies_what_its_plan_job_made() -> None:
    document = parsed(Mode.DEPLOY)
    assert jobs(document) == ["plan lab-1/a", "apply lab-1/a", "release lab-1/b"]
    apply = document["apply lab-1/a"]
    assert apply["when"] == "manual"
    assert apply["needs"] == ["plan lab-1/a"]
    assert apply["environment"] == {"name": "projects/lab-1/a"}
    assert apply["script"] == [
        "provisioner apply 'dir with space/a.yaml' --plan \"$(cat provisioner-reports/lab-1/a/plan.digest)\" "
        '--approved-by "$GITLAB_USER_LOGIN" --yes'
    ]
    assert document["release lab-1/b"]["when"] == "manual"
    assert document["release lab-1/b"]["environment"]["action"] == "stop"


def test_what_was_merged_is_not_cancelled_by_the_next_merge() -> None:
    assert parsed(Mode.DEPLOY)["workflow"] == {"auto_cancel": {"on_new_commit": "none"}}
    assert "workflow" not in parsed(Mode.REVIEW), "a newer push supersedes the review before it"


def test_a_spec_may_be_deleted_whose_project_was_never_made() -> None:
    (plan,) = parsed(Mode.REVIEW)["plan release lab-1/b"]["script"]
    (release,) = parsed(Mode.DEPLOY)["release lab-1/b"]["script"]
    assert plan == "provisioner release lab-1/b --if-there --dry-run --reports provisioner-reports/lab-1/b"
    assert release == "provisioner release lab-1/b --if-there --yes"


def test_one_project_never_runs_twice_at_once() -> None:
    for mode in Mode:
        document = parsed(mode)
        groups = {name: document[name].get("resource_group") for name in jobs(document) if name != "comment"}
        for name, group in groups.items():
            assert group == f"provisioner/{name.rsplit(' ', 1)[1]}"


def test_what_waits_for_aws_may_take_longer_than_the_project_s_hour() -> None:
    document = parsed(Mode.DEPLOY)
    timeouts = {name: document[name].get("timeout") for name in jobs(document)}
    assert timeouts == {"plan lab-1/a": None, "apply lab-1/a": "12 hours", "release lab-1/b": "12 hours"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.DEPLOY, {"plan lab-1/a": "plan", "apply lab-1/a": "apply", "release lab-1/b": "apply"}),
        (Mode.REVIEW, {"plan lab-1/a": "plan", "plan release lab-1/b": "plan", "comment": None}),
    ],
)
def test_only_what_applies_gets_the_role_that_may(mode: Mode, expected: dict[str, str | None]) -> None:
    document = parsed(mode)
    arns = {name: document[name].get("variables", {}).get("AWS_ROLE_ARN") for name in jobs(document)}
    assert {name: arn and arn.rsplit("/")[-1] for name, arn in arns.items()} == expected


def test_a_plan_is_shown_to_developers_only() -> None:
    document = parsed(Mode.REVIEW)
    access = {name: document[name]["artifacts"]["access"] for name in jobs(document) if name != "comment"}
    assert access == {"plan lab-1/a": "developer", "plan release lab-1/b": "developer"}


def test_paths_reach_the_shell_as_they_are() -> None:
    files = {"$(touch x); 'a' \"b\".yaml": A}
    document = yaml.safe_load(pipeline(compare({}, files), Mode.DEPLOY, PipelineSettings()))
    quoted = "'$(touch x); '\"'\"'a'\"'\"' \"b\".yaml'"
    assert document["plan lab-1/a"]["script"] == [
        f"provisioner plan {quoted} --save --reports provisioner-reports/lab-1/a"
    ]
    assert document["apply lab-1/a"]["script"][0].startswith(f"provisioner apply {quoted} --plan ")


@pytest.mark.parametrize(
    ("mode", "settings", "names"),
    [
        (Mode.DEPLOY, IN_AWS, ["nothing changed"]),
        (Mode.REVIEW, PipelineSettings(comment=False), ["nothing changed"]),
        (Mode.REVIEW, IN_AWS, ["nothing changed", "comment"]),
    ],
    ids=["deploy", "no comment", "review"],
)
def test_no_change_is_a_pipeline_that_says_so(
    schema: Draft7Validator, mode: Mode, settings: PipelineSettings, names: list[str]
) -> None:
    document = yaml.safe_load(pipeline(compare({}, {}), mode, settings))
    assert jobs(document) == names
    assert not list(schema.iter_errors(document))


def test_a_review_that_holds_no_longer_is_taken_back_where_there_is_a_token() -> None:
    job = yaml.safe_load(pipeline(compare({}, {}), Mode.REVIEW, IN_AWS))["comment"]
    assert job["script"] == ["provisioner gitlab comment --reports provisioner-reports"]
    assert job["rules"] == [{"if": "$GITLAB_COMMENT_TOKEN", "when": "always"}]


def test_five_hundred_projects_are_within_what_gitlab_takes() -> None:
    files = {f"{n}.yaml": f"vlab_id: lab-1\nproject_id: p{n}\n" for n in range(500)}
    text = pipeline(compare({}, files), Mode.DEPLOY, IN_AWS)
    document = yaml.safe_load(text)
    assert len(jobs(document)) == 1000
    assert max(len(document[name].get("needs", [])) for name in jobs(document)) <= 50
    # GitLab's default limit of deployments in one pipeline (its instance limits, ci_pipeline_deployments).
    assert sum("environment" in document[name] for name in jobs(document)) <= 500
    # GitLab's default limit of one configuration file is 2 MB.
    assert len(text.encode()) < 1_500_000
