"""The collection of plans that real Terraform made (tests/golden/make_plans.py), and their reviews."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from engine.model.names import names_for
from engine.model.rules import Policy
from engine.model.settings import Settings
from engine.model.tiers import chosen_tier, load_catalogue
from engine.review import Context, Review, build_review
from engine.review.reports import reports
from engine.workspace.cluster_config import cluster_configuration, render_cluster_config
from engine.workspace.stack import references
from tests.golden.project_specs import CHANGED, CREATED, spec_of

PLANS = Path(__file__).parents[2] / "golden" / "review" / "plans"
TODAY = date(2026, 11, 28)
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")


def names() -> list[str]:
    return sorted(path.name.removesuffix(".json.gz") for path in PLANS.glob("*.json.gz"))


@cache
def plan(name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(gzip.decompress((PLANS / f"{name}.json.gz").read_bytes()))
    return shown


def context(name: str, policy: Policy | None = None) -> Context:
    """What an installation in us-east-1 would say to that plan."""
    of_project = name in CREATED or name in CHANGED
    return Context(
        today=TODAY,
        region="us-east-1",
        configuration=_configuration(name) if of_project else None,
        own_name=NAMES.cluster.rsplit("-", 1)[-1] if of_project else "",
        policy=policy or Policy(),
    )


@cache
def review(name: str) -> Review:
    return build_review(plan(name), project="lab-1/proj-1", context=context(name))


@cache
def written(name: str) -> Mapping[str, str]:
    return reports(review(name))


def _configuration(name: str) -> dict[str, Any]:
    spec = spec_of(**(CREATED.get(name) or CHANGED[name]))
    tier = chosen_tier(load_catalogue(), spec)
    text = render_cluster_config(
        spec=spec, names=NAMES, settings=Settings(), tier=tier, references=references(spec)
    )
    return cluster_configuration(text)
