"""What conftest and checkov answer about a plan, read into one shape. Pure.

Source   conftest's documentation, `conftest test --output json`: a list of {filename, namespace, failures,
         warnings}, whose members have `msg` and, where the rule gives it, `metadata`
         checkov 3.3, `-o json`: {results: {failed_checks: [{check_id, check_name, resource}]}, summary}; the
         summary alone where there was nothing to look at; a list of these for several frameworks
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.review.context import PolicyResult


def read_conftest(text: str) -> tuple[PolicyResult, ...]:
    """What broke a Rego policy. A rule may name the resource as `address` in its metadata.

    Raises   ValueError for what is no answer of conftest's
    """
    document = json.loads(text)
    if not isinstance(document, list) or not all(isinstance(one, Mapping) for one in document):
        raise ValueError("no list of results")
    return tuple(
        PolicyResult(
            policy=f"conftest {one.get('namespace', 'main')}",
            message=str(found["msg"]),
            address=str((found.get("metadata") or {}).get("address", "")),
            blocks=kind == "failures",
        )
        for one in document
        for kind in ("failures", "warnings")
        for found in one.get(kind) or ()
    )


def read_checkov(text: str) -> tuple[PolicyResult, ...]:
    """What broke a check of checkov's.

    Raises   ValueError for what is no answer of checkov's, and where it could not read the plan
    """
    document = json.loads(text)
    return tuple(_failed(document if isinstance(document, list) else [document]))


def _failed(reports: list[Any]) -> Iterator[PolicyResult]:
    for report in reports:
        if not isinstance(report, Mapping):
            raise ValueError("no report")
        summary = report.get("summary", report)
        if "failed" not in summary or summary.get("parsing_errors"):
            raise ValueError("the plan was not read")
        for check in report.get("results", {}).get("failed_checks", ()):
            yield PolicyResult(
                policy=f"checkov {check['check_id']}",
                message=str(check["check_name"]),
                address=str(check.get("resource", "")),
            )
