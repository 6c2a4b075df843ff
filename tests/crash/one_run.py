"""One run of a worker on an operation, as a process of its own.

    python -m tests.crash.one_run PROJECT OPERATION [--lease S] [--within S --margin S]

The installation is in the environment (tests.crash.killing.operator). The last line it prints is the state of
the operation; exit codes: 0, and 4 when another worker holds the operation, 5 when the lease was lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from engine.errors import LeaseLost, OperationInProgress
from engine.model.settings import load_settings
from engine.operations.engine import open_engine
from engine.operations.reporting import Silent
from engine.operations.work import work
from engine.terraform.processes import this_process

IN_PROGRESS, LOST = 4, 5


def main() -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("project")
    parser.add_argument("operation")
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--within", type=float)
    parser.add_argument("--margin", type=float, default=0.0)
    asked = parser.parse_args()
    engine = open_engine(
        load_settings(environ=os.environ).settings, base=Path.cwd(), environ=os.environ, reporter=Silent()
    )
    engine = replace(engine, lease_ttl=timedelta(seconds=asked.lease))
    try:
        operation = work(
            engine,
            asked.project,
            asked.operation,
            owner=this_process(),
            deadline=None if asked.within is None else began + asked.within,
            margin_s=asked.margin,
        )
    except OperationInProgress as error:
        print(error.message)
        return IN_PROGRESS
    except LeaseLost as error:
        print(error.message)
        return LOST
    print(operation.state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
