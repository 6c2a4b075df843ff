"""A digest names every byte of a saved plan, and every fact about it."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.model.saved_plan import (
    Approval,
    MadeWith,
    Manifest,
    PlanRecord,
    Standing,
    beginning_of,
    hash_of_files,
    hex_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MADE_WITH = MadeWith("0.1.0", "a", "b", "terraform 1.11.4", "c")
MANIFEST = Manifest(
    vlab_id="lab-1",
    project_id="proj-1",
    created_at=NOON,
    created_by="arn:aws:iam::123456789012:user/ada",
    expires_at=NOON + timedelta(days=7),
    has_changes=True,
    spec_digest="d",
    registered_digest="e",
    lineage="f",
    serial=3,
    made_with=MADE_WITH,
    parts={"spec.json": "0" * 64, "project.tfplan": "1" * 64},
)


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case datetime():
            return value + timedelta(microseconds=1)
        case dict():
            return {**value, "spec.json": "2" * 64}
        case _:
            return value + "x"


def test_a_manifest_comes_back_and_keeps_its_digest() -> None:
    again = Manifest.from_bytes(MANIFEST.to_bytes())
    assert again == MANIFEST
    assert again.digest == MANIFEST.digest
    turned = replace(MANIFEST, parts=dict(reversed(MANIFEST.parts.items())))
    assert turned.digest == MANIFEST.digest


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest) if field.name != "made_with"])
def test_every_field_of_a_manifest_is_in_its_digest(name: str) -> None:
    changed = replace(MANIFEST, **{name: another(getattr(MANIFEST, name))})
    assert changed.digest != MANIFEST.digest


@pytest.mark.parametrize("name", [field.name for field in fields(MadeWith)])
def test_all_that_it_was_made_with_is_in_its_digest(name: str) -> None:
    changed = replace(MANIFEST, made_with=replace(MADE_WITH, **{name: "another"}))
    assert changed.digest != MANIFEST.digest


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", MANIFEST.to_bytes().replace(b'"format":1', b'"format":2')]
)
def test_what_is_no_manifest_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        Manifest.from_bytes(content)


def test_the_borders_between_files_are_in_their_hash() -> None:
    assert hash_of_files({"a": "bc", "d": ""}) != hash_of_files({"a": "b", "cd": ""})
    assert hash_of_files({"a": "1", "b": "2"}) == hash_of_files({"b": b"2", "a": b"1"})
    assert hash_of_files({"a": "1"}) != hash_of_files({"b": "1"})


def test_a_digest_is_taken_with_and_without_its_algorithm() -> None:
    digits = "0123456789abcdef" * 4
    assert hex_of(digits) == hex_of(f"sha256:{digits}") == hex_of(f" SHA256:{digits.upper()}\n") == digits
    assert [hex_of(text) for text in ("", digits[1:], digits + "0", "md5:" + digits, "../" + digits)] == [
        None
    ] * 5


def test_a_plan_is_named_by_the_beginning_of_its_digest_that_is_long_enough() -> None:
    digits = "0123456789abcdef" * 4
    for text in (digits, digits[:12], f"sha256:{digits[:12]}", f" SHA256:{digits[:13].upper()}\n"):
        assert digits.startswith(beginning_of(text) or "none")
    for text in ("", digits[:11], digits + "0", "md5:" + digits, "../" + digits, "sha256:"):
        assert beginning_of(text) is None


def test_what_may_be_done_with_a_plan() -> None:
    record = PlanRecord(
        digest=MANIFEST.digest,
        vlab_id="lab-1",
        project_id="proj-1",
        created_at=NOON,
        created_by="",
        expires_at=NOON + timedelta(days=7),
        has_changes=True,
        headline="",
        risk="low",
    )
    approved = replace(record, approvals=(Approval("arn", "", NOON),))
    applied = replace(approved, applied_at=NOON)
    expiry = record.expires_at
    assert record.standing(NOON) is Standing.WAITING
    assert approved.standing(expiry - timedelta(seconds=1)) is Standing.APPROVED
    assert approved.standing(expiry) is Standing.EXPIRED
    assert applied.standing(expiry) is Standing.APPLIED
    assert approved.approvals[0].who == "arn"
