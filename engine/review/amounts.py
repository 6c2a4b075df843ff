"""Costs as values: amounts, the lines that have them, and the sums before and after a plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from engine.model.prices import HOURS_PER_MONTH, Price

CURRENCY = "USD"


@dataclass(frozen=True)
class Amount:
    """USD per hour, from idle to full; None: not known."""

    idle: Decimal | None
    full: Decimal | None

    @property
    def known(self) -> bool:
        return self.idle is not None and self.full is not None


@dataclass(frozen=True)
class Line:
    """One thing that costs.

    group     "cluster", "storage" or "other"
    before, after   None where it is not there on that side
    basis     how the figure comes about, or why there is none, in words
    by_use    billed by use: the rate is in `basis`, and no sum has it
    """

    what: str
    address: str
    group: str
    before: Amount | None
    after: Amount | None
    basis: str
    by_use: bool = False

    @property
    def unknown(self) -> bool:
        """A sum lacks it."""
        return not self.by_use and any(
            side is not None and not side.known for side in (self.before, self.after)
        )


@dataclass(frozen=True)
class Total:
    """The sum of what is known on one side, USD per hour; `complete` is False when something is not."""

    idle: Decimal
    full: Decimal
    complete: bool


@dataclass(frozen=True)
class Cost:
    """Before → after.

    known_from   what the cluster's figures were read from: "plan", or "spec" where the plan knows the
                 cluster's configuration only during the apply, "" without a cluster
    prices       every price that was used, by item
    """

    region: str
    lines: tuple[Line, ...]
    before: Total
    after: Total
    known_from: str
    prices: tuple[Price, ...] = ()

    @property
    def unknown(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.unknown)

    @property
    def oldest(self) -> date | None:
        """The day of the oldest price used."""
        return min((price.source.day for price in self.prices), default=None)

    @property
    def changes(self) -> bool:
        """Whether any line differs between both sides."""
        return any(line.before != line.after for line in self.lines)


def money(amount: Decimal) -> str:
    """An amount as it is told: three digits that count, since no price is surer than that."""
    if amount == 0:
        return "0"
    digits = min(max(2 - amount.adjusted(), 0), 4)
    step = Decimal(1).scaleb(max(amount.adjusted() - 2, -4))
    return f"{amount.quantize(step, rounding=ROUND_HALF_UP):,.{digits}f}"


def monthly(amount: Decimal) -> Decimal:
    """USD per month of 730 hours."""
    return amount * HOURS_PER_MONTH
