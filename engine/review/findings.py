"""The rules that look at every plan. Each is one small function with a name that stays.

The names, what each wants and what it does are data, engine/model/data/rules.yaml; those of the installation
have their functions in engine/review/rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import ClusterUpdateRefused, DataAtRisk, RuleBroken
from engine.model import tags
from engine.model.aws_commands import update_fleet
from engine.model.cluster_updates import Need
from engine.model.rules import RULE_BROKEN, load_rules
from engine.review.amounts import Cost
from engine.review.changes import before_and_after, kept_shorter, value_at
from engine.review.cluster import cluster_name
from engine.review.context import Context
from engine.review.knowledge import Knowledge
from engine.review.model import Action, Change, ClusterUpdate, Finding, Review, Risk
from engine.review.notation import shown_value
from engine.review.redaction import Redaction
from engine.review.rules import FEW_TAGS, policy_findings
from engine.review.values import UNKNOWN, shown

NEW_CLUSTER_HINT = (
    "Take the change back, or release the project and apply again: that makes a new cluster; bucket and "
    "home directories stay."
)
OLD_HOME_HINT = (
    "But home directories keep the old user id, and a new cluster refuses one that is not its user's."
)

_LOSING = (Action.DELETE, Action.REPLACE)


@dataclass(frozen=True)
class _Subject:
    """One change with both its sides, masked, and what it does to a running cluster."""

    change: Change
    updates: tuple[ClusterUpdate, ...]
    before: Any
    after: Any
    expected_tags: Mapping[str, str]
    knowledge: Knowledge
    region: str


def findings_of(
    entries: Sequence[Mapping[str, Any]],
    changes: Sequence[Change],
    updates: Sequence[ClusterUpdate],
    knowledge: Knowledge,
    *,
    project: str,
    errored: bool,
    complete: bool,
    redaction: Redaction,
    cost: Cost | None = None,
    context: Context | None = None,
) -> tuple[Finding, ...]:
    """What the rules have to say, the gravest first, then by address.

    entries   resource_changes as Terraform gave them; changes   the same, read
    updates   what they change in running clusters
    cost      of the plan, for the limits
    context   what the installation demands, and what the spec waives
    project   "vlab/project"; a name without a slash is of no project, and no project's tags are expected
    """
    vlab_id, slash, project_id = project.partition("/")
    context = context or Context()
    expected = {tags.VLAB: vlab_id, tags.PROJECT: project_id} if slash else {}
    raw = {(str(e.get("address", "")), str(e.get("deposed", ""))): e.get("change", {}) for e in entries}
    found = list(_about_the_plan(errored=errored, complete=complete))
    for change in changes:
        before, after = before_and_after(raw[change.address, change.deposed])
        of_this = tuple(one for one in updates if one.address == change.address and not change.deposed)
        subject = _Subject(change, of_this, before, after, expected, knowledge, context.region)
        for rule in _RULES:
            found += rule(subject)
    found += policy_findings(entries, changes, cost, context)
    found = [_judged(item, context) for item in found]
    found += _expired(found, context)
    clean = [
        replace(item, message=redaction.value(item.message), hint=redaction.value(item.hint))
        for item in found
    ]
    return tuple(sorted(clean, key=lambda item: (-item.severity.rank, item.address, item.rule)))


def _judged(finding: Finding, context: Context) -> Finding:
    """The finding with what its rule refuses, and the waiver that covers it."""
    rule = load_rules()[finding.rule]
    waiver = next(
        (
            one
            for one in context.waivers
            if context.today and one.covers(finding.rule, finding.address) and one.holds_on(context.today)
        ),
        None,
    )
    waived = f"{waiver.reason} (until {waiver.until})" if waiver and rule.waivable else ""
    return replace(finding, refuses=rule.refuses, waived=waived)


def _expired(found: Sequence[Finding], context: Context) -> Iterator[Finding]:
    for waiver in context.waivers:
        if context.today is None or waiver.holds_on(context.today):
            continue
        matter = any(waiver.covers(one.rule, one.address) for one in found)
        yield Finding(
            "waiver-expired",
            Risk.LOW,
            waiver.resource or "",
            f"The waiver of {waiver.rule} ended on {waiver.until}"
            + (", and the rule is broken." if matter else "."),
            "Take it out of the spec" + (", or agree on another day." if matter else "."),
        )


def refuse_broken_rules(review: Review) -> None:
    """Stop a plan that breaks a rule of the installation and is not waived.

    Raises   RuleBroken naming each rule and address; details["rules"] has rule, address, message and hint
             of each. Loss of data and refused cluster updates have errors of their own.
    """
    broken = [one for one in review.findings if one.refuses == RULE_BROKEN and not one.waived]
    if not broken:
        return
    listed = "".join(f"\n  - {one.rule}: {one.address}: {one.message}" for one in broken)
    raise RuleBroken(
        f"The plan for {review.project} breaks rules of this installation:{listed}",
        hint="Nothing was changed. Change the spec, or waive the rule there (`waivers`) with a reason and a "
        "last day; docs/review.md says what each rule wants.",
        details={
            "rules": [
                {"rule": one.rule, "address": one.address, "message": one.message, "hint": one.hint}
                for one in broken
            ]
        },
    )


def refuse_data_loss(
    review: Review, *, allowed: Collection[str] = (), fewer_days_allowed: bool = False
) -> None:
    """Stop a plan that would lose data nobody gave up.

    allowed             resource types or addresses that this operation may delete
    fewer_days_allowed  whether this operation may have data kept for fewer days, as the settings say
    Raises    DataAtRisk naming each address, what is lost, and what to do; details["resources"] has
              address, type, action and consequence of each
    """
    waived = {one.address for one in review.findings if one.rule == "data-loss" and one.waived}
    lost = [
        change
        for change in review.changes
        if change.loses_data
        and change.address not in waived
        and change.type not in allowed
        and change.address not in allowed
        and not (fewer_days_allowed and change.action not in _LOSING)
    ]
    if not lost:
        return
    listed = "".join(f"\n  - {change.address}: {' '.join(_loss(change))}" for change in lost)
    raise DataAtRisk(
        f"The plan for {review.project} would lose data, and nobody gave that data up:{listed}",
        hint="Nothing was changed. " + " ".join(_ways_on(review, lost)),
        details={
            "resources": [
                {
                    "address": change.address,
                    "type": change.type,
                    "action": change.action.value,
                    "consequence": " ".join(_loss(change)),
                }
                for change in lost
            ]
        },
    )


def _ways_on(review: Review, lost: Sequence[Change]) -> Iterator[str]:
    if any(change.action in _LOSING for change in lost):
        yield (
            "To keep the data, take back the change that causes this. To end the cluster and keep bucket "
            "and home directories, release the project; to delete the data for good, destroy it with "
            "--purge-data."
        )
    shortened = {change.address for change in lost if change.action not in _LOSING}
    told = (one.hint for one in review.findings if one.rule == "data-loss" and one.address in shortened)
    yield from dict.fromkeys(told)


def refuse_cluster_update(
    review: Review, *, cluster: str, region: str, fleet_stopped: Callable[[], bool]
) -> None:
    """Stop a plan whose update of a running cluster AWS would refuse, half way through the apply, or which
    the nodes' own software could not take.

    cluster         its name
    fleet_stopped   asked only when it decides
    Raises    ClusterUpdateRefused naming each key, the field it comes from, and what to do;
              details["changes"] has key, fields, need and consequence of each
    """
    refused = [one for one in review.cluster_updates if one.refused_while_running]
    if not refused or (not any(one.refused_always for one in refused) and fleet_stopped()):
        return
    listed = "".join(f"\n  - {one.named}: {one.says}" for one in refused)
    raise ClusterUpdateRefused(
        f"The running cluster of {review.project} cannot be changed so:{listed}",
        hint="Nothing was changed. " + _way_on(refused, cluster, region),
        details={
            "changes": [
                {"key": one.key, "fields": list(one.fields), "need": one.need.value, "consequence": one.says}
                for one in refused
            ]
        },
    )


def _way_on(refused: Sequence[ClusterUpdate], cluster: str, region: str) -> str:
    if any(one.refused_always for one in refused):
        of_old_id = any("setting user_uid" in one.fields for one in refused)
        return f"{NEW_CLUSTER_HINT} {OLD_HOME_HINT}" if of_old_id else NEW_CLUSTER_HINT
    stop, start = _fleet_commands(cluster, region)
    way = (
        f"Stop the compute fleet, which ends running jobs: `{stop}`; apply when it is STOPPED; start it "
        f"again: `{start}`. Or take the change back."
    )
    if all(one.need is Need.TERMINATE for one in refused):
        way += (
            " AWS would also take it with QueueUpdateStrategy TERMINATE; this engine's clusters have DRAIN."
        )
    return way


def _fleet_commands(cluster: str, region: str) -> tuple[str, str]:
    """What stops the compute fleet, and what starts it."""
    return (
        update_fleet(cluster, "STOP_REQUESTED", region=region),
        update_fleet(cluster, "START_REQUESTED", region=region),
    )


def _loss(change: Change) -> tuple[str, ...]:
    because = tuple(f"Why: {reason}." for reason in change.reasons)
    verb = "replaced by an empty one" if change.action is Action.REPLACE else "deleted with all it holds"
    return (*(change.consequence or (f"It is {verb}.",)), *because)


def _about_the_plan(*, errored: bool, complete: bool) -> Iterator[Finding]:
    if errored:
        yield Finding(
            "plan-errored",
            Risk.HIGH,
            "",
            "Planning failed part way: this shows only a part of what would change.",
            "It can't be applied. Mend the error that Terraform reported and plan again.",
        )
    elif not complete:
        yield Finding(
            "plan-incomplete",
            Risk.MEDIUM,
            "",
            "Terraform put a part of the changes off to a later plan.",
            "Plan again after the apply, and review that plan too.",
        )


def _data_loss(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if change.loses_data:
        message = " ".join(change.consequence) or " ".join(_loss(replace(change, reasons=())))
        yield Finding("data-loss", Risk.HIGH, change.address, message, _to_keep_data(subject))


def _to_keep_data(subject: _Subject) -> str:
    row = subject.knowledge.row(subject.change.kind)
    shorter = kept_shorter(row.keeps_days, subject.before, subject.after)
    if subject.change.action in _LOSING or shorter is None:
        return "Apply this only if that data is given up."
    days = f"{shorter[0]} or more, or to 0 (for ever)" if shorter[0] else "0 (for ever)"
    return (
        f"To keep it, set {row.days_setting or row.keeps_days} back to {days}. To give it up, waive "
        "data-loss for this resource in the spec (`waivers`), with a reason and a last day."
    )


def _data_forgotten(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if change.data_bearing and change.action is Action.FORGET:
        message = " ".join(change.consequence) or "It stays, but the engine no longer looks after it."
        yield Finding(
            "data-forgotten",
            Risk.MEDIUM,
            change.address,
            message,
            "Write down who looks after it now.",
        )


def _cluster_ends(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if change.kind == "cluster" and change.action in _LOSING:
        replaced = change.action is Action.REPLACE
        yield Finding(
            "cluster-replaced" if replaced else "cluster-deleted",
            Risk.HIGH if replaced else Risk.MEDIUM,
            change.address,
            " ".join(change.consequence),
            "Tell the project's users first.",
        )


def _cluster_update(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    for update in subject.updates:
        if update.refused_while_running:
            severity = Risk.HIGH if update.refused_always else Risk.MEDIUM
            hint = NEW_CLUSTER_HINT if update.refused_always else _stop_hint(subject)
            yield Finding("cluster-update", severity, change.address, f"{update.named}: {update.says}.", hint)


def _stop_hint(subject: _Subject) -> str:
    """REGION where the review is told none."""
    stop, start = _fleet_commands(cluster_name(subject.before), subject.region or "REGION")
    return (
        "Stop the compute fleet first, which ends running jobs, and start it again after the apply: "
        f"`{stop}`, then `{start}`."
    )


def _protection_removed(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if change.action is not Action.UPDATE:
        return
    for path, safe in subject.knowledge.row(change.kind).guards.items():
        after = value_at(subject.after, path)
        if value_at(subject.before, path) == safe and after != safe:
            yield Finding(
                "protection-removed",
                Risk.MEDIUM,
                change.address,
                f"{path}: {shown_value(safe)} → {shown_value(shown(after))} takes a protection away.",
                "Make sure this is meant: a later mistake could lose the data.",
            )


def _tagged_for_another(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if change.mode == "data" or change.action in (Action.NO_CHANGE, Action.READ):
        return
    taken_from = _strange_tags(subject.before, subject.expected_tags)
    given_to = _strange_tags(subject.after, subject.expected_tags)
    if taken_from or given_to:
        owner = ", ".join(f"{key} = {value}" for key, value in (taken_from or given_to).items())
        yield Finding(
            "foreign-resource",
            Risk.HIGH,
            change.address,
            f"It {'is' if taken_from else 'would be'} tagged for another project ({owner}).",
            "Check that the plan was made for the right project, and that nothing is shared by mistake.",
        )


def _missing_tags(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    all_tags = value_at(subject.after, "tags_all")
    taggable = (
        isinstance(subject.after, Mapping)
        and "tags_all" in subject.after
        and change.type != FEW_TAGS
        and (all_tags is None or isinstance(all_tags, Mapping))
    )
    if change.mode == "data" or change.action in (Action.NO_CHANGE, Action.READ) or not taggable:
        return
    missing = [key for key in subject.expected_tags if key not in (all_tags or {})]
    if missing:
        yield Finding(
            "missing-tags",
            Risk.MEDIUM,
            change.address,
            f"It has no {' and no '.join(missing)} tag: bills and recovery could not tell whose it is.",
            "Give it the project's tags; the workspace's provider sets them by default.",
        )


def _strange_tags(side: Any, expected: Mapping[str, str]) -> dict[str, str]:
    all_tags = value_at(side, "tags_all")
    if not isinstance(all_tags, Mapping):
        return {}
    return {
        key: all_tags[key]
        for key, value in expected.items()
        if isinstance(all_tags.get(key), str) and all_tags[key] != value
    }


def _hidden_change(subject: _Subject) -> Iterator[Finding]:
    change = subject.change
    if (
        change.kind == "cluster"
        and change.action is Action.UPDATE
        and value_at(subject.after, "template_body") is UNKNOWN
    ):
        yield Finding(
            "hidden-change",
            Risk.MEDIUM,
            change.address,
            "The cluster's configuration is known only during apply: what changes in it can't be reviewed.",
            "Apply what it depends on first, then plan again and review the rest.",
        )


_RULES: tuple[Callable[[_Subject], Iterator[Finding]], ...] = (
    _data_loss,
    _data_forgotten,
    _cluster_ends,
    _cluster_update,
    _protection_removed,
    _tagged_for_another,
    _missing_tags,
    _hidden_change,
)
