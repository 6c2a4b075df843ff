"""The real Slurm of these tests; see cluster.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.accounting.database import MariaDb, Place
from engine.accounting.projects import new_password
from engine.model.names import Names, names_for
from engine.model.secret import Secret
from engine.model.settings import Settings
from engine.workspace.slurm_settings import SLURM_SETTINGS
from tests.functional.mariadb import REQUIRED, MariaDbServer, running_mariadb
from tests.slurm.cluster import Accounting, SlurmCluster
from tests.slurm.releases import RELEASE, SUITE
from tests.slurm.software import install, step

DEFAULT_ROOTS = Path("~/.cache/parallelcluster-provisioner/slurm")
collect_ignore = ["test_rest_api_refused.py" if RELEASE.claim_field else "test_rest_api.py"]


@pytest.fixture(scope="session")
def slurm_root() -> Path:
    """The Debian root with Slurm in it; skips the test where there is none, or no right to use it."""
    root = Path(os.environ.get("SLURM_ROOTS", DEFAULT_ROOTS)).expanduser() / SUITE
    reason = ""
    if not (root / ".packages").is_file():
        reason = f"no Slurm in {root}: `make setup-slurm` makes it"
    elif os.geteuid() != 0:
        reason = "a real Slurm needs root"
    elif missing := [name for name in ("nsenter", "unshare", "setpriv") if not shutil.which(name)]:
        reason = f"{', '.join(missing)} not found"
    if reason and os.environ.get(REQUIRED):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return root


@pytest.fixture(scope="session")
def accounting_server(slurm_root: Path) -> Iterator[MariaDbServer]:
    with running_mariadb() as server:
        yield server


def project_accounting(server: MariaDbServer, names: Names) -> Accounting:
    """Database and user of a project, made by the accounting function's own SQL."""
    password = new_password()
    with MariaDb(
        Place(server.host, server.port, server.ca_file), server.master, Secret(server.master_password)
    ) as maria:
        maria.create_database(names.database)
        maria.ensure_user(names.database_user, password, database=names.database)
    return Accounting(names.database, names.database_user, password.reveal())


def project_cluster(
    root: Path,
    server: MariaDbServer,
    project_id: str,
    *,
    settings: Settings | None = None,
    before_start: Callable[[SlurmCluster], None] | None = None,
    **more: Any,
) -> SlurmCluster:
    """A cluster of a project as the engine would have it made, not started."""
    names = names_for("lab-1", project_id, account_id="123456789012")

    def on_node_start(cluster: SlurmCluster) -> None:
        install(cluster, names, settings or Settings())
        # slurm.conf names a program that this step puts in place.
        step(cluster, "head-start.d/50-job-records")
        if before_start:
            before_start(cluster)

    return SlurmCluster(
        root,
        server,
        project_accounting(server, names),
        name=names.cluster,
        settings=SLURM_SETTINGS,
        before_start=on_node_start,
        **more,
    )


@pytest.fixture(scope="session")
def slurm(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[SlurmCluster]:
    """A running cluster; tests that use it are marked xdist_group("slurm"), so that one starts."""
    cluster = project_cluster(slurm_root, accounting_server, "proj-1")
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
