"""One entry of a plan's resource_changes (or resource_drift), read into a Change."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from engine.errors import TerraformError
from engine.review.cluster import cluster_updates, sentences
from engine.review.differences import differences, whole_attributes
from engine.review.knowledge import Knowledge
from engine.review.model import Action, AttributeChange, Change, Fact
from engine.review.values import UNKNOWN, Hidden, joined_masks, overlay, shown

_ACTIONS: dict[tuple[str, ...], Action] = {
    ("no-op",): Action.NO_CHANGE,
    ("create",): Action.CREATE,
    ("read",): Action.READ,
    ("update",): Action.UPDATE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("delete",): Action.DELETE,
    ("forget",): Action.FORGET,
    # Replacing something whose old object is kept: the new one comes, the old one is let go.
    ("forget", "create"): Action.REPLACE,
    ("create", "forget"): Action.REPLACE,
}

_LOSING = (Action.DELETE, Action.REPLACE)
_FOR_EVER = math.inf
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_change(
    entry: Mapping[str, Any], knowledge: Knowledge, young: Collection[str] = frozenset()
) -> Change:
    """What happens to one resource.

    entry    one member of resource_changes or resource_drift
    young    addresses of what holds nothing yet that is old enough to go when it is kept for fewer days
    Raises   TerraformError for an action that is not known here
    """
    raw = entry.get("change", {})
    address = str(entry.get("address", ""))
    before, after = before_and_after(raw)
    action = _action(entry, raw, address)
    module = str(entry.get("module_address", ""))
    name = str(entry.get("name", ""))
    kind = knowledge.kind_of(str(entry.get("type", "")), module, name, _texts(raw))
    row = knowledge.row(kind)
    attributes = _attributes(action, raw, before, after)
    holds_data = row.holds_data and entry.get("mode") != "data"
    shorter = None
    if action is Action.UPDATE and address not in young:
        shorter = kept_shorter(row.keeps_days, before, after)
    return Change(
        address=address,
        module=module,
        mode=str(entry.get("mode", "managed")),
        type=str(entry.get("type", "")),
        name=name,
        kind=kind,
        action=action,
        data_bearing=holds_data,
        loses_data=holds_data and (action in _LOSING or shorter is not None),
        create_before_destroy=raw.get("actions", [None])[0] == "create" and action is Action.REPLACE,
        previous_address=str(entry.get("previous_address", "")),
        imported_id=_imported_id(raw),
        deposed=str(entry.get("deposed", "")),
        reason_code=str(entry.get("action_reason", "")),
        reasons=_reasons(entry, attributes, knowledge),
        consequence=(*_consequence(kind, action, before, after, knowledge), *_older_goes(shorter)),
        attributes=attributes,
        facts=_facts(action, row.telling or knowledge.default.telling, before, after),
    )


def before_and_after(raw: Mapping[str, Any]) -> tuple[Any, Any]:
    """Both sides of a change, masked: what either side hides is hidden on both."""
    mask = joined_masks(raw.get("before_sensitive"), raw.get("after_sensitive"))
    before = overlay(raw.get("before"), mask, None)
    after = overlay(raw.get("after"), mask, raw.get("after_unknown"))
    return before, after


def value_at(value: Any, path: str) -> Any:
    """The value at `a.b[0].c` inside an overlaid value; None where there is nothing."""
    for word, index in _STEP.findall(path):
        if word and isinstance(value, Mapping):
            value = value.get(word)
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return value


def kept_shorter(path: str, before: Any, after: Any) -> tuple[int, int] | None:
    """The days for which something was kept and those for which it will be, where that is shorter.

    path   of the days, inside both sides; "": there are none. 0 days, and no number, are for ever
    Source   CloudWatch Logs, PutRetentionPolicy: events older than the retention are deleted, also those that
             were there before it
    """
    was, will = (value_at(side, path) or 0 for side in (before, after))
    if not isinstance(was, int) or not isinstance(will, int):
        return None
    return (was, will) if (will or _FOR_EVER) < (was or _FOR_EVER) else None


def _older_goes(shorter: tuple[int, int] | None) -> tuple[str, ...]:
    if shorter is None:
        return ()
    was, will = shorter
    so_far = f"{was} days" if was else "ever"
    return (f"What is older than {will} days is deleted; until now it was kept for {so_far}.",)


def _action(entry: Mapping[str, Any], raw: Mapping[str, Any], address: str) -> Action:
    action = _ACTIONS.get(tuple(raw.get("actions", ())))
    if action is None:
        raise TerraformError(
            f"The plan does {raw.get('actions')} with {address}, which this engine can't review.",
            hint="Review this plan by hand with `terraform show`, or use a Terraform the engine knows.",
        )
    if action is Action.NO_CHANGE and raw.get("importing"):
        return Action.IMPORT
    if action is Action.NO_CHANGE and entry.get("previous_address"):
        return Action.MOVE
    return action


def _texts(raw: Mapping[str, Any]) -> tuple[str, ...]:
    sides = [side for side in (raw.get("before"), raw.get("after")) if isinstance(side, Mapping)]
    return tuple(value for side in sides for value in side.values() if isinstance(value, str))


def _imported_id(raw: Mapping[str, Any]) -> str:
    importing = raw.get("importing")
    return str(importing.get("id") or "(by identity)") if isinstance(importing, Mapping) else ""


def _attributes(
    action: Action, raw: Mapping[str, Any], before: Any, after: Any
) -> tuple[AttributeChange, ...]:
    if action in (Action.UPDATE, Action.REPLACE):
        return differences(before or {}, after or {}, replace_paths=raw.get("replace_paths") or ())
    if action in (Action.CREATE, Action.READ):
        return whole_attributes(after, gone=False)
    if action in (Action.DELETE, Action.FORGET):
        return whole_attributes(before, gone=True)
    return ()


def _reasons(
    entry: Mapping[str, Any], attributes: tuple[AttributeChange, ...], knowledge: Knowledge
) -> tuple[str, ...]:
    code = str(entry.get("action_reason", ""))
    if not code:
        return ()
    plain = knowledge.reasons.get(code, code.replace("_", " "))
    forcing = [attribute.label for attribute in attributes if attribute.forces_replacement]
    return (f"{plain}: {', '.join(forcing)}" if forcing else plain,)


def _consequence(kind: str, action: Action, before: Any, after: Any, knowledge: Knowledge) -> tuple[str, ...]:
    sentence = knowledge.row(kind).sentences.get(action.value)
    said = [sentence] if sentence else []
    if kind == "cluster" and action is Action.UPDATE:
        updates = cluster_updates("", before, after)
        template = value_at(after, "template_body")
        hidden = template is UNKNOWN or isinstance(template, Hidden)
        if hidden or any(update.refused_always for update in updates):
            # "Changed in place" would promise too much: ParallelCluster refuses it, or may.
            said = []
        said += sentences(updates)
    return tuple(said)


def _facts(action: Action, telling: tuple[str, ...], before: Any, after: Any) -> tuple[Fact, ...]:
    if action not in (Action.CREATE, Action.DELETE, Action.FORGET, Action.IMPORT):
        return ()
    side = after if action in (Action.CREATE, Action.IMPORT) else before
    found = [(path, value_at(side, path)) for path in telling]
    return tuple(
        Fact(label=re.split(r"[.\]]", path)[-1], value=shown(value))
        for path, value in found
        if value is not None and value is not UNKNOWN and value not in ("", [], {})
    )
