"""A Slurm that cannot read a token's user from the claim that we name: rather no API than one for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.mariadb import MariaDbServer
from tests.slurm import software
from tests.slurm.cluster import SLURM_CONF, SlurmCluster
from tests.slurm.conftest import project_cluster
from tests.slurm.tokens import AUDIENCE, ISSUER, SigningKey, jwks

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-4", account_id="123456789012")
SETTINGS = Settings(jwks_url="https://sso.example.org/certs", jwt_issuer=ISSUER, jwt_audience=AUDIENCE)


@pytest.fixture
def cluster(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[SlurmCluster]:
    def on_start(cluster: SlurmCluster) -> None:
        software.install(cluster, NAMES, SETTINGS)
        software.put(cluster, "jwks.json", jwks(SigningKey("key-1")))
        software.step(cluster, "head-start.d/30-jwks")

    cluster = project_cluster(
        slurm_root, accounting_server, "proj-4", settings=SETTINGS, before_start=on_start
    )
    cluster.start()
    yield cluster
    cluster.stop()


def test_the_step_says_which_slurm_it_takes(cluster: SlurmCluster) -> None:
    before = cluster.path(SLURM_CONF).read_text()
    done = cluster.run(f"{software.HOME}/head-configured.d/40-rest-api", check=False)
    assert done.returncode != 0
    assert "the REST API needs Slurm 23.02 or newer, and this image has 22.05" in done.stderr
    assert cluster.path(SLURM_CONF).read_text() == before
