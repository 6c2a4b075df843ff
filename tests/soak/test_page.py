"""What a soak tells of itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.soak.drive import Done
from tests.soak.model import Wishes
from tests.soak.page import short, write_page


@pytest.mark.parametrize(
    ("asked", "told"), [(500, "2 in 20.0 min; 2 of 500 asked for: time was up"), (2, "2 in 20.0 min")]
)
def test_the_page_says_when_time_was_up_before_all_was_done(tmp_path: Path, asked: int, told: str) -> None:
    soak: Any = SimpleNamespace(
        seed=1,
        seconds=1200.0,
        done=[Done(Wishes.PROVISION, "lab/p", 9.0, 1, 0, "")] * 2,
        memory=[],
        refusals=0,
        settled=0,
        weather=Counter(calls=1),
        model=SimpleNamespace(projects=[]),
    )
    page = tmp_path / "soak.md"
    options = {"weather": 0.02, "operations": asked}
    write_page(page, soak, [], began=datetime(2026, 11, 30, tzinfo=UTC), machine="2 cores", options=options)
    assert f"| operations | {told} |" in page.read_text("utf-8")
    assert short(2, asked) == told.partition("; ")[2]
