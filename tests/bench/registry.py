"""The registry at 100, 1,000 and 10,000 projects: calls, items read, and the engine's own milliseconds.

AWS is moto within the process, whose seconds are left out. Calls and items are the same each time;
tests/functional/aws/test_many_projects.py holds them to what is said here.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from engine.aws.session import Cloud
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.reporting import Silent
from tests.bench import report
from tests.bench.filled import NOON, asked_of, fill, of_all, of_one
from tests.bench.measure import spread

PART = "registry"
COUNTS = (100, 1_000, 10_000)
_ACCOUNT = "123456789012"


def main(repetitions: int) -> None:
    repetitions = min(repetitions, 3)  # moto takes minutes for the largest
    about = report.machine(repetitions=repetitions)
    figures = {str(count): _measure(count, repetitions) for count in COUNTS}
    report.write(PART, about, {"projects": figures}, _table(figures))


def _measure(count: int, repetitions: int) -> dict[str, Any]:
    from moto import mock_aws

    settings = Settings(cloud="aws", account_id=_ACCOUNT, lab_max_clusters=50)
    # moto signs nothing, and boto3 wants credentials all the same.
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    with mock_aws(), tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(region=settings.region)
        fill(cloud, settings, count, standing=False)
        engine = Engine(
            settings=settings,
            cloud=cloud,
            now=lambda: NOON,
            environ={},
            home=Path(folder),
            workspaces=Path(folder),
            reporter=Silent(),
        )
        asked = asked_of(cloud)
        found: dict[str, Any] = {}
        for name, business in {**of_all(engine), **of_one(engine, count - 1)}.items():
            seconds = []
            for _ in range(repetitions):
                with asked.afresh():
                    business()
                seconds.append(asked.seconds * 1000)
            found[name] = {
                "calls": sum(asked.calls.values()),
                "items": asked.items,
                "milliseconds": spread(seconds),
            }
        return found


def _table(figures: dict[str, Any]) -> str:
    names = next(iter(figures.values()))
    rows = []
    for name in names:
        cells = [
            f"{found[name]['calls']} / {found[name]['items']} / {found[name]['milliseconds']['median']:.0f}"
            for found in figures.values()
        ]
        rows.append([name, *cells])
    header = ["Calls / items read / milliseconds", *(f"{int(count):,} projects" for count in figures)]
    return report.table(header, rows)
