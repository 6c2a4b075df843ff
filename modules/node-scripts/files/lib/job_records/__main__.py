"""The service `provisioner-job-records`: `python3 -m job_records`, as root, on the head node.

SIGTERM (the service or the node stops) records what there is, waits a little for the agent, and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
import time

from node import at, config

from . import cloudwatch
from .accounting import Accounting, AccountingError
from .attempts import Attempts
from .journal import FILE_BYTES, Journal
from .markers import Spool
from .shipper import Shipper, Timing

log = logging.getLogger("job-records")

_POLL_S = 2.0
_FLUSH_S = 20.0
_AGENT_S = 20.0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    options = _options()
    directory = at("/var/spool/provisioner/job-records")
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.error("another shipper is at work on %s", directory)
        return 1
    settings = config()
    journal = Journal(directory, file_bytes=options.file_bytes)
    project = settings["project"]
    shipper = Shipper(
        spool=Spool(directory / "markers"),
        accounting=Accounting(),
        journal=journal,
        attempts=Attempts(directory / "attempts.json", journal),
        swept=directory / "swept.json",
        about={
            "cluster": project["cluster_name"],
            "vlab_id": project["vlab_id"],
            "project_id": project["project_id"],
        },
        tail_bytes=settings["job_records"]["tail_bytes"],
        timing=Timing(settle=options.settle, give_up=options.give_up, sweep=options.sweep),
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log.info("started with %d known records", len(journal))
    _run(shipper, journal, stop, options.poll)
    _flush(shipper, journal)
    journal.close()
    return 0


def _run(shipper: Shipper, journal: Journal, stop: threading.Event, poll_s: float) -> None:
    answering = True
    while not stop.is_set():
        try:
            written = shipper.pass_once()
            if written:
                log.info("%d records", written)
            answering = True
        except AccountingError as error:
            if answering:
                log.warning("no answer from the accounting database, asking on: %s", error)
            answering = False
        given_up = journal.tidy(cloudwatch.sent_bytes, forget_before=shipper.forget_before)
        for path in given_up:
            log.error("%s was deleted unsent: the agent does not send, and the disk must not fill up", path)
        stop.wait(poll_s)


def _flush(shipper: Shipper, journal: Journal) -> None:
    """The node may never come back: what can be recorded now is, if need be without the database."""
    deadline = time.monotonic() + _FLUSH_S
    while not _flushed(shipper) and time.monotonic() < deadline:
        time.sleep(1)
    alone = shipper.from_markers_alone()
    if alone:
        log.warning("%d records without the accounting database, which does not have them yet", alone)
    deadline = time.monotonic() + _AGENT_S
    while not journal.all_sent(cloudwatch.sent_bytes) and time.monotonic() < deadline:
        time.sleep(0.5)


def _flushed(shipper: Shipper) -> bool:
    try:
        shipper.pass_once(flush=True)
    except AccountingError as error:
        log.warning("no answer from the accounting database: %s", error)
        return False
    return shipper.waiting == 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="job_records", description="Records every finished job.")
    timing = Timing()
    parser.add_argument("--settle", type=float, default=timing.settle, metavar="S")
    parser.add_argument("--give-up", type=float, default=timing.give_up, metavar="S")
    parser.add_argument("--sweep", type=float, default=timing.sweep, metavar="S")
    parser.add_argument("--poll", type=float, default=_POLL_S, metavar="S")
    parser.add_argument("--file-bytes", type=int, default=FILE_BYTES, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
