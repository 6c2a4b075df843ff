"""How many clusters the accounting database bears."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws.doctor.database import judge_connections


@pytest.mark.parametrize(
    ("instance_class", "clusters", "level", "found"),
    [
        ("db.t4g.large", 0, "ok", "0 clusters take up to 0 of about 341 that db.t4g.large has"),
        ("db.t4g.large", 102, "ok", "102 clusters take up to 306 of about 341 that db.t4g.large has"),
        ("db.t4g.large", 103, "warning", "103 clusters take up to 309 of about 341 that db.t4g.large has"),
        ("db.t4g.large", 192, "warning", "192 clusters take up to 576 of about 341 that db.t4g.large has"),
        (
            "db.r6g.16xlarge",
            768,
            "ok",
            "768 clusters take up to 2304 of about 12000 that db.r6g.16xlarge has",
        ),
        ("db.z9.new", 192, "ok", "192 clusters take up to 576; what db.z9.new has is not known"),
        ("", 1, "ok", "1 clusters take up to 3; what its class has is not known"),
    ],
)
def test_connections(instance_class: str, clusters: int, level: str, found: str) -> None:
    database: Any = {"DBInstanceClass": instance_class} if instance_class else {}
    verdict = judge_connections(database, clusters)
    assert (verdict.level, verdict.found) == (level, found)
    assert ("max_connections_alarm" in verdict.hint) is (level == "warning")
