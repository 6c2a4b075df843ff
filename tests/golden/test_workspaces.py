"""Golden copies: a spec in, the whole generated workspace out, for every tier and storage kind.

UPDATE_GOLDEN=1 writes them anew; the difference is then for a person to review.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.model.settings import Settings
from engine.model.spec import load_spec
from engine.model.tiers import find_tier, load_catalogue
from engine.workspace.render import LOCK_FILE, SPEC_FILE, module_names, render_workspace
from engine.workspace.stack import _OUTPUT_FOLDER, Presence

HERE = Path(__file__).parent / "workspaces"
TIERS = [tier.name for tier in load_catalogue()]
CASES = [f"{tier}-{storage}" for tier in TIERS for storage in ("lustre", "efs")]


def rendered(case: str, presence: Presence = Presence.RUNNING, **more: object) -> dict[str, str]:
    tier, _, storage = case.rpartition("-")
    document = {
        "vlab_id": "lab-1",
        "project_id": "proj-1",
        "tier": tier,
        "storage": {"kind": storage},
        **more,
    }
    spec = load_spec(json.dumps(document), source="test")
    cidr = "10.42.64.0/24" if presence is Presence.RUNNING else None
    return render_workspace(
        spec, Settings(), find_tier(load_catalogue(), tier), subnet_cidr=cidr, presence=presence
    )


@pytest.mark.parametrize("case", CASES)
def test_the_workspace_is_the_golden_one(case: str) -> None:
    files = {name: text for name, text in rendered(case).items() if name != LOCK_FILE}
    folder = HERE / case
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    golden = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert files == golden


def test_no_golden_copy_is_left_over() -> None:
    assert {path.name for path in HERE.iterdir()} == set(CASES)


@pytest.mark.parametrize("storage", ["lustre", "efs"])
def test_every_module_that_is_called_is_copied(storage: str) -> None:
    files = rendered(f"debug-{storage}")
    called = {block["source"] for block in json.loads(files["main.tf.json"])["module"].values()}
    spec = load_spec(files[SPEC_FILE], source="test")
    assert called == {f"./modules/{name}" for name in module_names(spec, Presence.RUNNING)}


def test_nothing_is_left_where_the_user_stands(tmp_path: Path) -> None:
    code = "from tests.golden.test_workspaces import rendered; rendered('debug-efs')"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_what_others_left_in_the_folder_of_temporary_files_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / "provisioner-cdktf").touch()  # an output folder of that name was shared by all, once
    code = "from tests.golden.test_workspaces import rendered; rendered('debug-efs')"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=HERE.parents[2], env=environment, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["provisioner-cdktf"]


def test_cdktf_finds_all_of_its_output_folder_there_and_leaves_it_as_it_is() -> None:
    rendered("debug-efs")
    there = [path.relative_to(_OUTPUT_FOLDER).as_posix() for path in _OUTPUT_FOLDER.rglob("*")]
    assert sorted(there) == ["stacks", "stacks/README.md"]


NODE_DIES = """
from jsii._runtime import kernel
from engine.errors import BackendError
from tests.golden.test_workspaces import rendered

rendered("debug-efs")
node = kernel.provider._process._process
node.kill()
node.wait()
for _ in range(2):
    try:
        rendered("debug-efs")
    except BackendError as error:
        print(error.code, error.message)
"""


def test_a_node_that_dies_is_told_as_such() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NODE_DIES], cwd=HERE.parents[2], stdout=subprocess.PIPE, text=True, check=False
    )
    told = "The workspace of lab-1/proj-1 could not be generated: the Node that cdktf runs in has died."
    assert ended.stdout.splitlines() == [f"BACKEND_ERROR {told}"] * 2


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert rendered("debug-lustre") == rendered("debug-lustre")


def test_parked_and_running_differ_in_the_variables_alone() -> None:
    running, parked = rendered("debug-lustre"), rendered("debug-lustre", Presence.PARKED)
    assert {name for name in running if running[name] != parked[name]} == {"terraform.tfvars.json"}
    assert json.loads(parked["terraform.tfvars.json"]) == {"parked": True, "subnet_cidr": None}


def test_a_removed_project_calls_no_module() -> None:
    root = json.loads(rendered("debug-lustre", Presence.REMOVED)["main.tf.json"])
    assert set(root) == {"terraform", "provider"}


def test_without_lustre_no_fsx_module_is_needed() -> None:
    root = json.loads(rendered("debug-efs")["main.tf.json"])
    spec = load_spec('{"vlab_id": "a", "project_id": "b", "storage": {"kind": "efs"}}', source="test")
    assert "fsx" not in root["module"]
    assert "fsx" not in module_names(spec, Presence.RUNNING)


def test_a_users_text_is_never_a_template() -> None:
    root = json.loads(rendered("debug-lustre", tags={"//": "a/b"})["main.tf.json"])
    assert root["provider"]["aws"][0]["default_tags"][0]["tags"]["//"] == "a/b"


def test_every_module_call_knows_its_own_address() -> None:
    modules = json.loads(rendered("debug-lustre")["main.tf.json"])["module"]
    for name, call in modules.items():
        assert call["address"] == f"module.{name}" + (".0" if "count" in call else "")
