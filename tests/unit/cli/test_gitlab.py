"""The child pipeline from two folders, as a job calls for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.cli.main import run

A = "vlab_id: lab-1\nproject_id: a\n"
B = "vlab_id: lab-1\nproject_id: b\n"


def write(repository: Path, **texts: str) -> None:
    folder = repository / "workspaces" / "projects"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_dot_", ".")).write_text(text)


def pipeline(place: Path, mode: str = "deploy", *more: str) -> tuple[int, list[str]]:
    """The exit code, and the names of the jobs."""
    out = place / "child.yml"
    folders = ("--before", str(place / "before"), "--after", str(place / "after"))
    code = run(["gitlab", "pipeline", *folders, "--mode", mode, "--out", str(out), *more])
    jobs = yaml.safe_load(out.read_text()) if out.exists() else {}
    return code, [name for name in jobs if name not in ("workflow", "stages", "default")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "before", a_dot_yaml=A, b_dot_json='{"vlab_id": "lab-1", "project_id": "b"}')
    return tmp_path


def test_files_are_compared_within_their_repository(place: Path) -> None:
    write(place / "after", moved_dot_json='{"vlab_id": "lab-1", "project_id": "a", "tier": "prod-mpi"}')
    assert pipeline(place) == (0, ["plan lab-1/a", "apply lab-1/a", "release lab-1/b"])
    assert "plan workspaces/projects/moved.json " in (place / "child.yml").read_text()


def test_a_new_repository_has_no_folder_before(place: Path) -> None:
    write(place / "after", a_dot_yaml=A)
    (place / "empty").mkdir()
    (place / "before").rename(place / "aside")
    (place / "empty").rename(place / "before")
    assert pipeline(place, "review") == (0, ["plan lab-1/a", "comment"])


def test_a_file_that_is_no_spec_any_more_releases_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place / "after", a_dot_yaml=A, b_dot_yaml=B.replace("_id", ""))
    assert pipeline(place) == (3, [])
    said = capsys.readouterr().err
    assert "b.yaml: vlab_id" in said
    assert "Revert the merge" in said, "what was merged with it would never be planned"
    assert pipeline(place, "review") == (3, [])
    assert "Revert" not in capsys.readouterr().err


def test_what_was_broken_before_is_mended_now(place: Path) -> None:
    write(place / "before", a_dot_yaml="vlab_id: [\n")
    write(place / "after", a_dot_yaml=A, b_dot_yaml=B)
    assert pipeline(place, "review") == (0, ["plan lab-1/a", "comment"])


@pytest.mark.parametrize(
    "broken",
    ["vlab_id: [\n", "vlab_id: lab-1\nproject_id: c\ntier: unheard-of\n", A],
    ids=["text", "tier", "a second one"],
)
def test_after_a_broken_state_was_merged_every_project_is_planned(
    place: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    # What was merged together with the broken spec was never planned, and is part of the state before.
    write(place / "before", c_dot_yaml=broken)
    write(place / "after", a_dot_yaml=A, b_dot_yaml=B)
    code, jobs = pipeline(place)
    assert (code, jobs[:4]) == (0, ["plan lab-1/a", "apply lab-1/a", "plan lab-1/b", "apply lab-1/b"])
    assert "no pipeline has compared" in capsys.readouterr().err
    assert "plan lab-1/b" not in pipeline(place, "review")[1], "a merge request shows its own changes"


EVERYTHING = ["plan lab-1/a", "plan lab-1/b", "comment"]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"own/tiers.yaml": "1"}, {"own/tiers.yaml": "1"}, ["nothing changed", "comment"]),
        ({"own/tiers.yaml": "1"}, {"own/tiers.yaml": "2"}, EVERYTHING),
        ({"own/deep/er/tiers": "1"}, {"own/deep/er/tiers": "2"}, EVERYTHING),
        ({}, {"own/tiers.yaml": "1"}, EVERYTHING),
        ({"own/tiers.yaml": "1"}, {}, EVERYTHING),
        ({"own/tiers.yaml": "1"}, {"own/other.yaml": "1"}, EVERYTHING),
        ({"own": "1"}, {"own": "2"}, EVERYTHING),
        ({"own": "1"}, {"own/own": "1"}, EVERYTHING),
        ({"other": "1"}, {"other": "2"}, ["nothing changed", "comment"]),
    ],
    ids=["same", "file", "deep", "new", "gone", "renamed", "no folder", "folder of a file", "elsewhere"],
)
def test_what_affects_all_may_be_a_folder_and_is_compared_by_its_files(
    place: Path, then: dict[str, str], now: dict[str, str], expected: list[str]
) -> None:
    write(place / "before", a_dot_yaml=A, b_dot_yaml=B)
    (place / "before" / "workspaces" / "projects" / "b.json").unlink()
    write(place / "after", a_dot_yaml=A, b_dot_yaml=B)
    for state, files in (("before", then), ("after", now)):
        for name, text in files.items():
            (place / state / name).parent.mkdir(parents=True, exist_ok=True)
            (place / state / name).write_text(text)
    for written in ("own", "own/"):
        assert pipeline(place, "review", "--affects-all", written) == (0, expected)


def test_tags_come_as_gitlab_writes_a_list(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place / "after", a_dot_yaml=A, b_dot_yaml=B)
    (place / "after" / "provisioner.yaml").write_text("{}\n")
    everything = ("--affects-all", "provisioner.yaml")
    assert pipeline(place, "review", *everything, "--tags", '["aws","large"]')[0] == 0
    assert yaml.safe_load((place / "child.yml").read_text())["default"] == {"tags": ["aws", "large"]}

    assert pipeline(place, "review", "--tags", "[]")[0] == 0
    assert "default" not in yaml.safe_load((place / "child.yml").read_text())

    for wrong in ("aws", '{"aws": 1}', "[1]", '[""]'):
        assert pipeline(place, "review", "--tags", wrong)[0] == 3
        assert "--tags" in capsys.readouterr().err
