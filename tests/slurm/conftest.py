"""The real Slurm of these tests; see cluster.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.accounting.database import MariaDb, Place
from engine.accounting.projects import carry_out
from engine.accounting.request import Action, Request, Resource
from engine.model.secret import Secret
from tests.functional.mariadb import REQUIRED, MariaDbServer, running_mariadb
from tests.slurm.cluster import Accounting, SlurmCluster

DEFAULT_ROOTS = Path("~/.cache/parallelcluster-provisioner/slurm")


@pytest.fixture(scope="session")
def slurm_root() -> Path:
    """The Debian root with Slurm in it; skips the test where there is none, or no right to use it."""
    root = Path(os.environ.get("SLURM_ROOTS", DEFAULT_ROOTS)).expanduser() / "trixie"
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


def project_accounting(server: MariaDbServer, name: str) -> Accounting:
    """Database and user of a project, made by the accounting function's own SQL."""
    password = Secret("".join(f"{byte:02x}" for byte in os.urandom(20)))
    accounting = Accounting(f"slurm_acct_{name}", f"slurm_{name}", password.reveal())
    place = Place(server.host, server.port, server.ca_file)
    with MariaDb(place, server.master, Secret(server.master_password)) as maria:
        database = Request(Resource.DATABASE, Action.CREATE, accounting.database)
        carry_out(database, maria, None)
        maria.ensure_user(accounting.user, password, database=accounting.database)
    return accounting


@pytest.fixture(scope="session")
def slurm(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[SlurmCluster]:
    """A running cluster; tests that use it are marked xdist_group("slurm"), so that one starts."""
    cluster = SlurmCluster(
        slurm_root, accounting_server, project_accounting(accounting_server, "vlab1_proj1")
    )
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
