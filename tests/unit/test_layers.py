"""Imports point one way, processes start in one place, and boto3 lives in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine"

ALLOWED = {
    "model": {"model"},
    "workspace": {"workspace", "model"},
    "review": {"review", "model"},
    "terraform": {"terraform", "model"},
    "aws": {"aws", "model"},
    "gitlab": {"gitlab", "model"},
    "identity": {"identity", "model"},
    "accounting": {"accounting", "aws", "model"},
    "operations": {
        "operations",
        "accounting",
        "identity",
        "workspace",
        "terraform",
        "aws",
        "review",
        "model",
    },
    "service": {"service", "operations", "terraform", "aws", "model"},
    "local": {"local", "accounting", "aws", "model", "terraform"},
    "cli": {
        "cli",
        "gitlab",
        "service",
        "operations",
        "workspace",
        "terraform",
        "aws",
        "review",
        "model",
        "local",
    },
}


def modules() -> list[Path]:
    return sorted(path for path in ENGINE.rglob("*.py") if path.parent != ENGINE)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_imports_point_down(path: Path) -> None:
    layer = path.relative_to(ENGINE).parts[0]
    used = {name.split(".")[1] for name in imports(path) if name.startswith("engine.") and "." in name}
    layers = {name for name in used if (ENGINE / name).is_dir()}
    assert layers <= ALLOWED[layer], f"{layer}/ may not import {sorted(layers - ALLOWED[layer])}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_outside_things_have_one_address(path: Path) -> None:
    place = path.relative_to(ENGINE)
    # Taking an address apart opens no connection.
    top = {name.split(".")[0] for name in imports(path) if not name.startswith("urllib.parse")}
    if place.parts[0] not in ("aws", "local"):
        assert not top & {"boto3", "botocore"}, "boto3 lives in engine/aws"
    if place.as_posix() != "terraform/programs.py":
        assert not top & {"subprocess", "multiprocessing"}, "processes start in terraform/programs.py"
    if place.as_posix() != "terraform/provider_host.py":
        assert "grpc" not in top, "the provider is spoken to in terraform/provider_host.py"
    if place.as_posix() != "accounting/database.py":
        assert "pymysql" not in top, "SQL is spoken in accounting/database.py"
    if place.parts[0] != "terraform":
        assert "python_terraform" not in top, "Terraform is driven in engine/terraform"
    if place.parts[0] in ("model", "workspace", "review"):
        assert not top & {"socket", "urllib", "http", "time", "tempfile", "shutil"}, "this layer is pure"


def test_the_walk_sees_every_layer() -> None:
    assert {path.relative_to(ENGINE).parts[0] for path in modules()} >= set(ALLOWED)
