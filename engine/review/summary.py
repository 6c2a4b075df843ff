"""What a plan means, in sentences for somebody who has never seen Terraform."""

from __future__ import annotations

from collections.abc import Iterator

from engine.review.cost_table import headline_of_cost
from engine.review.model import Action, Change, Review

_LOSING = (Action.DELETE, Action.REPLACE)


def verdict(review: Review) -> str:
    """Whether it can be applied, and what stands against it."""
    if review.errored:
        return "It can't be applied: planning failed part way."
    if review.nothing_to_do:
        return "There is nothing to apply."
    against = list(dict.fromkeys(one.rule for one in review.findings if one.stands_against))
    if against:
        return f"It would be refused as it is: {', '.join(against)}."
    return "It can be applied."


def sentences(review: Review) -> tuple[str, ...]:
    """What happens to data, to running jobs, and to the bill; nothing for a plan that does nothing."""
    if review.nothing_to_do:
        return ("Everything is as the spec says.",)
    return (*_of_data(review), *_of_the_cluster(review), *_of_cost(review))


def _of_data(review: Review) -> Iterator[str]:
    waived = {one.address for one in review.findings if one.rule == "data-loss" and one.waived}
    losing = [one for one in review.changes if one.loses_data]
    gone = [one.address in waived for one in losing if one.action in _LOSING]
    shortened = [one.address in waived for one in losing if one.action not in _LOSING]
    if gone:
        stores = "1 place that holds data is" if len(gone) == 1 else f"{len(gone)} places that hold data are"
        yield _lost(f"{stores} deleted or replaced", sum(gone))
    if shortened:
        stores = "1 place keeps" if len(shortened) == 1 else f"{len(shortened)} places keep"
        yield _lost(f"{stores} data for fewer days", sum(shortened))
    if not losing:
        yield "No data is lost."


def _lost(said: str, given_up: int) -> str:
    return f"Data is lost: {said}" + (f", {given_up} of them given up in the spec." if given_up else ".")


def _of_the_cluster(review: Review) -> Iterator[str]:
    clusters = [one for one in review.changes if one.kind == "cluster" and one.action is not Action.READ]
    touched = [one for one in clusters if one.action is not Action.NO_CHANGE]
    for change in touched:
        yield from _cluster_sentences(review, change)
    if clusters and not touched:
        yield "The cluster and its jobs are not touched."


def _cluster_sentences(review: Review, change: Change) -> Iterator[str]:
    says = [one.says for one in review.cluster_updates if one.address == change.address]
    # The change's own consequences name every key; here their number is enough.
    known = [one for one in change.consequence if not one.startswith(tuple(says) or ("\0",))]
    yield from known or (() if says else (f"The cluster: {change.action.value}.",))
    for said in dict.fromkeys(says):
        count = says.count(said)
        yield f"{said}: {count} setting{'s' if count > 1 else ''} of the cluster."


def _of_cost(review: Review) -> Iterator[str]:
    cost = review.cost
    if cost is None or not cost.lines:
        return
    said = headline_of_cost(cost)
    yield f"It costs {said}." if cost.changes else f"The cost stays: {said}."
