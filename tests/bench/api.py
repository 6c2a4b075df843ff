"""The API function: what coming up costs, and how long it takes to answer.

The import of its handler beside a bare `import boto3`, each in a process of its own; then processes that
come up as the function does, answer one request, and then many of each kind. They work against a local
cloud in another process, without API Gateway, signatures and a network.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.aws.queue import Queue
from engine.aws.session import Cloud
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from tests.bench import report
from tests.bench.measure import Cost, measure, run, spread
from tests.functional.conftest import make_table

PART = "api"
_BARE = "`import boto3` alone"
_RESOLVER = "from aws_lambda_powertools.event_handler import APIGatewayRestResolver"
_MODEL = "import pydantic; pydantic.create_model('Model', field=(int, 0))"
# What of the handler's import is that of libraries, and what is ours.
_IMPORTS = {
    _BARE: "import boto3",
    "boto3 and powertools' resolver": f"import boto3; {_RESOLVER}",
    "boto3 and one pydantic model of one field": f"import boto3; {_MODEL}",
    "all three": f"import boto3; {_RESOLVER}; {_MODEL}",
    "**the handler**": "import engine.service.api",
}
# They are short, so that more of them can be afforded, and are needed.
_IMPORTS_PER_REPETITION = 3
# So many of each kind, in each process.
_REQUESTS = 15
_COMING_UP = {
    "import_s": "import",
    "set_up_s": "settings, tiers, connections",
    "first_request_s": "first request, a `PUT`",
}


def main(repetitions: int) -> None:
    # Processes of this user may be told not to write what they compile; the image has all of it compiled.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(report.ROOT / "engine")], check=True)
    about = report.machine(repetitions=repetitions, requests_of_a_kind=_REQUESTS)
    imports = _imports(repetitions)
    with LocalCloud(durations=INSTANT, seeded=False) as cloud:
        _make_ground(cloud)
        runs = [_function(cloud, number) for number in range(repetitions)]
    figures = {
        "imports": imports,
        "first": {name: spread([run[name] for run in runs]) for name in _COMING_UP},
        "peak_memory_mb": spread([run["memory_mb"] for run in runs]),
        "warm_ms": {
            name: _latency([one for run in runs for one in run["warm_ms"][name]])
            for name in runs[0]["warm_ms"]
        },
    }
    report.write(PART, about, figures, _text(figures))


def _imports(repetitions: int) -> dict[str, dict[str, Any]]:
    """CPU milliseconds and MB of each, and how many times boto3's."""

    def importing(code: str) -> Cost:
        return run([[sys.executable, "-c", code]], cwd=report.ROOT, env=os.environ)

    sides = {name: lambda code=code: importing(code) for name, code in _IMPORTS.items()}
    measure(sides, 1)  # files that nobody has read yet
    costs = measure(sides, repetitions * _IMPORTS_PER_REPETITION)
    bare = statistics.median(cost.cpu_s for cost in costs[_BARE])
    return {
        name: {
            "cpu_ms": spread([cost.cpu_s * 1000 for cost in runs]),
            "ratio": round(statistics.median(cost.cpu_s for cost in runs) / bare, 2),
            "memory_mb": spread([cost.memory_mb for cost in runs]),
        }
        for name, runs in costs.items()
    }


def _make_ground(cloud: LocalCloud) -> None:
    """As much of an installation as the API function needs."""
    settings = load_settings(environ=cloud.environment()).settings
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    make_table(aws, settings.registry_table, "pk", "sk")
    aws.s3.create_bucket(Bucket=settings.state_bucket)
    Queue(aws, settings.operations_queue).make()


def _function(cloud: LocalCloud, number: int) -> dict[str, Any]:
    """What a process of the function says of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.function", str(number), str(_REQUESTS)],
        env=os.environ | cloud.environment(),
        cwd=Path(report.ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def _latency(values: list[float]) -> dict[str, float]:
    """Milliseconds."""
    return {
        "median": round(statistics.median(values), 1),
        "p99": round(statistics.quantiles(values, n=100, method="inclusive")[-1], 1),
        "max": round(max(values), 1),
    }


def _text(figures: dict[str, Any]) -> str:
    imports = report.table(
        ["Import of", "CPU ms: median (min–max)", "of boto3's", "Peak anonymous MB"],
        [
            [name, report.cell(found["cpu_ms"]), found["ratio"], found["memory_mb"]["median"]]
            for name, found in figures["imports"].items()
        ],
    )
    first = report.table(
        ["A process of the function", "s: median (min–max)"],
        [[name, report.cell(figures["first"][key])] for key, name in _COMING_UP.items()],
    )
    warm = report.table(
        ["Request, warm", "ms: median", "99th percentile", "most"],
        [[name, found["median"], found["p99"], found["max"]] for name, found in figures["warm_ms"].items()],
    )
    memory = report.cell(figures["peak_memory_mb"])
    return "\n\n".join(
        [
            imports,
            first,
            warm,
            f"Peak resident memory after all of these: {memory} MB.",
        ]
    )
