"""From `terraform show -json` of a saved plan to a Review. Pure: a dictionary in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import TerraformError
from engine.review.amounts import Cost
from engine.review.changes import before_and_after, read_change
from engine.review.cluster import cluster_updates, node_updates
from engine.review.context import Context
from engine.review.cost import cluster_shapes, cost_of
from engine.review.dependencies import dependencies
from engine.review.findings import findings_of
from engine.review.knowledge import load_knowledge
from engine.review.model import Action, Change, ClusterSides, ClusterUpdate, Counts, OutputChange, Review
from engine.review.redaction import Redaction
from engine.review.risk import risk_of
from engine.review.values import UNKNOWN, Hidden, hidden_strings, holds, joined_masks, overlay, shown

_IDLE_OUTPUT = ["no-op"]
_KEPT = (Action.UPDATE, Action.NO_CHANGE)
_OUTPUT_ACTIONS = {"create": Action.CREATE, "update": Action.UPDATE, "delete": Action.DELETE}


def build_review(
    plan: Mapping[str, Any],
    *,
    project: str,
    own_queues: bool = False,
    context: Context | None = None,
) -> Review:
    """Everything one saved plan would do, and what follows from it.

    plan        `terraform show -json PLANFILE`, parsed
    project     "vlab/project" the plan should be for; resources tagged for another one are a finding
    own_queues  whether its spec has queues in place of a tier: other fields are to blame then
    context     the day, the prices, the installation's rules and the spec's waivers; None: none of them
    Returns     a Review; every entry of resource_changes is in `changes`, none is dropped
    Raises      TerraformError when this is no plan, or one in a format or with an action that is not
                known here: a review that skips what it can't read would be worse than none
    Source      Terraform's "JSON Output Format" 1.x, Plan Representation
    """
    _check_format(plan, project)
    known = load_knowledge()
    context = context or Context()
    redaction = Redaction(_secrets(plan))

    entries = plan.get("resource_changes") or []
    changes = tuple(
        sorted(
            (redaction.change(read_change(entry, known, context.young)) for entry in entries),
            key=lambda change: (change.address, change.deposed),
        )
    )
    drift = tuple(
        sorted(
            (redaction.change(read_change(entry, known)) for entry in plan.get("resource_drift") or []),
            key=lambda change: change.address,
        )
    )
    outputs = tuple(
        redaction.output(output) for output in _outputs(plan.get("output_changes") or {}, project)
    )
    errored = bool(plan.get("errored", False))
    complete = bool(plan.get("complete", True))
    updates = tuple(_cluster_updates(entries, changes, own_queues))
    cost = _cost(entries, changes, context, redaction)
    findings = findings_of(
        entries,
        changes,
        updates,
        known,
        project=project,
        errored=errored,
        complete=complete,
        redaction=redaction,
        cost=cost,
        context=context,
    )
    risk, reasons = risk_of(findings, touches=_touches(changes, outputs))
    return Review(
        project=project,
        terraform_version=str(plan.get("terraform_version", "")),
        changes=changes,
        counts=_counts(changes),
        drift=drift,
        outputs=outputs,
        errored=errored,
        applyable=bool(plan.get("applyable", not errored)),
        complete=complete,
        risk=risk,
        findings=findings,
        cluster_updates=tuple(redaction.cluster_update(one) for one in updates),
        risk_reasons=reasons,
        cost=cost,
        cluster=_cluster(entries, changes, context),
        edges=dependencies(plan.get("configuration") or {}),
    )


def _cost(
    entries: Sequence[Mapping[str, Any]],
    changes: tuple[Change, ...],
    context: Context,
    redaction: Redaction,
) -> Cost | None:
    if not context.region:
        return None
    cost = cost_of(
        entries, changes, region=context.region, table=context.prices, wanted=context.configuration
    )
    lines = (
        replace(line, what=redaction.value(line.what), basis=redaction.value(line.basis))
        for line in cost.lines
    )
    return replace(cost, lines=tuple(lines))


def _cluster(
    entries: Sequence[Mapping[str, Any]], changes: tuple[Change, ...], context: Context
) -> ClusterSides:
    of_clusters = {c.address: c.action for c in changes if c.kind == "cluster" and not c.deposed}
    for entry in entries:
        action = of_clusters.get(str(entry.get("address")))
        if action is not None and not entry.get("deposed"):
            before, after = before_and_after(entry["change"])
            shapes, known_from = cluster_shapes(before, after, context.configuration)
            return ClusterSides(*shapes, known_from)
    return ClusterSides()


def _cluster_updates(
    entries: Sequence[Mapping[str, Any]], changes: tuple[Change, ...], own_queues: bool
) -> Iterator[ClusterUpdate]:
    clusters = {
        change.address
        for change in changes
        if change.kind == "cluster" and change.action is Action.UPDATE and not change.deposed
    }
    for entry in entries:
        if entry.get("address") in clusters and not entry.get("deposed"):
            before, after = before_and_after(entry["change"])
            yield from cluster_updates(str(entry["address"]), before, after, own_queues=own_queues)
    kept = [
        change.address
        for change in changes
        if change.kind == "cluster" and change.action in _KEPT and not change.deposed
    ]
    for entry in entries if kept else ():
        if entry.get("type") == "aws_s3_object" and not entry.get("deposed"):
            yield from node_updates(kept[0], *before_and_after(entry["change"]))


def _check_format(plan: Mapping[str, Any], project: str) -> None:
    version = str(plan.get("format_version", ""))
    # A state is shown with `values`; a plan of an empty root has no resource_changes at all.
    is_plan = "resource_changes" in plan or "planned_values" in plan
    if version.partition(".")[0] != "1" or not is_plan:
        raise TerraformError(
            f"What Terraform showed for {project} is no plan that can be reviewed "
            f"(format {version or 'unknown'}).",
            hint="Plan again with Terraform 1.11 or newer, below 2.",
        )


def _secrets(plan: Mapping[str, Any]) -> Iterator[str]:
    """Every text that Terraform hides anywhere in the plan."""
    shapes = [
        *(entry.get("change", {}) for entry in plan.get("resource_changes") or []),
        *(entry.get("change", {}) for entry in plan.get("resource_drift") or []),
        *(plan.get("output_changes") or {}).values(),
    ]
    for change in shapes:
        for side in ("before", "after"):
            yield from hidden_strings(overlay(change.get(side), change.get(f"{side}_sensitive"), None))
    declared = plan.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in (plan.get("variables") or {}).items():
        if declared.get(name, {}).get("sensitive"):
            yield from hidden_strings(Hidden(variable.get("value")))


def _outputs(changes: Mapping[str, Any], project: str) -> Iterator[OutputChange]:
    for name, change in sorted(changes.items()):
        actions = change.get("actions", [])
        if actions == _IDLE_OUTPUT:
            continue
        if len(actions) != 1 or actions[0] not in _OUTPUT_ACTIONS:
            raise TerraformError(f"The plan for {project} does {actions} with output {name}: not known here.")
        mask = joined_masks(change.get("before_sensitive"), change.get("after_sensitive"))
        before = overlay(change.get("before"), mask, None)
        after = overlay(change.get("after"), mask, change.get("after_unknown"))
        yield OutputChange(
            name=name,
            action=_OUTPUT_ACTIONS[actions[0]],
            before=shown(before) if actions != ["create"] else None,
            after=shown(after) if actions != ["delete"] else None,
            sensitive=holds(before, Hidden) or holds(after, Hidden),
            unknown=holds(after, UNKNOWN),
        )


def _counts(changes: tuple[Change, ...]) -> Counts:
    seen = Counter(change.action for change in changes)
    return Counts(
        add=seen[Action.CREATE] + seen[Action.REPLACE],
        change=seen[Action.UPDATE],
        destroy=seen[Action.DELETE] + seen[Action.REPLACE],
        replace=seen[Action.REPLACE],
        imported=sum(1 for change in changes if change.imported_id),
        moved=sum(1 for change in changes if change.previous_address),
        forgotten=seen[Action.FORGET],
        read=seen[Action.READ],
        unchanged=seen[Action.NO_CHANGE],
    )


def _touches(changes: tuple[Change, ...], outputs: tuple[OutputChange, ...]) -> bool:
    idle = (Action.NO_CHANGE, Action.READ)
    return bool(outputs) or any(change.action not in idle for change in changes)
