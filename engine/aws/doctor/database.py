"""The accounting database: private, encrypted, MariaDB, and reachable by who carries accounting-access."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.checks import Check, NotLookedFor, Probe, Verdict, failed, fine, run_probes
from engine.aws.doctor.asking import asking
from engine.aws.doctor.network_reading import Network
from engine.aws.doctor.rules import lets_in
from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

SUBJECT = "database"
_ENGINE = "mariadb"
_PORT = 3306


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
