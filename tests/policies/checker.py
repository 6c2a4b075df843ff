"""Run in .venv-checkov: what parliament, and AWS's service authorization reference, say of policies.

Standard input    {"name": policy document, ...}
Standard output   {"name": {"findings": [...], "unlimited": [...], "dependent": {...}}, ...}

findings    parliament's, as "ISSUE detail"
unlimited   actions allowed on "*" although AWS can limit them to a resource
dependent   action -> actions that AWS checks besides, for the same call
Source      the reference as parliament ships it (iam_definition.json)
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

warnings.simplefilter("ignore")  # parliament imports pkg_resources

from parliament import analyze_policy_string, iam_definition, is_arn_match  # noqa: E402

PRIVILEGES = {
    f"{service['prefix']}:{privilege['privilege']}": privilege
    for service in iam_definition
    for privilege in service["privileges"]
}


def check(document: dict[str, Any]) -> dict[str, Any]:
    granted = [
        (action, resource)
        for statement in document["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if action in PRIVILEGES
    ]
    return {
        "findings": sorted(findings(document, granted)),
        "unlimited": sorted(action for action, on in granted if on == "*" and needs_resource(action)),
        "dependent": {action: others for action, _ in granted if (others := dependent(action))},
    }


def findings(document: dict[str, Any], granted: list[tuple[str, str]]) -> Iterator[str]:
    for finding in analyze_policy_string(json.dumps(document)).findings:
        if finding.issue != "RESOURCE_MISMATCH":
            yield f"{finding.issue} {finding.detail}"
            continue
        # Parliament looks at one statement. A call that needs two kinds of resource may have them from
        # two statements, each with its own condition.
        for missing in finding.detail:
            action, wanted = missing["action"], missing["required_format"]
            if not any(one == action and on != "*" and is_arn_match("", wanted, on) for one, on in granted):
                yield f"{finding.issue} {action} on {wanted}"


def needs_resource(action: str) -> bool:
    return any(kind["resource_type"].endswith("*") for kind in PRIVILEGES[action]["resource_types"])


def dependent(action: str) -> list[str]:
    return sorted({one for kind in PRIVILEGES[action]["resource_types"] for one in kind["dependent_actions"]})


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    json.dump({name: check(document) for name, document in json.load(sys.stdin).items()}, sys.stdout)
