"""Which files of a folder are specs, and what becomes of those that are wrong."""

from __future__ import annotations

from pathlib import Path

from engine.operations.spec_folder import SpecFile, specs_in

SPEC = "vlab_id: {0}\nproject_id: {1}\ntier: debug\nstorage: {{kind: efs}}\n"


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(folder: Path) -> dict[str, SpecFile]:
    files = specs_in(folder, known_tiers=("debug",))
    return {one.path.relative_to(folder).as_posix(): one for one in files}


def test_every_spec_below_the_folder_by_its_path(tmp_path: Path) -> None:
    write(
        tmp_path,
        b__two_dot_yml=SPEC.format("lab-2", "p-2"),
        b__a__three_dot_yaml=SPEC.format("lab-3", "p-3"),
        a_dot_yaml=SPEC.format("lab-1", "p-1"),
        readme_dot_md=SPEC.format("lab-9", "p-9"),
    )
    assert [(path, one.spec and one.spec.project) for path, one in found(tmp_path).items()] == [
        ("a.yaml", "lab-1/p-1"),
        ("b/two.yml", "lab-2/p-2"),
        ("b/a/three.yaml", "lab-3/p-3"),
    ]


def test_what_is_something_else_is_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path,
        tiers_dot_yaml="tiers: []\n",
        list_dot_yaml="- vlab_id\n",
        empty_dot_yaml="",
        two_dot_yaml="kind: a\n---\nkind: b\n",
        chart_dot_yaml="name: {{ .Values.name }}\n",
        _dot_git__spec_dot_yaml=SPEC.format("lab-1", "p-1"),
        # A generated workspace, whose files are the engine's.
        made__main_dot_tf_dot_json="{}",
        made__spec_dot_json="{}",
        made__copy_dot_yaml=SPEC.format("lab-1", "p-1"),
        made__deeper__copy_dot_yaml=SPEC.format("lab-1", "p-1"),
    )
    assert found(tmp_path) == {}


def test_what_means_to_be_a_spec_and_is_none_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        field_dot_yaml=SPEC.format("lab-1", "p-1") + "colour: blue\n",
        half_dot_yaml="project_id: p-1\n",
        tier_dot_yaml=SPEC.format("lab-1", "p-2").replace("debug", "unheard-of"),
        torn_dot_yaml="vlab_id: [lab-1\n",
    )
    (tmp_path / "bytes.yaml").write_bytes(b"vlab_id: \xff\n")
    (tmp_path / "nowhere.yaml").symlink_to("gone.yaml")
    refused = found(tmp_path)
    assert sorted(refused) == [
        "bytes.yaml",
        "field.yaml",
        "half.yaml",
        "nowhere.yaml",
        "tier.yaml",
        "torn.yaml",
    ]
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
