"""Writes HTML reviews of the collection's plans, and a drift report: python -m tests.browser.pages FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from engine.review.drift_reports import drift_html
from engine.review.reports import HTML_REPORT
from tests.unit.review.collection import written
from tests.unit.review.test_drift import every_standing

NAMES = (
    "create-queues",
    "five-hundred",
    "hostile",
    "lustre-to-efs",
    "new-owner",
    "other-tier",
    "public",
    "sensitive",
    "unchanged",
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.html").write_text(written(name)[HTML_REPORT], "utf-8")
    (folder / "drift.html").write_text(drift_html(every_standing()), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
