"""Throw requests at the service: `make test-api`.

The API as `provisioner serve` has it, on a local cloud; in the place of the workers somebody who ends
operations at once, one way or the other, so that every state is seen.

usage: python -m tests.api SCHEMATHESIS [ARGUMENT ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.aws.queue import read_task
from engine.aws.registry import Phase
from engine.aws.session import Cloud, Credentials
from engine.aws.signatures import Gatekeeper
from engine.errors import EngineError
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.operation import Event, Failure, Kind, Owner, failed, succeeded
from engine.model.secret import Secret
from engine.model.settings import load_settings
from engine.operations.place import Place
from engine.operations.requests import Desk, open_desk
from engine.service.api import Service
from engine.service.local_server import Caller, LocalServer
from engine.service.logging import logger
from tests.functional.conftest import make_table

HERE = Path(__file__).parent
KEY, SECRET = "local-caller", "of-the-test"


def main(arguments: list[str]) -> int:
    logger.setLevel("ERROR")
    with LocalCloud(durations=INSTANT, seeded=False) as cloud:
        settings = load_settings(environ=cloud.environment()).settings
        aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
        make_table(aws, settings.registry_table, "pk", "sk")
        aws.s3.create_bucket(Bucket=settings.state_bucket)
        desk = open_desk(Place(settings=settings, cloud=aws, now=lambda: datetime.now(UTC)))
        desk.queue.make()
        server = LocalServer(
            port=0,
            gatekeeper=Gatekeeper(Credentials(KEY, Secret(SECRET)), settings.region),
            caller=Caller(cloud.account_id, KEY, f"arn:aws:iam::{cloud.account_id}:user/local-caller"),
            answer=Service(desk).answer,
        )
        server.start()
        over = threading.Event()
        clerk = threading.Thread(target=_end_operations, args=(desk, over))
        clerk.start()
        try:
            return _throw(arguments, server.url)
        finally:
            over.set()
            clerk.join()
            server.stop()


def _throw(arguments: list[str], url: str) -> int:
    command = [str(Path(arguments[0]).absolute()), "--config-file", str(HERE / "schemathesis.toml"), "run"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.api.hooks",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "PYTHONPATH": str(HERE.parents[1]),
        "NO_PROXY": "*",
    }
    document = str(HERE.parents[1] / "docs" / "openapi.json")
    # It keeps what it finds in the folder that it runs in.
    folder = HERE.parents[1] / ".provisioner" / "schemathesis"
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*command, document, "--url", url, *arguments[1:]], env=environment, cwd=folder, check=False
    )
    return done.returncode


def _end_operations(desk: Desk, over: threading.Event) -> None:
    """As a worker would: every third operation fails."""
    count = 0
    while not over.wait(0.05):
        try:
            message = desk.queue.receive()
            if message is None:
                continue
            desk.queue.finish(message)
            task, now = read_task(message.body), datetime.now(UTC)
            lease, operation = desk.store.claim(
                task.project,
                task.operation_id,
                Owner("process", "clerk", {}),
                now=now,
                ttl=timedelta(minutes=1),
            )
            count += 1
            bad = count % 3 == 0
            ended = (
                failed(operation, Failure("CLUSTER_FAILED", "no"), now) if bad else succeeded(operation, now)
            )
            desk.store.finish(lease, ended, [Event(1, now, "ended", "by the clerk")])
            record = desk.place.registry.get(task.vlab_id, task.project_id)
            if record is None:
                continue
            if operation.wish.purge_data and not bad:
                desk.place.registry.remove(record)
            else:
                gone = operation.wish.kind is not Kind.PROVISION
                phase = Phase.FAILED if bad else Phase.PARKED if gone else Phase.READY
                desk.place.registry.replace(record, now=now, phase=phase)
        except EngineError as error:
            sys.stderr.write(f"clerk: {error}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
