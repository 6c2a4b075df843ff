"""What every module, example and root keeps to; tflint's terraform rules by other means (ADR 0015)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.generate.terraform import Declared, read

ROOT = Path(__file__).parents[2]
MODULES = sorted({path.parent for path in ROOT.glob("modules/*/*.tf")})
ROOTS = sorted(
    {path.parent for path in [*ROOT.glob("workspaces/*/*.tf"), *ROOT.glob("modules/*/examples/*/*.tf")]}
)

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
INPUT_ORDER = ["description", "type", "default", "sensitive", "ephemeral", "nullable", "validation"]
OUTPUT_ORDER = ["description", "value", "sensitive", "ephemeral", "depends_on", "precondition"]


def name_of(folder: Path) -> str:
    return str(folder.relative_to(ROOT))


everywhere = pytest.mark.parametrize("folder", MODULES + ROOTS, ids=name_of)
modules = pytest.mark.parametrize("folder", MODULES, ids=name_of)


@everywhere
def test_inputs_have_a_sentence_and_a_type(folder: Path) -> None:
    for name, body in read(folder).variables.items():
        assert is_sentence(body.get("description")), f"var.{name} has no sentence that describes it"
        assert "type" in body, f"var.{name} has no type"
        assert in_order(body, INPUT_ORDER), f"var.{name}: {list(body)} is not in the order {INPUT_ORDER}"


@everywhere
def test_outputs_have_a_sentence(folder: Path) -> None:
    for name, body in read(folder).outputs.items():
        assert is_sentence(body.get("description")), f"output.{name} has no sentence that describes it"
        assert in_order(body, OUTPUT_ORDER), f"output.{name}: {list(body)} is not in the order {OUTPUT_ORDER}"


@everywhere
def test_names_are_snake_case(folder: Path) -> None:
    declared = read(folder)
    things = [thing.name for thing in declared.things]
    for name in [*declared.variables, *declared.outputs, *declared.locals, *things]:
        assert SNAKE_CASE.fullmatch(name), f"{name} is not snake_case"


@modules
def test_the_main_resource_is_this(folder: Path) -> None:
    resources = [thing for thing in read(folder).things if thing.kind == "resource"]
    if len({thing.type for thing in resources}) > 1:
        assert "this" in {thing.name for thing in resources}


@everywhere
def test_nothing_is_declared_and_not_used(folder: Path) -> None:
    assert list(unused(read(folder))) == []


@everywhere
def test_providers_are_required_and_modules_are_ours(folder: Path) -> None:
    declared = read(folder)
    used = {thing.type.split("_")[0] for thing in declared.things if thing.kind != "module"} - {"terraform"}
    assert used <= declared.providers, "a provider without a version constraint"
    for call in declared.calls():
        assert str(call.body["source"]).startswith(("./", "../")), f"{call.address} comes from outside"


@everywhere
def test_the_text_is_as_terraform_writes_it_today(folder: Path) -> None:
    for path in folder.glob("*.tf"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert not re.match(r"\s*(//|/\*)", line), f"{path.name}:{number}: comments begin with #"
            whole = re.search(r'=\s*"\$\{[^{}"]+\}"\s*$', line)
            assert not whole, f"{path.name}:{number}: an expression of its own needs no quotes"


def is_sentence(text: Any) -> bool:
    return isinstance(text, str) and bool(re.search(r"\w \w.*\.$", text.strip(), re.DOTALL))


def in_order(body: dict[str, Any], order: list[str]) -> bool:
    places = [order.index(key) for key in body if key in order]
    return places == sorted(places)


def unused(declared: Declared) -> Iterator[str]:
    """Inputs, locals and data sources that nothing else refers to. An input's own validation is no use."""
    texts = {
        **{f"var.{name}": body for name, body in declared.variables.items()},
        **{f"local.{name}": value for name, value in declared.locals.items()},
        **{thing.address: thing.body for thing in declared.things},
        **{f"output.{name}": body for name, body in declared.outputs.items()},
        "providers": declared.configured,
    }
    candidates = [name for name in texts if name.startswith(("var.", "local.", "data."))]
    for name in candidates:
        others = json.dumps([text for other, text in texts.items() if other != name])
        if not re.search(rf"(?<![\w.]){re.escape(name)}\b", others):
            yield name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('variable "a" {}\noutput "x" { value = var.a }', []),
        ('variable "a" {}\nvariable "ab" {}\noutput "x" { value = var.ab }', ["var.a"]),
        ('variable "a" {\n  validation {\n    condition = var.a > 1\n  }\n}', ["var.a"]),
        ('variable "a" {}\nvariable "b" {\n  validation {\n    condition = var.b > var.a\n  }\n}', ["var.b"]),
        ("locals {\n  a = 1\n  b = local.a\n}", ["local.b"]),
        ('data "aws_vpc" "this" {}\nresource "aws_subnet" "this" {\n  vpc_id = data.aws_vpc.this.id\n}', []),
        ('data "aws_vpc" "this" {}', ["data.aws_vpc.this"]),
        ('variable "region" {}\nprovider "aws" {\n  region = var.region\n}', []),
    ],
)
def test_what_is_not_used_is_found(text: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(text)
    assert list(unused(read(tmp_path))) == found
