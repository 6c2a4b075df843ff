"""A project's second cluster: a newer release, a new password, the old job records.

Real Terraform, the real accounting function, a real MariaDB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from engine.accounting.database import Place
from engine.aws.accounting_secrets import Login
from engine.local.accounting import RealMariaDb
from engine.local.provider_stack import CAPABILITIES, template_url
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.secret import Secret
from tests.functional.conftest import QUICK
from tests.functional.mariadb import MariaDbServer

pytestmark = [
    pytest.mark.long,
    pytest.mark.terraform,
    pytest.mark.timeout(1500),
    pytest.mark.xdist_group("mariadb"),
]

PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
TABLE = f"{NAMES.database}.`{NAMES.cluster}_job_table`"


@pytest.fixture
def cloud(mariadb: MariaDbServer) -> Iterator[LocalCloud]:
    real = RealMariaDb(
        Place(mariadb.host, mariadb.port, mariadb.ca_file),
        Login(mariadb.master, Secret(mariadb.master_password)),
    )
    with LocalCloud(durations=QUICK, mariadb=real) as cloud:
        yield cloud
    mariadb.empty()


def offer_release(cloud: LocalCloud, version: str) -> None:
    """The provider of another ParallelCluster release, beside the one that is there."""
    name = f"parallelcluster-provider-{version.replace('.', '-')}"
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=name, TemplateURL=template_url(version, "us-east-1"), Capabilities=list(CAPABILITIES)
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def test_records_outlive_clusters_passwords_and_releases(
    cloud, mariadb, provisioner, backend, spec, monkeypatch
) -> None:
    def password() -> str:
        """What the head node reads."""
        secret = cloud.client("secretsmanager").get_secret_value(SecretId=NAMES.accounting_secret)
        return str(secret["SecretString"])

    def records(with_password: str) -> list[Any]:
        with mariadb.login(NAMES.database_user, with_password) as node, node.cursor() as cursor:
            cursor.execute(f"SELECT job FROM {TABLE}")
            return [job for (job,) in cursor.fetchall()]

    # GIVEN a cluster, which came up since its user can log in, and a job that has run
    offer_release(cloud, "3.16.3")
    empty = cloud.inventory()
    provisioner("apply", spec("efs"), "--yes").ok()
    first = password()
    with mariadb.login(NAMES.database_user, first) as node, node.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (job INT)")
        cursor.execute(f"INSERT INTO {TABLE} VALUES (1)")

    # WHEN the password is changed
    rotated = provisioner("rotate-password", PROJECT).ok()
    # THEN the old one is refused, a person is told what to do, and Terraform has nothing to add
    assert "update_slurm_database_password.sh" in rotated.out and NAMES.cluster in rotated.out
    second = password()
    assert second not in rotated.out + rotated.err
    assert records(second) == [1]
    with pytest.raises(pymysql.OperationalError):
        records(first)

    # WHEN the settings name a newer release THEN nothing changes either, and its status says what would
    monkeypatch.setenv("PROVISIONER_PCLUSTER_VERSION", "3.16.3")
    planned = provisioner("plan", spec("efs"), "--detailed-exitcode")
    assert planned.code == 0, planned.out
    assert "keeps ParallelCluster 3.16.1" in planned.err
    cluster = provisioner("status", PROJECT, "--json").ok().json["cluster"]
    assert (cluster["version"], cluster["newer_version"]) == ("3.16.1", "3.16.3")
    assert "release and apply" in provisioner("status", PROJECT).ok().out

    # WHEN it is destroyed without --purge-data
    kept = provisioner("destroy", PROJECT, "--confirm", PROJECT).ok()
    # THEN the data is there and said to be; its user is gone from the server, and its records are not
    assert NAMES.bucket in kept.out and NAMES.database in kept.out
    assert {"s3:bucket", "efs:file-system"} <= {
        f"{one['service']}:{one['type']}" for one in cloud.inventory() if not one["seeded"]
    }
    assert mariadb.ask("SELECT User FROM mysql.user WHERE User = %s", NAMES.database_user) == []
    assert mariadb.ask(f"SELECT job FROM {TABLE}") == [(1,)]
    provisioner("rotate-password", PROJECT).refused(3, "NO_CLUSTER")

    # WHEN it comes back THEN it is of the newer release, and finds them, with a password of its own
    provisioner("apply", spec("efs"), "--yes").ok()
    cluster = provisioner("status", PROJECT, "--json").ok().json["cluster"]
    assert (cluster["version"], cluster["newer_version"]) == ("3.16.3", None)
    assert provisioner("list", "--json").ok().json["projects"][0]["cluster_version"] == "3.16.3"
    assert password() not in (first, second)
    assert records(password()) == [1]

    # WHEN it is purged THEN nothing is left, on the server either
    provisioner("destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT).ok()
    assert cloud.inventory() == empty
    assert mariadb.ask("SHOW DATABASES LIKE %s", NAMES.database) == []
