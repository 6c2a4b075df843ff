"""Operations as values."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from engine.model.operation import (
    OPERATION_ID,
    Failure,
    Kind,
    Progress,
    Wish,
    failed,
    new_operation_id,
    requested,
    succeeded,
)

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def test_ids_sort_by_time() -> None:
    moments = [NOON + timedelta(milliseconds=17**n) for n in range(9)]
    ids = [new_operation_id(moment) for moment in moments]
    assert ids == sorted(ids) and all(re.fullmatch(OPERATION_ID, one) for one in ids)
    assert new_operation_id(NOON) != new_operation_id(NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": Kind.PROVISION},
        {"kind": Kind.RELEASE, "spec_json": "{}"},
        {"kind": Kind.RELEASE, "purge_data": True},
    ],
)
def test_a_wish_that_makes_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Wish(**wrong)  # type: ignore[arg-type]


def test_a_hundred_percent_only_at_the_end() -> None:
    assert Progress().percent == 0 and Progress(999, 1000).percent == 99
    operation = requested(
        vlab_id="lab-1", project_id="p", wish=Wish(Kind.RELEASE), requested_by="ada", now=NOON
    )
    assert succeeded(operation, NOON).to_dict()["progress"]["percent"] == 100
    ended = failed(operation, Failure("NO_CAPACITY", "none"), NOON).to_dict()
    assert ended["error"]["code"] == "NO_CAPACITY" and json.dumps(ended)
    assert operation.to_dict()["finished_at"] is None
