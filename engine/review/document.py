"""The review as JSON for machines. The same review gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.model.prices import HOURS_PER_MONTH
from engine.review.amounts import CURRENCY, Amount, Cost, Total, monthly
from engine.review.cost_table import headline_of_cost
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
        "risk_reasons": list(review.risk_reasons),
        "nothing_to_do": review.nothing_to_do,
        "applyable": review.applyable,
        "complete": review.complete,
        "errored": review.errored,
        "counts": _plain(review.counts),
        "findings": _plain(review.findings),
        "cluster_updates": [{**_plain(one), "says": one.says} for one in review.cluster_updates],
        "cost": _cost(review.cost) if review.cost else None,
        "cluster": _plain(review.cluster),
        "changes": _plain(review.changes),
        "drift": _plain(review.drift),
        "outputs": _plain(review.outputs),
    }


def gitlab_report(review: Review) -> dict[str, int]:
    """The three numbers of GitLab's terraform report, which its merge-request widget shows.

    Source   GitLab's "Terraform integration in merge requests"; a replacement counts as create and delete
    """
    counts = review.counts
    return {"create": counts.add, "update": counts.change, "delete": counts.destroy}


def _cost(cost: Cost) -> dict[str, Any]:
    """Figures are USD per hour and, in totals, per month; null where they are not known."""
    return {
        "currency": CURRENCY,
        "region": cost.region,
        "hours_per_month": HOURS_PER_MONTH,
        "summary": headline_of_cost(cost),
        "known_from": cost.known_from,
        "oldest_price": cost.oldest.isoformat() if cost.oldest else None,
        "before": _total(cost.before),
        "after": _total(cost.after),
        "lines": [
            {
                "what": line.what,
                "address": line.address,
                "group": line.group,
                "before": _amount(line.before),
                "after": _amount(line.after),
                "basis": line.basis,
                "by_use": line.by_use,
                "unknown": line.unknown,
            }
            for line in cost.lines
        ],
        "prices": [
            {
                "item": price.item,
                "usd": f"{price.usd:f}",
                "per": price.per,
                "date": price.source.day.isoformat(),
                "grade": price.grade,
                "source": price.source.title,
            }
            for price in cost.prices
        ],
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "idle_usd_per_hour": _number(total.idle),
        "full_usd_per_hour": _number(total.full),
        "idle_usd_per_month": _number(monthly(total.idle)),
        "full_usd_per_month": _number(monthly(total.full)),
        "complete": total.complete,
    }


def _amount(amount: Amount | None) -> dict[str, Any] | None:
    if amount is None:
        return None
    return {"idle": _number(amount.idle), "full": _number(amount.full)}


def _number(value: Decimal | None) -> float | None:
    # Six digits: enough for the cheapest, and no trace of a third that never ends.
    return None if value is None else float(round(value, 6))


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
