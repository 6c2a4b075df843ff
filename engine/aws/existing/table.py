"""One row for each type of resource that the modules of a project's workspace use.

tests/unit/aws/test_existing.py reads the modules and fails when one uses a type that has no row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.aws.bucket_settings import SETTINGS
from engine.aws.existing import named, network, storage
from engine.aws.existing.search import Found, Known, Search, Wanted

Find = Callable[[Search, Wanted], Found | None]


@dataclass(frozen=True)
class Row:
    """How one type is found again.

    find        looks for one; None: it is not looked for, since making it once more is harmless
    because     why that is so
    hangs_on    types that must be known before: it is found through them
    """

    find: Find | None = None
    because: str = ""
    hangs_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.find is None) != bool(self.because):
            raise ValueError("a row says how its type is found, or why it need not be")


_RULE = Row(network.find_security_group_rule)
_SETTING = Row(named.find_bucket_setting, hangs_on=("aws_s3_bucket",))

TABLE: Mapping[str, Row] = {
    "aws_cloudformation_stack": Row(named.find_cluster_stack),
    "aws_cloudwatch_log_group": Row(named.find_log_group),
    "aws_efs_backup_policy": Row(storage.find_backup_policy, hangs_on=("aws_efs_file_system",)),
    "aws_efs_file_system": Row(storage.find_efs),
    "aws_efs_mount_target": Row(storage.find_mount_target, hangs_on=("aws_efs_file_system", "aws_subnet")),
    "aws_fsx_data_repository_association": Row(
        storage.find_association, hangs_on=("aws_fsx_lustre_file_system",)
    ),
    "aws_fsx_lustre_file_system": Row(storage.find_lustre),
    "aws_lambda_invocation": Row(
        because="It is a call, not a thing, and cannot be imported. The accounting function finds the "
        "database and the user that it made before, and keeps the password (accounting/projects.py)."
    ),
    "aws_route_table_association": Row(network.find_route_table_association, hangs_on=("aws_subnet",)),
    "aws_s3_bucket": Row(named.find_bucket),
    **dict.fromkeys(SETTINGS, _SETTING),
    "aws_s3_object": Row(
        because="Putting the same object again leaves the same object, under the same key. An import would "
        "not read its content, which the node software's postcondition compares with what S3 holds."
    ),
    "aws_secretsmanager_secret": Row(named.find_secret),
    "aws_security_group": Row(network.find_security_group),
    "aws_subnet": Row(network.find_subnet),
    "aws_vpc_security_group_egress_rule": _RULE,
    "aws_vpc_security_group_ingress_rule": _RULE,
}


def find_existing(search: Search, wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, Found]]:
    """What of all that a plan would create is there already. Types without a row are passed over.

    Raises   OrphanConflict, and what reading from AWS raises
    """
    rows = [(one, row) for one in wanted if (row := TABLE.get(one.type)) and row.find]
    # Nothing hangs on what itself hangs on something.
    for one, row in sorted(rows, key=lambda pair: len(pair[1].hangs_on)):
        found = row.find(search, one) if row.find else None
        if found is not None:
            search.known.append(Known(one.address, one.type, found.id))
            yield one, found
