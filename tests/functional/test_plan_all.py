"""`plan --all`: many projects at a time, each its own, the shared ground looked at once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.aws import session
from engine.aws.session import Cloud
from engine.operations import planning
from tests.bench.written import parts as written
from tests.functional.conftest import Provisioner

SMALL = {"tier": "debug", "storage": {"kind": "efs"}}
# Asked of AWS by the engine itself for a plan, not by Terraform. Each question once.
FOR_ALL = {
    "sts:GetCallerIdentity": 1,
    "s3:HeadBucket": 3,
    "dynamodb:DescribeTable": 2,
    "ec2:DescribeVpcAttribute": 2,
    "ec2:DescribeRouteTables": 1,
    "ec2:DescribeSecurityGroups": 3,
    "rds:DescribeDBInstances": 1,
    "lambda:GetFunctionConfiguration": 1,
}
FOR_EACH = {
    # These two also look whether something of a project without a state is there already.
    "s3:HeadBucket": 1,
    "ec2:DescribeSecurityGroups": 1,
    "s3:GetObject": 1,  # the state
    "dynamodb:PutItem": 1,  # the lock; the record and the address block are there
    "dynamodb:DeleteItem": 1,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what the engine's own clients ask of AWS."""
    counted: Counter[str] = Counter()
    make = session._ClientMaker.make

    def counting(self: Any, service: str, **options: Any) -> Any:
        client = make(self, service, **options)
        client.meta.events.register(
            "before-call", lambda model, **_: counted.update([f"{service}:{model.name}"])
        )
        return client

    monkeypatch.setattr(session._ClientMaker, "make", counting)
    return counted


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects that were rendered."""
    projects: list[str] = []
    render = planning.render_workspace

    def noting(spec: Any, *arguments: Any, **more: Any) -> dict[str, str]:
        projects.append(spec.project)
        return render(spec, *arguments, **more)

    monkeypatch.setattr(planning, "render_workspace", noting)
    return projects


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A folder with two projects of two labs, a spec that is none, and a hidden file."""
    folder = tmp_path / "specs"
    folder.mkdir()
    for lab in ("lab-1", "lab-2"):
        spec = {"vlab_id": lab, "project_id": "proj-1", **SMALL}
        (folder / f"{lab}.yaml").write_text(json.dumps(spec))
    (folder / "wrong.yaml").write_text("vlab_id: lab-3\n")
    (folder / ".lint.yaml").write_text("rules: {}\n")
    return folder


def owner(report: Path) -> set[str]:
    """The projects that the planned resources are tagged with."""
    values = json.dumps(json.loads(report.read_text("utf-8")))
    return {lab for lab in ("lab-1", "lab-2") if f"pc-{lab}-" in values}


@pytest.mark.long
def test_a_folder_and_then_all_that_is_registered(
    backend: Cloud,
    provisioner: Provisioner,
    specs: Path,
    asked: Counter[str],
    rendered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROVISIONER_PARALLEL_PROJECTS", "2")

    # WHEN all specs of a folder are planned
    ended = provisioner("plan", "--all", specs, "--json", "--detailed-exitcode")

    # THEN the one that is wrong is told, with the exit code it would have had alone, and stops no other
    assert ended.code == 3, ended.err
    first, second, wrong = ended.json["projects"]
    assert (wrong["project"], wrong["error"]["code"]) == (str(specs / "wrong.yaml"), "INVALID_SPEC")
    assert wrong["exit_code"] == 3
    for one, lab in ((first, "lab-1"), (second, "lab-2")):
        assert (one["project"], one["source"]) == (f"{lab}/proj-1", str(specs / f"{lab}.yaml"))
        assert one["has_changes"] and one["error"] is None and one["counts"]["add"] > 0
        # AND no project has anything of the other's
        (report,) = (Path(path) for path in one["reports"] if path.endswith("plan.json"))
        assert owner(report) == {lab}
        # AND init has copied no provider: it is linked to
        found = written(report.parent)
        assert found["`terraform init`: the provider"]["files"] == 0
        assert found["`terraform init`: the rest (.terraform)"]["kilobytes"] < 100
    totals = ended.json["totals"]
    assert (totals["with_changes"], totals["failed"], totals["workers"]) == (2, 1, 2)
    # AND what they share was looked at once
    looks = {name: count for name, count in FOR_EACH.items() if name != "dynamodb:PutItem"}
    require_asked(asked, FOR_ALL, looks, projects=2)
    assert sorted(rendered) == ["lab-1/proj-1", "lab-2/proj-1"]

    # WHEN the wrong one is gone from the folder, what is registered are the two
    asked.clear()
    ended = provisioner("plan", "--all", "--detailed-exitcode")

    # THEN both are planned, by what the registry says, and nothing is rendered again
    assert ended.code == 2, ended.err
    assert [line.split()[:2] for line in ended.out.splitlines()[1:]] == [
        ["lab-1/proj-1", "changes"],
        ["lab-2/proj-1", "changes"],
    ]
    require_asked(asked, FOR_ALL, FOR_EACH, projects=2)
    assert len(rendered) == 2


def require_asked(
    asked: Counter[str], for_all: dict[str, int], for_each: dict[str, int], *, projects: int
) -> None:
    expected = Counter(for_all)
    for _ in range(projects):
        expected.update(for_each)
    assert {name: asked[name] for name in expected} == dict(expected), dict(asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a spec, or say --all."),
        (("{specs}",), "--all plans the specs in it."),
        (("--all", "{specs}/lab-1.yaml"), "is no folder"),
        (("--all", "{specs}", "--html", "page.html"), "--html and --reports are for one plan"),
    ],
    ids=["nothing", "a folder", "a file with --all", "a page with --all"],
)
def test_what_is_not_asked_rightly_is_refused(
    provisioner: Provisioner, specs: Path, arguments: tuple[str, ...], said: str
) -> None:
    provisioner("plan", *(one.format(specs=specs) for one in arguments)).refused(3, said)


def test_an_empty_folder_and_an_empty_registry(
    backend: Cloud,
    provisioner: Provisioner,
    tmp_path: Path,
) -> None:
    (tmp_path / "none").mkdir()
    assert "There are no projects to plan." in provisioner("plan", "--all", tmp_path / "none").ok().out
    assert provisioner("plan", "--all", "--json").ok().json["projects"] == []
