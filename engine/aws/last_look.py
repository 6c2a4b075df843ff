"""Where the last look for drift ended: an item of the registry's table, so that the next goes on behind it.

    pk      sk      says
    DRIFT   LAST    `project`, which was looked at last and need not be there any more

Of two runs at once either may write last. Each goes on project by project from where it read, so what lies
behind the mark was looked at, by the one or the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.aws.session import Cloud
from engine.aws.tables import table_errors, unreadable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_KEY: dict[str, AttributeValueTypeDef] = {"pk": {"S": "DRIFT"}, "sk": {"S": "LAST"}}


def read_last_look(cloud: Cloud, table: str) -> str:
    """The project, "vlab/project"; "" when none was looked at yet.

    Raises   NotBootstrapped, AccessDenied, Unreachable, BackendError, ItemUnreadable
    """
    with table_errors("reading where the last look for drift ended", table=table):
        item = cloud.dynamodb.get_item(TableName=table, Key=_KEY, ConsistentRead=True).get("Item")
    try:
        return item["project"]["S"] if item else ""
    except KeyError as error:
        raise unreadable("Where the last look for drift ended", error, project="") from error


def write_last_look(cloud: Cloud, table: str, project: str) -> None:
    """Raises   NotBootstrapped, AccessDenied, Unreachable, BackendError"""
    with table_errors("writing where the look for drift is", table=table):
        cloud.dynamodb.put_item(TableName=table, Item={**_KEY, "project": {"S": project}})
