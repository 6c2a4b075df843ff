"""A process of the API function: comes up, answers one request, then many, and says how long each took.

python -m tests.bench.function NUMBER REQUESTS

Nothing of the engine is imported before the clock runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.functional.service.events import event

OLD = "/hpc-provisioner/pcluster"
SPEC = {"storage": {"kind": "efs"}}


def live(number: int, count: int) -> dict[str, Any]:
    """Seconds of each part of coming up, milliseconds of so many requests of each kind, peak resident MB."""
    began = time.perf_counter()
    from engine.service import api

    imported = time.perf_counter()
    service = api.service()
    ready = time.perf_counter()
    api.logger.setLevel("ERROR")
    lab = f"lab-{number}"
    path, old = f"/v1/projects/{lab}/proj", f"project_id=proj&vlab_id={lab}"

    def ask(method: str, path: str, *, query: str = "", body: Any = None) -> dict[str, Any]:
        answer = service.answer(event(method, path, query=query, body=body))
        assert answer["statusCode"] in (200, 202), answer
        return answer

    accepted = ask("PUT", path, body=SPEC)
    answered = time.perf_counter()
    operation = json.loads(accepted["body"])["operation"]["id"]
    ask("POST", OLD, query=old)
    requests: dict[str, Callable[[int], Any]] = {
        "`GET /v1/version`": lambda _: ask("GET", "/v1/version"),
        "`PUT` of a new project": lambda one: ask("PUT", f"/v1/projects/{lab}/p{one}", body=SPEC),
        "`PUT` once more": lambda _: ask("PUT", path, body=SPEC),
        "`GET` of a project": lambda _: ask("GET", path),
        "`GET` of an operation": lambda _: ask("GET", f"{path}/operations/{operation}"),
        "old `POST` of a new project": lambda one: ask("POST", OLD, query=f"project_id=q{one}&vlab_id={lab}"),
        "old `POST` once more": lambda _: ask("POST", OLD, query=old),
        "old `GET` of a cluster": lambda _: ask("GET", OLD, query=old),
    }
    return {
        "import_s": imported - began,
        "set_up_s": ready - imported,
        "first_request_s": answered - ready,
        "warm_ms": {name: [_timed(one, turn) for turn in range(count)] for name, one in requests.items()},
        "memory_mb": _peak_kb() / 1024,
    }


def _timed(ask: Callable[[int], Any], turn: int) -> float:
    began = time.perf_counter()
    ask(turn)
    return (time.perf_counter() - began) * 1000


def _peak_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    print(json.dumps(live(int(sys.argv[1]), int(sys.argv[2]))))
