"""Which files of a folder are its specs, and what becomes of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidSpec
from engine.operations.spec_folder import SpecFile, one_for_each_project, require_specs, specs_in

SPEC = "vlab_id: {0}\nproject_id: {1}\ntier: debug\nstorage: {{kind: efs}}\n"


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(folder: Path) -> dict[str, SpecFile]:
    files = one_for_each_project(specs_in(folder, known_tiers=("debug",)))
    return {one.path.relative_to(folder).as_posix(): one for one in files}


def test_every_spec_below_the_folder_by_its_path(tmp_path: Path) -> None:
    write(
        tmp_path,
        b__two_dot_yml=SPEC.format("lab-2", "p-2"),
        b__a__three_dot_yaml=SPEC.format("lab-3", "p-3"),
        a_dot_yaml=SPEC.format("lab-1", "p-1"),
        c_dot_json='{"vlab_id": "lab-4", "project_id": "p-4"}',
        readme_dot_md=SPEC.format("lab-9", "p-9"),
    )
    assert [(path, one.spec and one.spec.project) for path, one in found(tmp_path).items()] == [
        ("a.yaml", "lab-1/p-1"),
        ("c.json", "lab-4/p-4"),
        ("b/two.yml", "lab-2/p-2"),
        ("b/a/three.yaml", "lab-3/p-3"),
    ]


def test_hidden_files_and_generated_workspaces_are_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path,
        _dot_git__spec_dot_yaml=SPEC.format("lab-1", "p-1"),
        _dot_yamllint_dot_yaml="extends: default\n",
        # A generated workspace, whose files are the engine's.
        made__main_dot_tf_dot_json="{}",
        made__spec_dot_json="{}",
        made__copy_dot_yaml=SPEC.format("lab-1", "p-1"),
        made__deeper__copy_dot_yaml=SPEC.format("lab-1", "p-1"),
    )
    assert found(tmp_path) == {}
    assert found(tmp_path / "nowhere") == {}


def test_every_other_file_is_a_spec_or_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        field_dot_yaml=SPEC.format("lab-1", "p-1") + "colour: blue\n",
        half_dot_yaml="project_id: p-1\n",
        tier_dot_yaml=SPEC.format("lab-1", "p-2").replace("debug", "unheard-of"),
        torn_dot_yaml="vlab_id: [lab-1\n",
        misspelt_dot_yaml="vlab: lab-1\nproject: p-1\n",
        tiers_dot_yaml="tiers: []\n",
        list_dot_json="[]",
        empty_dot_yml="",
        two_dot_yaml="kind: a\n---\nkind: b\n",
    )
    (tmp_path / "bytes.yaml").write_bytes(b"vlab_id: \xff\n")
    (tmp_path / "nowhere.yaml").symlink_to("gone.yaml")
    refused = found(tmp_path)
    assert sorted(refused) == sorted(path.name for path in tmp_path.iterdir())
    for one in refused.values():
        assert one.spec is None
        assert one.refusal is not None
        assert str(one.path) in str(one.refusal)


def test_of_two_specs_of_one_project_neither_is_taken(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_dot_yaml=SPEC.format("lab-1", "p-1"),
        b_dot_yaml=SPEC.format("lab-1", "p-1"),
        c_dot_yaml=SPEC.format("lab-1", "p-2"),
    )
    one, two, other = found(tmp_path).values()
    assert other.spec is not None
    assert one.spec is None and "b.yaml" in str(one.refusal)
    assert two.spec is None and "a.yaml" in str(two.refusal)


def test_who_needs_all_of_them_is_told_all_that_is_wrong(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_dot_yaml=SPEC.format("lab-1", "p-1"),
        again_dot_yaml=SPEC.format("lab-1", "p-1"),
        bad_dot_yaml="vlab_id: lab-1\n",
        c_dot_yaml="tier: [\n",
        sound_dot_yaml=SPEC.format("lab-1", "p-2"),
    )
    with pytest.raises(InvalidSpec) as refused:
        require_specs(found(tmp_path).values())
    said = str(refused.value)
    for told in ("a.yaml: project_id", "again.yaml: project_id", "bad.yaml: project_id", "c.yaml: document"):
        assert str(tmp_path / told) in said
    assert "sound.yaml" not in said

    for name in ("again", "bad", "c"):
        (tmp_path / f"{name}.yaml").unlink()
    sound = require_specs(found(tmp_path).values())
    assert {path.name: spec.project for path, spec in sound.items()} == {
        "a.yaml": "lab-1/p-1",
        "sound.yaml": "lab-1/p-2",
    }
