"""The local cloud as a process of its own: serve until SIGTERM or SIGINT.

    python -m engine.local --home DIR [--port N] [--durations JSON] [--seed JSON] [--empty]

Exit codes: 0 stopped by a signal, 1 could not start, 3 one is already running for this home.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from engine import settle
from engine.local.clock import iso
from engine.local.durations import Durations
from engine.local.run_file import RunFiles, RunRecord
from engine.local.shared_names import SharedNames

DISTRIBUTION = "parallelcluster-provisioner"
log = logging.getLogger("engine.local")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    files = RunFiles(Path(options.home))
    with files.hold() as ours:
        if not ours:
            sys.stderr.write(f"A local cloud is already running for {options.home}.\n")
            return 3
        files.remove()
        _log_to(files.log)
        return _serve(options, files)


def _serve(options: argparse.Namespace, files: RunFiles) -> int:
    from engine.local.server import LocalCloud

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    cloud = LocalCloud(
        durations=options.durations, names=options.seed, seeded=not options.empty, port=options.port
    )
    try:
        cloud.start()
    except (OSError, SystemExit) as error:
        # werkzeug turns a port that is taken into SystemExit after printing why.
        log.error("cannot listen on port %s: %s", options.port, error)
        sys.stderr.write(f"The local cloud cannot listen on port {options.port}: {error}\n")
        return 1
    try:
        files.write(
            RunRecord(
                pid=os.getpid(),
                port=cloud.port,
                endpoint=cloud.endpoint,
                started_at=iso(time.time()),
                version=engine_version(),
                instance_id=cloud.instance_id,
                region=cloud.region,
                account_id=cloud.account_id,
            )
        )
        log.info("serving at %s, instance %s", cloud.endpoint, cloud.instance_id)
        settle()
        stopping.wait()
        log.info("stopping")
    finally:
        files.remove()
        cloud.stop()
    return 0


def engine_version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.local", description="Run the local cloud.")
    parser.add_argument("--home", required=True, help="the engine's own folder; files go to its local/")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--durations", type=Durations.from_json, default=Durations(), help="JSON object")
    parser.add_argument("--seed", type=SharedNames.from_json, default=SharedNames(), help="JSON object")
    parser.add_argument("--empty", action="store_true", help="without the shared infrastructure")
    return parser.parse_args(argv)


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("botocore").setLevel(logging.WARNING)
