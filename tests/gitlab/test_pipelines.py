"""The pipelines of a repository of specs, run for real: in a shell, Terraform against the local cloud."""

from __future__ import annotations

import json

import pytest

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.gitlab.gitlab_api import GitLabApi
from tests.gitlab.pipelines import NEVER, Ran, Repository

pytestmark = [pytest.mark.gitlab, pytest.mark.terraform, pytest.mark.timeout(3000)]

SPEC = "vlab_id: lab-1\nproject_id: {0}\ntier: debug\nstorage: {{kind: efs}}\n"
A, B, C = "workspaces/projects/lab-1/a.yaml", "workspaces/projects/b.yml", "workspaces/projects/c.yaml"
WIDER = "compute: {max_nodes: 20}\n"


def ended(ran: Ran, **jobs: str) -> None:
    """Hold the pipeline's jobs against these, underscores standing for spaces and dashes for slashes."""
    found = {name.replace(" ", "_").replace("/", "-"): state for name, state in ran.jobs.items()}
    assert {name: found.get(name.replace("/", "-")) for name in jobs} == jobs, ran.output


def passed(ran: Ran) -> None:
    """Also the child pipeline, of which gitlab-ci-local's exit code says nothing."""
    assert ran.code == 0, ran.output
    assert "FAIL" not in ran.jobs.values(), ran.output


def phase_of(aws: Cloud, project: str) -> Phase:
    record = Registry(aws, Settings().registry_table).get(*project.split("/"))
    assert record is not None
    return record.phase


def test_from_the_first_push_to_a_deleted_spec(
    repository: Repository, backend: Cloud, api: GitLabApi
) -> None:
    repository.write(A, SPEC.format("a"))
    repository.write(B, SPEC.format("b"))
    first = repository.commit("two projects")
    ran = repository.push(NEVER)
    passed(ran)
    ended(ran, **{"plan_lab-1-a": "PASS", "plan_lab-1-b": "PASS"})
    assert "apply lab-1/a" not in ran.jobs, "nobody has clicked"
    stacks = backend.cloudformation.describe_stacks()["Stacks"]
    assert not [stack["StackName"] for stack in stacks if stack["StackName"].startswith("pc-")]
    for project in ("a", "b"):
        ran = repository.click(f"apply lab-1/{project}")
        passed(ran)
        assert phase_of(backend, f"lab-1/{project}") is Phase.READY

    # A merge request that changes both.
    repository.git("switch", "--quiet", "--create", "wider")
    repository.write(A, SPEC.format("a") + WIDER)
    repository.write(B, SPEC.format("b") + WIDER)
    second = repository.commit("more nodes")
    ran = repository.merge_request(first, iid="3")
    passed(ran)
    ended(ran, **{"plan_lab-1-a": "PASS", "plan_lab-1-b": "PASS", "comment": "PASS"})
    assert len(api.notes) == 1
    assert "lab-1/a" in api.notes[0]["body"]
    assert "lab-1/b" in api.notes[0]["body"]
    for project in ("a", "b"):
        folder = repository.root / "provisioner-reports" / "lab-1" / project
        assert json.loads((folder / "plan.gitlab.json").read_text())["update"] > 0
        assert (folder / "plan.html").is_file()
    ran = repository.merge_request(first, iid="3")
    passed(ran)
    assert len(api.notes) == 1, "updated in place"

    # Taken back by a later push, before it is meant after all.
    repository.git("switch", "--quiet", "main")
    ran = repository.merge_request(first, iid="3")
    ended(ran, **{"nothing_changed": "PASS", "comment": "PASS"})
    assert [note["body"].count("changed any more") for note in api.notes] == [1]

    # Merged: planned anew, and applied from that plan.
    repository.git("merge", "--quiet", "wider")
    ran = repository.push(first)
    passed(ran)
    ran = repository.click("apply lab-1/a")
    passed(ran)
    # A second click finds that the plan has been applied: the state has moved since it was made.
    ran = repository.click("apply lab-1/a")
    assert ran.code != 0
    assert "[PLAN_APPLIED]" in ran.output

    # A deleted spec.
    repository.write(A, None)
    repository.commit("a is done")
    ran = repository.merge_request(second, iid="3")
    passed(ran)
    ended(ran, **{"plan_release_lab-1-a": "PASS", "comment": "PASS"})
    assert phase_of(backend, "lab-1/a") is Phase.READY
    ran = repository.push(second)
    passed(ran)
    ran = repository.click("release lab-1/a")
    passed(ran)
    assert phase_of(backend, "lab-1/a") is Phase.PARKED

    # One that is deleted before its project was made.
    repository.write(C, SPEC.format("c"))
    never_made = repository.commit("c is meant")
    repository.write(C, None)
    third = repository.commit("c is not meant any more")
    ran = repository.merge_request(never_made, iid="3")
    passed(ran)
    assert "There is no project lab-1/c" in api.notes[0]["body"]
    ran = repository.push(never_made)
    passed(ran)
    ran = repository.click("release lab-1/c")
    passed(ran)
    assert "There is nothing to release" in ran.output

    # A schedule: nothing has drifted, then somebody switches versioning off.
    ran = repository.schedule()
    passed(ran)
    ended(ran, **{"provisioner-drift": "PASS", "provisioner-keys": "PASS"})
    assert "there are no keys to refresh" in ran.output
    bucket = names_for("lab-1", "b", account_id="123456789012").bucket
    backend.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    ran = repository.schedule()
    passed(ran)
    ended(ran, **{"provisioner-drift": "WARN"})
    assert "versioning" in (repository.root / "provisioner-reports" / "drift.md").read_text()

    # A spec that is broken stops everything before it is planned.
    repository.write(B, SPEC.format("b") + "tier_: x\n")
    repository.commit("a slip")
    ran = repository.push(third)
    assert ran.code != 0
    assert "tier_" in ran.output
    assert "Revert the merge" in ran.output
    assert not [name for name in ran.jobs if name.startswith("plan ")]
