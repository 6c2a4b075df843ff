"""The local cloud inside a process: moto's server with our services, on a loopback port."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine.local.backends import ACCOUNT_ID
from engine.local.calls import Request
from engine.local.clock import Clock, SteppedClock, SystemClock, iso
from engine.local.connection import client_for, environment_for
from engine.local.durations import INSTANT, Durations
from engine.local.patches import Patches
from engine.local.shared_names import SharedNames
from engine.local.world import World

if TYPE_CHECKING:
    from engine.local.accounting import RealMariaDb

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
TICK_S = 0.25
_one_per_process = threading.Lock()


class LocalCloud:
    """A running AWS look-alike. Use as a context manager; one at a time per process, since moto keeps
    its state in globals.

    durations  lifecycles, settable later through `set_durations`
    clock      a SteppedClock makes time stand still until `advance`
    names      of the seeded shared infrastructure
    seeded     False starts empty
    mariadb    what the accounting function works on; None for a stand-in that keeps no records
    port       0 takes a free one
    """

    def __init__(
        self,
        *,
        durations: Durations | None = None,
        clock: Clock | None = None,
        names: SharedNames | None = None,
        seeded: bool = True,
        mariadb: RealMariaDb | None = None,
        port: int = 0,
    ):
        self._durations = durations or Durations()
        self._clock = clock or SystemClock()
        self.names = names or SharedNames()
        self._seeded = seeded
        self._mariadb = mariadb
        self._port = port
        self.account_id = ACCOUNT_ID
        self.region = self.names.region
        self.instance_id = str(uuid.uuid4())
        self._patches = Patches()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> LocalCloud:
        if not _one_per_process.acquire(blocking=False):
            raise RuntimeError("another local cloud runs in this process")
        try:
            self._build()
            if self._seeded:
                self._plant()
            self.begin_here()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        self._stopping.set()
        if hasattr(self, "_server"):
            self._server.shutdown()
            self._server.server_close()
        for thread in self._threads:
            thread.join(timeout=5)
        self._patches.undo()
        if hasattr(self, "world"):
            with self.world.lock:
                self.world.agenda.clear()
                self.world.backends.reset()
        if _one_per_process.locked():
            _one_per_process.release()

    def rest(self) -> None:
        """Answer nobody until `wake`: no thread of it runs meanwhile, so that the process can be forked.

        What it holds stays, and so does its address: who connects waits. Time goes on.
        """
        self._stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        for thread in self._threads:
            thread.join(timeout=5)
        self._threads.clear()
        while self._server.connections:
            time.sleep(0.01)

    def wake(self) -> None:
        """Answer again, in the process that rested or in a copy of it."""
        self._stopping.clear()
        self._run()

    def __enter__(self) -> LocalCloud:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def endpoint(self) -> str:
        """e.g. http://127.0.0.1:40123"""
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, Terraform and the engine at this cloud."""
        return environment_for(self.endpoint, self.region, self.account_id)

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client of this cloud."""
        return client_for(self.endpoint, service, region or self.region)

    def inventory(self) -> list[dict[str, Any]]:
        """Everything that exists, sorted: {service, type, id, name, tags, seeded}."""
        with self.world.lock:
            self.world.tick()
            return self._inventory.items()

    def begin_here(self) -> None:
        """What exists now counts as seeded, and calls are counted from now on."""
        with self.world.lock:
            self._inventory.mark()
            self.world.calls.clear()

    def left_over(self) -> list[str]:
        """What exists beyond the seed, as "service type name-or-id" lines."""
        return [
            f"{item['service']} {item['type']} {item['name'] or item['id']}"
            for item in self.inventory()
            if not item["seeded"]
        ]

    def calls(self) -> dict[str, int]:
        """Successful changing calls since the seed, by "service:Operation"."""
        with self.world.lock:
            return self.world.calls.to_dict()

    @contextmanager
    def heard(self, listener: Callable[[Request], None], *, answered: bool = False) -> Iterator[None]:
        """Tell the listener of every AWS call that arrives meanwhile, also of those that read or fail.

        answered   not when it arrives, but when its answer has been sent
        """
        calls = self.world.calls
        listeners = calls.answered if answered else calls.listeners
        listeners.append(listener)
        try:
            yield
        finally:
            listeners.remove(listener)

    def set_durations(self, **values: float) -> None:
        with self.world.lock:
            self.world.durations = self.world.durations.changed(values)

    def fail(
        self, operation: str, *, cluster: str = "*", code: str = "HeadNodeBootstrapFailure", times: int = 1
    ) -> None:
        """Order a failure: operation is create, update or delete of a cluster, create_lustre or
        export of a file system."""
        from engine.local.faults import Fault

        with self.world.lock:
            self.world.faults.order(Fault(cluster, operation, code, times))

    def weather(self, share: float, *, seed: int = 0, only: Collection[str] = ()) -> None:
        """From now on a share (0 to 1) of all AWS calls meets trouble: see engine.local.weather.

        only   names of troubles ("lost"); empty: all of them
        """
        from engine.local.weather import WEIGHTS

        chosen = {kind: weight for kind, weight in WEIGHTS.items() if not only or kind in only}
        self._weather.become(share, seed=seed, weights=chosen)

    def weather_counts(self) -> dict[str, int]:
        """ "calls" since the weather changed, and how many of them met each trouble."""
        return self._weather.counts()

    def set_quota(self, service: str, code: str, value: float) -> None:
        """Give the account a quota of its own: set_quota("ec2", "L-1216C47A", 512)."""
        with self.world.lock:
            self.world.quotas[f"{service}/{code}"] = value

    def advance(self, seconds: float) -> None:
        """Let time pass at once; needs a SteppedClock."""
        if not isinstance(self._clock, SteppedClock):
            raise TypeError("advance() needs LocalCloud(clock=SteppedClock())")
        with self.world.lock:
            self._clock.advance(seconds)
            self.world.tick()

    def write_lustre(self, file_system_id: str, path: str, content: bytes) -> None:
        """A job writes a file; path inside the file system, e.g. /project/private/out.dat."""
        from engine.local.control import write_to_lustre

        write_to_lustre(self.endpoint, file_system_id, path, content)

    def read_lustre(self, file_system_id: str, path: str) -> bytes:
        return self._get(f"lustre/{file_system_id}/{path.lstrip('/')}")

    def list_lustre(self, file_system_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._get(f"lustre/{file_system_id}"))
        return found

    def _get(self, path: str) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.endpoint}/_local/{urllib.parse.quote(path)}", timeout=10) as answer:
            content: bytes = answer.read()
            return content

    def _build(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from engine.local import (
            aws_policies,
            bucket_policies,
            conditional,
            dashboards,
            ec2_dependencies,
            efs,
            lambda_lifecycle,
            network_acls,
            queues,
            rds_groups,
            rds_instances,
            rest_apis,
            secret_versions,
            security_group_rules,
            service_quotas,
            shortcuts,
            stacks,
            table_encryption,
            transactions,
            vpc_endpoints,
            vpc_peering,
        )
        from engine.local.accounting import AccountingDatabase
        from engine.local.console import Console
        from engine.local.fsx_api import FsxApi
        from engine.local.functions import Functions
        from engine.local.gateway import Gateway
        from engine.local.http_server import HttpServer
        from engine.local.inventory import Inventory
        from engine.local.pcluster import Clusters
        from engine.local.weather import Weather

        self.world = World(region=self.region, clock=self._clock, durations=self._durations)
        self.world.backends.reset()
        fsx = FsxApi(self.world)
        accounting = AccountingDatabase(self.world, self._mariadb)
        clusters = Clusters(self.world, fsx, accounting)
        conditional.install(self.world, self._patches)
        transactions.install(self.world, self._patches)
        efs.install(self.world, self._patches)
        ec2_dependencies.install(self._patches)
        network_acls.install(self._patches)
        security_group_rules.install(self._patches)
        vpc_endpoints.install(self.world, self._patches)
        vpc_peering.install(self._patches)
        bucket_policies.install(self._patches)
        dashboards.install(self._patches)
        rds_groups.install(self._patches)
        rds_instances.install(self.world, self._patches)
        lambda_lifecycle.install(self.world, self._patches)
        service_quotas.install(self.world, self._patches)
        table_encryption.install(self._patches)
        secret_versions.install(self._patches)
        queues.install(self._patches)
        rest_apis.install(self._patches)
        aws_policies.plant(self.world)
        stacks.install(self.world, clusters, self._patches)
        shortcuts.install(self._patches)
        self._inventory = Inventory(self.world, fsx, accounting.book)
        identity = {
            "instance_id": self.instance_id,
            "account_id": self.account_id,
            "started_at": iso(time.time()),
        }
        console = Console(self.world, fsx, self._inventory, identity)
        functions = Functions(self.world, accounting)
        moto = DomainDispatcherApplication(create_backend_app)
        self._weather = Weather(Gateway(self.world, moto, fsx, functions, console))
        console.weather = self._weather
        self._server = HttpServer(HOST, self._port, self._weather)
        self._run()

    def _run(self) -> None:
        self._thread("local-cloud", lambda: self._server.serve_forever(poll_interval=0.05))
        if not isinstance(self._clock, SteppedClock):
            self._thread("local-cloud-ticker", self._keep_ticking)

    def _plant(self) -> None:
        """Seed. What is there from the beginning was made long ago: nothing of it takes time."""
        from engine.local.seed import Seed

        self.world.durations = INSTANT
        try:
            Seed(self.endpoint, self.names).plant()
        finally:
            self.world.durations = self._durations

    def _thread(self, name: str, target: Any) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _keep_ticking(self) -> None:
        while not self._stopping.wait(TICK_S):
            try:
                self.world.tick()
            except Exception:
                log.exception("the background tick failed; the next request tries again")
