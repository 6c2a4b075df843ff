"""What the accounting function is asked for, checked before anything is touched.

The names come from outside and end up in SQL, so only names that the engine could have made are taken.
They also belong together: a user and a secret go with the one database they are made for, whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from engine.errors import AccountingRefused

_DATABASE = re.compile(r"[0-9a-z_]{1,64}")
# MariaDB allows 80 characters, MySQL and its clients 32.
_USER = re.compile(r"slurm(_[0-9a-z_]{1,26})")
_SECRET_ARN = re.compile(
    r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:"
    r"provisioner/(?P<cluster>[a-z][a-z0-9-]{0,59})/accounting-[A-Za-z0-9]{6}"
)
# What a server, and RDS's in particular, keeps to itself; `innodb` and `test` stand on older ones.
_RESERVED = frozenset({"information_schema", "innodb", "mysql", "performance_schema", "sys", "test"})


Choice = TypeVar("Choice", bound=StrEnum)


class Resource(StrEnum):
    DATABASE = "database"
    USER = "user"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ROTATE = "rotate"


@dataclass(frozen=True)
class Request:
    """user and secret_arn: of the project's user; empty when the request is about the database."""

    resource: Resource
    action: Action
    database: str
    user: str = ""
    secret_arn: str = ""


def parse_request(event: object) -> Request:
    """The request in an event: from Terraform, which adds `tf`, or from the engine, which says `action`.

    Raises   AccountingRefused for anything the engine does not ask for
    Source   Terraform AWS provider, aws_lambda_invocation: lifecycle_scope CRUD, terraform_key "tf"
    """
    if not isinstance(event, Mapping):
        raise _refused("the event is not a JSON object")
    from_terraform = event.get("tf") or {}
    if not isinstance(from_terraform, Mapping):
        raise _refused("tf is not a JSON object")
    resource = _one_of(Resource, "resource", event.get("resource"))
    action = _one_of(Action, "action", event.get("action") or from_terraform.get("action"))
    database = _database(event.get("database"))
    if resource is Resource.DATABASE:
        if action is Action.ROTATE:
            raise _refused("a database has no password to rotate")
        request = Request(resource, action, database)
    else:
        request = Request(
            resource,
            action,
            database,
            _user(event.get("user"), database),
            _secret_arn(event.get("secret_arn"), database),
        )
    _refuse_renaming(request, from_terraform.get("prev_input"))
    return request


def _database(name: object) -> str:
    if not isinstance(name, str) or not _DATABASE.fullmatch(name):
        raise _refused("the database's name is not 1 to 64 characters of 0-9, a-z and _")
    if name in _RESERVED:
        raise _refused(f"{name} is one of the server's own databases")
    return name


def _user(name: object, database: str) -> str:
    found = _USER.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise _refused("the user's name is not slurm_ and up to 26 characters of 0-9, a-z and _")
    if not database.endswith(found[1]):
        raise _refused(f"{found[0]} is not the user of {database}: their names end differently")
    return found[0]


def _secret_arn(arn: object, database: str) -> str:
    found = _SECRET_ARN.fullmatch(arn) if isinstance(arn, str) else None
    if found is None:
        raise _refused("the secret is not the ARN of a secret provisioner/<cluster>/accounting")
    if found["cluster"].replace("-", "_") != database:
        raise _refused(f"the secret of {found['cluster']} is not the secret of {database}")
    return found[0]


def _refuse_renaming(request: Request, before: object) -> None:
    """Terraform calls a changed name an update; taking it would leave the records of the old one behind."""
    if request.action is not Action.UPDATE or not isinstance(before, Mapping):
        return
    for key, now in (("database", request.database), ("user", request.user)):
        if before.get(key, now) != now:
            raise _refused(f"a {key} is not renamed")


def _one_of(kind: type[Choice], key: str, value: object) -> Choice:
    try:
        return kind(str(value))
    except ValueError:
        raise _refused(f"{key} is not one of {', '.join(kind)}") from None


def _refused(why: str) -> AccountingRefused:
    return AccountingRefused(
        f"The accounting function refuses this: {why}.",
        hint="It serves the engine's own Terraform module `accounting`; let that make the call.",
    )


def as_answer(request: Request, outcome: Any) -> dict[str, str]:
    """What the function answers; it lands in Terraform's state, and holds no secret."""
    named = request.user if request.resource is Resource.USER else request.database
    return {"resource": str(request.resource), "name": named, "outcome": str(outcome)}
