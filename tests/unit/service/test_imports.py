"""What the API function imports: it must start quickly, and it never runs Terraform."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.model.instance_types import known_types
from engine.service.api import ROUTES

HEAVY = (
    "cdktf",
    "constructs",
    "jsii",
    "jinja2",
    "python_terraform",
    "moto",
    "rich",
    "click",
    "pymysql",
    "aws_xray_sdk",
    "jsonschema",
    "engine.terraform",
    "engine.workspace",
    "engine.review",
    "engine.local",
    "engine.cli",
    "engine.aws.checks",
)
TOLD = """
import engine.service.api
from engine.model import instance_types, tiers
tiers.load_catalogue()
print(instance_types.facts_of.cache_info().currsize)
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """Every module that the API's entry point pulls in."""
    code = "import sys, engine.service.api; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.decode().split()
    )


def test_the_api_imports_nothing_that_makes_clusters(imported: set[str]) -> None:
    assert not {name for name in imported if name.startswith(HEAVY)}


def test_the_walk_sees_what_is_imported(imported: set[str]) -> None:
    assert {"engine.service.v1_routes", "engine.aws.operation_store", "boto3"} <= imported


def test_every_route_has_a_name_of_its_own() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_a_process_takes_apart_the_instance_types_that_it_meets() -> None:
    told = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, check=True).stdout
    assert 0 < int(told) < len(known_types()) / 10
