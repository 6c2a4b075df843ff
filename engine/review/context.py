"""What a review is told beside the plan: the day, the prices, and what the installation and the spec say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from engine.model.prices import PriceTable, load_prices
from engine.model.rules import Policy, Waiver


@dataclass(frozen=True)
class LabUse:
    """What the other projects of the virtual lab may use, with every node running.

    vcpus, usd_per_hour   of what is known
    vcpus_known, cost_known   False when something is not
    """

    clusters: int = 0
    vcpus: int = 0
    vcpus_known: bool = True
    usd_per_hour: Decimal = Decimal(0)
    cost_known: bool = True


@dataclass(frozen=True)
class PolicyResult:
    """What one of the installation's own policies says against a plan.

    policy    tool and name, as a person finds it: "checkov ACME_1"
    address   of the resource, "" where the policy names none
    blocks    False where it only advises
    """

    policy: str
    message: str
    address: str = ""
    blocks: bool = True


@dataclass(frozen=True)
class Context:
    """All of it has a default that leaves the part of the review out that it is for.

    today           UTC; None: waivers never hold
    region          "" leaves the cost out
    configuration   the ParallelCluster configuration that the spec asks for; a plan that makes a cluster
                    knows it only during the apply
    policy_results  what the installation's own policies say against the plan
    taken_over      ids of what the project took over under the names that it has
    young           addresses of what is younger than anything in it is to be kept: that it is kept for fewer
                    days than now loses nothing
    own_name        the part that all of the project's names have, and nobody else's
    """

    today: date | None = None
    region: str = ""
    prices: PriceTable = field(default_factory=load_prices)
    configuration: Mapping[str, Any] | None = None
    own_name: str = ""
    policy: Policy = field(default_factory=Policy)
    waivers: tuple[Waiver, ...] = ()
    taken_over: tuple[str, ...] = ()
    others: LabUse = field(default_factory=LabUse)
    policy_results: tuple[PolicyResult, ...] = ()
    young: frozenset[str] = frozenset()
