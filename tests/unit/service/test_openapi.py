"""The document that is kept is the one that the code makes, and it is one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from engine.model.operation import Event, Failure, Kind, Wish, requested
from engine.service import answers, openapi
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


def test_operations_and_events_are_shaped_as_the_document_says() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    wish = Wish(Kind.RELEASE)
    operation = requested(vlab_id="lab", project_id="proj", wish=wish, requested_by="me", now=now)
    shown = operation.to_dict()
    assert shown.keys() == answers.OperationShape.__annotations__.keys()
    assert shown["wish"].keys() == answers.WishShape.__annotations__.keys()
    assert shown["progress"].keys() == answers.ProgressShape.__annotations__.keys()
    assert Event(1, now, "step", "").to_dict().keys() == answers.EventShape.__annotations__.keys()
    assert Failure("X", "y").to_dict().keys() == answers.Failure.__annotations__.keys()
