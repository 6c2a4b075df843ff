"""The accounting database: private, encrypted, MariaDB, and reachable by who carries accounting-access."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.checks import Check, Level, NotLookedFor, Probe, Verdict, failed, fine, run_probes, warning
from engine.aws.doctor.asking import asking
from engine.aws.doctor.network_reading import Network, tag_of
from engine.aws.doctor.rules import lets_in
from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.model import tags
from engine.model.instance_types import memory_gib

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

SUBJECT = "database"
_ENGINE = "mariadb"
_PORT = 3306
# slurmdbd keeps one for itself and one for its slurmctld, and takes a third for the hourly rollup (Slurm,
# accounting_storage/mysql: as_mysql_usage.c, _cluster_rollup_usage).
_CONNECTIONS_OF_A_CLUSTER = 3
# RDS user guide, "Maximum number of database connections": MariaDB from 10.5 on.
_BYTES_A_CONNECTION, _CONNECTIONS_MOST = 25_165_760, 12_000
_SCARCE = 0.1


def examine_database(cloud: Cloud, network: Network, *, accounting_database: str) -> list[Check]:
    """One Check each, never an error; none when there is no such database."""
    with asking() as ask:
        database = ask(lambda: read_database(cloud, accounting_database))
    return run_probes(
        SUBJECT,
        [
            Probe("database engine", lambda: judge_engine(database())),
            Probe("database privacy", lambda: judge_privacy(database())),
            Probe("database encryption", lambda: judge_encryption(database())),
            Probe(
                "database reachable",
                lambda: judge_reachable(
                    database(),
                    network.vpc_id,
                    network.security_groups(),
                    network.group(tags.SHARED_ACCOUNTING_ACCESS)["GroupId"],
                ),
            ),
            Probe(
                "database connections",
                # A project has its subnet as long as its cluster.
                lambda: judge_connections(
                    database(), sum(tag_of(subnet, tags.PROJECT) is not None for subnet in network.subnets())
                ),
                Level.WARNING,
            ),
        ],
    )


def read_database(cloud: Cloud, name: str) -> DBInstanceTypeDef:
    """RDS's description of the instance.

    Raises   NotLookedFor when there is none: "shared ground" says so
    """
    with aws_errors(f"looking at the database {name}"):
        try:
            return cloud.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        except ClientError as error:
            if error_code(error) not in {"DBInstanceNotFound", "DBInstanceNotFoundFault"}:
                raise
            raise NotLookedFor(f"There is no database {name}.") from error


def judge_engine(database: DBInstanceTypeDef) -> Verdict:
    engine = database.get("Engine", "unknown")
    version = f"{engine} {database.get('EngineVersion', '')}".rstrip()
    if engine == _ENGINE:
        return fine(version)
    return failed(
        f"is {version}, not MariaDB", "Name a MariaDB instance in the settings (accounting_database)."
    )


def judge_privacy(database: DBInstanceTypeDef) -> Verdict:
    if database.get("PubliclyAccessible"):
        return failed("has a public address", "Modify the instance: not publicly accessible.")
    return fine("no public address")


def judge_encryption(database: DBInstanceTypeDef) -> Verdict:
    if database.get("StorageEncrypted"):
        return fine("storage is encrypted")
    # RDS user guide, "Encrypting Amazon RDS resources": only a copied snapshot can be encrypted later.
    return failed(
        "storage is not encrypted", "Restore it from an encrypted copy of a snapshot, under the same name."
    )


def judge_reachable(
    database: DBInstanceTypeDef, vpc_id: str, groups: Iterable[SecurityGroupTypeDef], access_group: str
) -> Verdict:
    """It stands in the shared VPC, and one of its groups lets head nodes in."""
    stands_in = database.get("DBSubnetGroup", {}).get("VpcId")
    if stands_in != vpc_id:
        return failed(
            f"stands in {stands_in or 'no VPC'}, not in the shared VPC {vpc_id}",
            "Restore it in the shared VPC, or name another in the settings (accounting_database).",
        )
    port = database.get("Endpoint", {}).get("Port", _PORT)
    carried = {group.get("VpcSecurityGroupId") for group in database.get("VpcSecurityGroups", [])}
    if not any(
        group["GroupId"] in carried and lets_in(group, port, source_group=access_group) for group in groups
    ):
        return failed(
            f"no security group of it lets {tags.SHARED_ACCOUNTING_ACCESS} in on {port}",
            f"Let TCP {port} in from the security group {access_group}.",
        )
    return fine(f"on {port}, from who carries {tags.SHARED_ACCOUNTING_ACCESS}")


def judge_connections(database: DBInstanceTypeDef, clusters: int) -> Verdict:
    """A warning where one more cluster may find no connection free, or few are left.

    Compared is what RDS sets by itself: what it keeps of the class's memory is not known, nor is a
    max_connections of somebody's own.
    """
    instance_class = database.get("DBInstanceClass", "")
    memory = memory_gib(instance_class.removeprefix("db."))
    taken = f"{clusters} clusters take up to {_CONNECTIONS_OF_A_CLUSTER * clusters}"
    if memory is None:
        return fine(f"{taken}; what {instance_class or 'its class'} has is not known")
    limit = min(int(memory * 2**30 / _BYTES_A_CONNECTION), _CONNECTIONS_MOST)
    found = f"{taken} of about {limit} that {instance_class} has"
    left = limit - _CONNECTIONS_OF_A_CLUSTER * clusters
    if left < max(_CONNECTIONS_OF_A_CLUSTER, limit * _SCARCE):
        return warning(
            found,
            "Choose a larger instance class, and with it max_connections_alarm (database in "
            "workspaces/shared), or release clusters that nobody uses.",
        )
    return fine(found)
