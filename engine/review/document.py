"""The review as JSON for machines. The same review gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any

from engine.review.model import Review
from engine.review.outline import headline

FORMAT = 1
"""Grows by one when a field changes its meaning or goes; new fields alone don't count."""


def review_json(review: Review) -> dict[str, Any]:
    """The review as JSON-ready values: format, project, summary, risk, counts, findings, changes, ..."""
    return {
        "format": FORMAT,
        "project": review.project,
        "terraform_version": review.terraform_version,
        "summary": headline(review),
        "risk": review.risk.value,
        "nothing_to_do": review.nothing_to_do,
        "applyable": review.applyable,
        "complete": review.complete,
        "errored": review.errored,
        "counts": _plain(review.counts),
        "findings": _plain(review.findings),
        "cluster_updates": [{**_plain(one), "says": one.says} for one in review.cluster_updates],
        "changes": _plain(review.changes),
        "drift": _plain(review.drift),
        "outputs": _plain(review.outputs),
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
