"""The document that is kept is the one that the code makes, and it is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from engine.service import openapi
from engine.service.api import ROUTES

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_kept_document_is_what_the_code_makes() -> None:
    assert KEPT.read_text("utf-8") == openapi.text(), "run `make docs`"


def test_it_is_valid_and_has_every_route() -> None:
    document = json.loads(openapi.text())
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert {(method.upper(), path) for path, found in document["paths"].items() for method in found} == {
        (route.method, route.path) for route in ROUTES
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_page_names_every_address(route) -> None:  # type: ignore[no-untyped-def]
    page = (KEPT.parent / "api.md").read_text("utf-8")
    assert f"{route.method} {route.path}" in page
