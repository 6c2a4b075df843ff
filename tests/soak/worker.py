"""A worker of the soak: operations by name on its input, how each run ended on its output.

Like the service's worker it lives long and takes up one operation after another: what it leaks adds up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from engine import settle
from engine.errors import BusyError, EngineError, LeaseLost
from engine.model.settings import load_settings
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.operations.work import work
from engine.terraform.processes import this_process


def main() -> None:
    """Serve until the input ends."""
    base = Path(sys.argv[1])
    settings = load_settings(environ=os.environ).settings
    engine = open_engine(settings, base=base, environ=os.environ, reporter=Silent())
    settle()
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(_run(engine, task["project"], task["operation"])), flush=True)


def _run(engine: Engine, project: str, operation_id: str) -> dict[str, object]:
    began = time.monotonic()
    outcome: dict[str, object]
    try:
        operation = work(engine, project, operation_id, owner=this_process())
        failure = operation.failure
        outcome = {"state": str(operation.state), "code": failure.code if failure else ""}
        if failure:
            outcome["text"] = failure.message
    except LeaseLost:
        outcome = {"state": "LOST", "code": "LEASE_LOST"}
    except BusyError as error:
        outcome = {"state": "BUSY", "code": error.code}
    except EngineError as error:
        outcome = {"state": "ERROR", "code": error.code, "text": error.message}
    return outcome | {"seconds": time.monotonic() - began, "memory_mb": sum(_memory_mb())}


def _memory_mb() -> Iterator[float]:
    """Of this process and of the children that stay with it between operations: anonymous memory."""
    ours = os.getpid()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(
                line.split(":", 1) for line in status.read_text("utf-8").splitlines() if ":" in line
            )
        except OSError:
            continue
        if int(status.parent.name) == ours or int(fields["PPid"]) == ours:
            yield int(fields.get("RssAnon", "0 kB").split()[0]) / 1024


if __name__ == "__main__":
    main()
