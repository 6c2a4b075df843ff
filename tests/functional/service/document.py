"""Answers held against the API's document: the status must be in it, the body must fit its schema."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema

from engine.service import openapi


@cache
def _document() -> dict[str, Any]:
    return openapi.document()


def require_documented(method: str, path: str, status: int, content_type: str, body: Any) -> None:
    """Fails when the document does not have such an answer; addresses that it does not know say nothing."""
    for pattern, operations in _document()["paths"].items():
        operation = operations.get(method.lower())
        if operation is None or not re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            continue
        answers = operation["responses"]
        assert str(status) in answers, f"{method} {path} answers {status}, documented: {sorted(answers)}"
        media = answers[str(status)]["content"]
        assert content_type in media, f"{method} {path} answers {content_type}, documented: {sorted(media)}"
        _validator(json.dumps(media[content_type]["schema"])).validate(body)


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    whole = {**json.loads(schema), "components": _document()["components"]}
    return jsonschema.Draft202012Validator(whole)
