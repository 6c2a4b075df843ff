"""Whether IAM would allow a call: identity policies alone, with the conditions our policies use.

Source: IAM user guide, "Policy evaluation logic" and "Condition operators".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | list[str]]
_LIKE = ("StringLike", "ArnLike", "ArnEquals")


def attached_statements(iam: Any, role: str) -> list[dict[str, Any]]:
    """Every statement of the managed policies attached to a role; iam is a boto3 client."""
    found = []
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        found += (document if isinstance(document, dict) else json.loads(document))["Statement"]
    return found


def allowed(
    statements: Iterable[Mapping[str, Any]], action: str, resource: str, given: Context | None = None
) -> bool:
    """given: the condition keys of the call, with their values."""
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action.lower(), one.lower()) for one in _listed(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in _listed(statement["Resource"]))
        and _conditions_hold(statement.get("Condition", {}), given or {})
        for statement in statements
    )


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], given: Context) -> bool:
    return all(
        _holds(operator, _listed(wanted), given.get(key))
        for operator, by_key in conditions.items()
        for key, wanted in by_key.items()
    )


def _holds(operator: str, wanted: list[str], value: str | list[str] | None) -> bool:
    if value is None:
        return False
    plain = operator.removeprefix("ForAnyValue:")
    if plain not in (*_LIKE, "StringEquals"):
        raise ValueError(f"this reading of policies does not know {operator}")
    match = fnmatchcase if plain in _LIKE else str.__eq__
    return any(match(one, pattern) for one in _listed(value) for pattern in wanted)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
