"""How costs are told, whatever they are written in: rows, ranges, and what is in no sum."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.review.amounts import CURRENCY, Amount, Cost, Line, Total, money, monthly

NOT_KNOWN = "not known"
_ABSENT = "–"


@dataclass(frozen=True)
class Row:
    """Lines that say the same, together: `count` is how many, the figures are USD per hour of each."""

    group: str
    what: str
    before: str
    after: str
    basis: str
    count: int
    changed: bool

    @property
    def named(self) -> str:
        return f"{self.what} × {self.count}" if self.count > 1 else self.what

    @property
    def figures(self) -> str:
        """ "before → after", or the one figure where it stays."""
        return f"{self.before} → {self.after}" if self.changed else self.after


def cost_rows(cost: Cost) -> tuple[Row, ...]:
    """What is in the sums, and what should be and is not known; what is billed by use is in `by_use`."""
    return tuple(_row(line, count) for line, count in _alike(cost, by_use=False))


def by_use(cost: Cost) -> tuple[Row, ...]:
    """What is billed by use: the rate is its basis, and no sum has it."""
    return tuple(_row(line, count) for line, count in _alike(cost, by_use=True))


def missing(cost: Cost) -> tuple[str, ...]:
    """What is in no sum for want of a price or a size, each with the reason; each once."""
    found: dict[str, int] = {}
    for line in cost.unknown:
        text = f"{line.what} ({line.basis})"
        found[text] = found.get(text, 0) + 1
    return tuple(f"{text} × {count}" if count > 1 else text for text, count in found.items())


def amount_text(amount: Amount | None, factor: int = 1) -> str:
    """ "0.0416", "0 … 24.1", "0 … not known", "not known"; a dash where there is nothing."""
    if amount is None:
        return _ABSENT
    if amount.idle is None and amount.full is None:
        return NOT_KNOWN
    idle, full = (NOT_KNOWN if side is None else money(side * factor) for side in (amount.idle, amount.full))
    return idle if amount.idle == amount.full else f"{idle} … {full}"


def total_text(total: Total, *, by_month: bool = False) -> str:
    """The range of a sum; "at least" where something that belongs in it is not known."""
    scale = monthly if by_month else Decimal
    idle, full = money(scale(total.idle)), money(scale(total.full))
    both = idle if idle == full else f"{idle} … {full}"
    return both if total.complete else f"at least {both}"


def headline_of_cost(cost: Cost) -> str:
    """One sentence: per hour and per month, before → after."""
    parts = []
    for by_month, unit in ((False, "hour"), (True, "month")):
        before, after = (total_text(total, by_month=by_month) for total in (cost.before, cost.after))
        figures = after if before == after else f"{before} → {after}"
        parts.append(f"{figures} {CURRENCY} per {unit}")
    return "; ".join(parts)


def remarks_of_cost(cost: Cost) -> tuple[str, ...]:
    """What has to be known to read the figures."""
    grades = "".join(sorted({price.grade for price in cost.prices}))
    day = f"; the oldest is of {cost.oldest}" if cost.oldest else ""
    said = [
        "From idle to all nodes running all the time; a month has 730 hours.",
        f"List prices of {cost.region}, grades {', '.join(grades) or 'none'}{day}; before tax and discounts; "
        "without traffic.",
    ]
    if cost.known_from == "spec":
        said.append("The cluster's figures come from the spec: the plan knows them only during the apply.")
    return tuple(said)


def _alike(cost: Cost, *, by_use: bool) -> list[tuple[Line, int]]:
    found: dict[tuple[object, ...], tuple[Line, int]] = {}
    for line in cost.lines:
        if line.by_use is by_use:
            key = (line.group, line.what, line.basis, line.before, line.after)
            first, count = found.get(key, (line, 0))
            found[key] = (first, count + 1)
    order = ("cluster", "storage", "other")
    return sorted(found.values(), key=lambda one: order.index(one[0].group))


def _row(line: Line, count: int) -> Row:
    before, after = amount_text(line.before), amount_text(line.after)
    changed = line.before != line.after
    return Row(line.group, line.what, before, after, line.basis, count, changed)
