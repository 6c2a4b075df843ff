"""Pages of docs/ and specs of examples/ say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import InvalidSpec
from engine.model.reference import PAGES, main
from engine.model.spec import LustreStorage, ProjectSpec, load_spec

ROOT = Path(__file__).parents[3]
SPEC_PAGE = (ROOT / "docs" / "spec.md").read_text("utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_fresh(name: str) -> None:
    stored = (ROOT / name).read_text("utf-8")
    assert stored == PAGES[name](), f"{name} is stale: make schemas"


@pytest.mark.parametrize("name", PAGES)
def test_the_command_writes_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    assert capsys.readouterr().out == PAGES[name]()


@pytest.mark.parametrize("arguments", [[], ["other"], ["docs/settings.md", "docs/spec.schema.json"]])
def test_the_command_refuses_other_arguments(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert (captured.out, "usage" in captured.err) == ("", True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_good_spec(path: Path) -> None:
    text = path.read_text("utf-8")
    load_spec(text, source=path.name)
    assert text.startswith("# yaml-language-server: $schema=../docs/spec.schema.json\n")


def test_the_examples_show_each_storage_a_larger_one_and_a_tailor_made_one() -> None:
    specs = {path.stem: load_spec(path.read_text("utf-8"), source=path.name) for path in EXAMPLES}
    assert {name: spec.storage.kind for name, spec in specs.items()} == {
        "lustre": "lustre",
        "efs": "efs",
        "large": "lustre",
        "tailor-made": "efs",
    }
    storage = specs["large"].storage
    assert isinstance(storage, LustreStorage) and storage.capacity_gib > 1200
    assert len({spec.project for spec in specs.values()}) == 4


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", SPEC_PAGE, re.DOTALL | re.MULTILINE)


def test_the_specs_on_the_page_are_good() -> None:
    specs = [load_spec(text, source="spec.md") for text in blocks("yaml") + blocks("json")]
    assert len(specs) == 6
    assert specs[-1] == specs[-2], "the same in JSON"


def test_the_refusal_on_the_page_is_what_is_said() -> None:
    text = "vlab_id: lab-1\nproject_id: 007\nstorage: {kind: efs, capacity_gib: 2400}\nmax_nodes: 4\n"
    with pytest.raises(InvalidSpec) as raised:
        load_spec(text, source="project.yaml")
    assert blocks("text") == [f"{raised.value}\n"]


def test_the_page_lists_every_field() -> None:
    for name in ProjectSpec.model_fields:
        assert re.search(rf"^\| `{name}[`.]", SPEC_PAGE, re.MULTILINE), name


def test_the_model_loads_only_what_it_needs() -> None:
    # The service answers its first request after this import, so nothing heavy may creep in.
    script = (
        "import sys, engine.model.names, engine.model.spec, engine.model.settings, engine.model.tags\n"
        "heavy = {'boto3', 'botocore', 'cdktf', 'jsii', 'jinja2', 'click', 'rich', 'moto', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
