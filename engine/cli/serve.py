"""`provisioner serve`: the whole service on this machine, against the local cloud."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from engine import settle
from engine.cli.arguments import pass_invocation
from engine.cli.console import note
from engine.cli.invocation import Invocation
from engine.errors import FieldProblem, InvalidSettings, NotBootstrapped
from engine.model.setting_sources import DEFAULT, as_text

if TYPE_CHECKING:
    from engine.aws.session import Credentials
    from engine.model.settings import Settings
    from engine.model.tiers import Tier
    from engine.service.local_server import LocalServer
    from engine.terraform.programs import Companion

_WORKERS_END_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.5


@click.command(short_help="Run the service on this machine: API, queue and workers.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port [default: a free one].")
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="How many operations are worked on at a time.",
)
@click.option(
    "--slice",
    "slice_s",
    type=click.FloatRange(min=60),
    help="Seconds after which a run hands over to the next one, as in Lambda [default: no limit].",
)
@click.option(
    "--nice",
    "niceness",
    type=click.IntRange(0, 19),
    default=10,
    show_default=True,
    help="How far the workers and their Terraform come behind callers when processors are short.",
)
@pass_invocation
def serve(invocation: Invocation, port: int, workers: int, slice_s: float | None, niceness: int) -> None:
    """Run API, queue and workers against the local cloud, which is started and bootstrapped if need be.

    Callers sign with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this command's environment, as for
    API Gateway (service execute-api). Ends on SIGTERM and Ctrl-C: workers stop Terraform gracefully, and
    the next `serve` goes on where they were. The local cloud stays, with what it holds, until `local down`.

    \b
    Example:
      export AWS_ACCESS_KEY_ID=local-caller AWS_SECRET_ACCESS_KEY=of-your-choice
      provisioner serve --port 8080
      curl --aws-sigv4 aws:amz:us-east-1:execute-api -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
        http://127.0.0.1:8080/v1/projects
    """
    if invocation.settings.cloud != "local":
        raise InvalidSettings(
            "serve works on the local cloud only.",
            [FieldProblem("cloud", "is aws", "local")],
            hint="In AWS the service is workspaces/service.",
        )
    credentials = _callers_keys(invocation.environ)
    settings = _local_cloud(invocation)
    _bootstrapped(invocation)
    catalogue = invocation.catalogue
    with _ending_on_signals() as ending, _serving(settings, catalogue, port, credentials) as server:
        note(f"The service answers at {server.url}; the local cloud is {settings.endpoint_url}.")
        environment = _workers_environment(invocation, settings)
        with _working(environment, workers, slice_s, niceness, ending):
            # On stdout, for whoever waits for it.
            click.echo(server.url)
            sys.stdout.flush()
            ending.wait()
            note("Stopping: workers put their work down.")


def _callers_keys(environ: Mapping[str, str]) -> Credentials:
    """The keys that callers sign with.

    Raises   InvalidSettings
    """
    from engine.aws.session import Credentials
    from engine.model.secret import Secret

    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise InvalidSettings(
            "Nobody could call the service: the keys that callers sign with are not set.",
            [FieldProblem(name, "is not set in the environment", "any text") for name in missing],
            hint="Set both to values of your choice; callers use the same. They reach no AWS account.",
        )
    token = environ.get("AWS_SESSION_TOKEN")
    return Credentials(environ[names[0]], Secret(environ[names[1]]), Secret(token) if token else None)


def _local_cloud(invocation: Invocation) -> Settings:
    """The settings, with the endpoint of a local cloud that runs."""
    from engine.cli.local import shared_names
    from engine.local import control

    if not invocation.settings.endpoint_url and control.status(invocation.home).state != "running":
        note("Starting the local cloud.")
        control.up(invocation.home, names=shared_names(invocation.settings))
    return invocation.reachable_settings()


def _bootstrapped(invocation: Invocation) -> None:
    """Make the backend where there is none."""
    from engine.operations import bootstrap, planning
    from engine.operations.reporting import Silent

    engine = invocation.engine(Silent())
    try:
        planning.check_backend(engine)
    except NotBootstrapped:
        note("Making the backend: state bucket and tables.")
        bootstrap.bootstrap(engine, approve=lambda _: None)


@contextmanager
def _serving(
    settings: Settings, catalogue: tuple[Tier, ...], port: int, credentials: Credentials
) -> Iterator[LocalServer]:
    from engine.aws.signatures import Gatekeeper
    from engine.operations.place import Place, connect
    from engine.operations.requests import open_desk
    from engine.service.api import Service
    from engine.service.local_server import Caller, LocalServer

    cloud, settings = connect(settings)
    place = Place(settings=settings, cloud=cloud, now=cloud.now, catalogue=catalogue)
    desk = open_desk(place)
    desk.queue.make()
    account = settings.require_account()
    service = Service(desk)
    service.warm()
    server = LocalServer(
        port=port,
        gatekeeper=Gatekeeper(credentials, settings.region),
        caller=Caller(account, credentials.access_key_id, f"arn:aws:iam::{account}:user/local-caller"),
        answer=service.answer,
    )
    server.start()
    settle()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _working(
    env: Mapping[str, str],
    count: int,
    slice_s: float | None,
    niceness: int,
    ending: threading.Event,
) -> Iterator[None]:
    """So many worker processes; one that dies is replaced. At the end all of them put their work down."""
    from engine.terraform.programs import start_companion

    argv = [sys.executable, "-m", "engine.service.local_worker", *([str(slice_s)] if slice_s else [])]

    def start() -> Companion:
        return start_companion(argv, env=env, niceness=niceness)

    workers = [start() for _ in range(count)]

    def keep_up() -> None:
        while not ending.wait(_LOOK_EVERY_S):
            for index, one in enumerate(workers):
                code = one.ended()
                if code is not None and not ending.is_set():
                    note(f"Worker {one.pid} ended with {code}; another takes its place.")
                    workers[index] = start()

    keeper = threading.Thread(target=keep_up, name="workers", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join()
        _end(workers)


def _end(workers: list[Companion]) -> None:
    for one in workers:
        one.ask_to_end()
    for one in workers:
        if one.wait(_WORKERS_END_WITHIN_S) is None:
            note(f"Worker {one.pid} still stops its Terraform; it ends by itself.")


def _workers_environment(invocation: Invocation, settings: Settings) -> dict[str, str]:
    """Our environment and every setting that somebody has given, wherever. The callers' keys stay here."""
    from engine.operations.installation import FILE_VARIABLE, base_folder
    from engine.service.worker import FOLDER_VARIABLE

    mine = ("AWS_", "PROVISIONER_")
    kept = {name: value for name, value in invocation.environ.items() if not name.startswith(mine)}
    sources = invocation.effective.sources
    given = {
        name: value for name, value in settings.values().items() if sources.get(name, DEFAULT) != DEFAULT
    }
    told = {"cloud": "local", "endpoint_url": settings.endpoint_url, "account_id": settings.account_id}
    named = {f"PROVISIONER_{name.upper()}": as_text(value) for name, value in (given | told).items()}
    return kept | named | {FOLDER_VARIABLE: str(base_folder()), FILE_VARIABLE: os.devnull}


@contextmanager
def _ending_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set."""
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield ending
    finally:
        for number, old in before.items():
            signal.signal(number, old)
