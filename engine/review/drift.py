"""What somebody changed at AWS behind the engine's back, told from what changes by itself. Pure.

Terraform's refresh finds both: a port that was opened by hand, and the bytes that a file system holds by now.
What the configuration sets is drift when it differs, and so is what is gone, and the few attributes that
nobody should set (data/drift.yaml). The rules of a security group are resources of their own, and Terraform
does not mind further ones: those are looked for here, among what the group itself says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from engine.model.data_files import read_data
from engine.review.model import Action, AttributeChange, Change
from engine.review.outline import attributes_of
from engine.review.plan import build_review

_NOT_SET = "no configuration sets it"
_RULES = {
    "aws_vpc_security_group_ingress_rule": "ingress",
    "aws_vpc_security_group_egress_rule": "egress",
}


@dataclass(frozen=True)
class Drifted:
    """One resource that is not as it was left: `change` holds the attributes that count.

    id        of the resource at AWS
    told      what that means, sentences
    """

    change: Change
    id: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Noise:
    """An attribute that differs without anybody's doing."""

    address: str
    attribute: str
    because: str


@dataclass(frozen=True)
class LastOperation:
    """What the engine did last with a project. finished_at: UTC, aware; None while it is under way."""

    id: str
    kind: str
    state: str
    requested_by: str
    finished_at: datetime | None


class Standing(StrEnum):
    """How a project was found."""

    CLEAN = "clean"
    DRIFTED = "drifted"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class ProjectDrift:
    """What was found of one project.

    because         why it was skipped, or could not be looked at
    owner           of the project, as its tags say
    last_operation  what the engine did last: what happened later was not its doing
    """

    project: str
    standing: Standing
    because: str = ""
    drifted: tuple[Drifted, ...] = ()
    noise: tuple[Noise, ...] = ()
    owner: str = ""
    last_operation: LastOperation | None = None


@dataclass(frozen=True)
class DriftReport:
    """What was found of each project, at one time (UTC, aware)."""

    at: datetime
    account_id: str
    region: str
    projects: tuple[ProjectDrift, ...]

    def having(self, standing: Standing) -> tuple[ProjectDrift, ...]:
        return tuple(one for one in self.projects if one.standing is standing)

    @property
    def exit_code(self) -> int:
        """As of a plan: 1 something could not be looked at, 2 there is drift, 0 neither."""
        if self.having(Standing.FAILED):
            return 1
        return 2 if self.having(Standing.DRIFTED) else 0


def read_drift(plan: Mapping[str, Any], *, project: str) -> tuple[tuple[Drifted, ...], tuple[Noise, ...]]:
    """Drift and noise in a plan that only refreshes.

    plan     `terraform show -json` of a plan with -refresh-only
    Raises   TerraformError when this is no plan that is known here
    """
    sets = _configured(plan)
    ids = {
        str(entry.get("address")): _id_of(entry.get("change", {}))
        for entry in plan.get("resource_drift") or ()
    }
    drifted: list[Drifted] = []
    noise: list[Noise] = []
    for change in build_review(plan, project=project).drift:
        if change.action in (Action.DELETE, Action.FORGET):
            told = ("It is gone at AWS.", *(("It held data.",) if change.data_bearing else ()))
            drifted.append(Drifted(change, ids.get(change.address, ""), told))
            continue
        counts = []
        for attribute in attributes_of(change, drift=True).lines:
            because = _noise(change, attribute, sets.get(_block(change.address), {}))
            if because:
                noise.append(Noise(change.address, attribute.label, because))
            else:
                counts.append(attribute)
        if counts:
            drifted.append(Drifted(replace(change, attributes=tuple(counts)), ids.get(change.address, "")))
    drifted += foreign_rules(plan)
    return tuple(sorted(drifted, key=lambda one: one.change.address)), tuple(noise)


def foreign_rules(plan: Mapping[str, Any]) -> Iterator[Drifted]:
    """Rules of the project's security groups that no resource of the state stands for."""
    resources = list(_resources((plan.get("prior_state") or {}).get("values", {}).get("root_module", {})))
    known = {rule for one in resources for rule in _known_rule(one)}
    for one in resources:
        if one.get("type") != "aws_security_group" or one.get("mode") != "managed":
            continue
        values = one.get("values") or {}
        there = {rule for rule in _group_rules(values) if rule not in known}
        if there:
            yield Drifted(
                Change(
                    address=one["address"],
                    module=one["address"].rpartition(".aws_security_group.")[0],
                    mode="managed",
                    type="aws_security_group",
                    name=str(one.get("name", "")),
                    kind="aws_security_group",
                    action=Action.UPDATE,
                    attributes=tuple(
                        AttributeChange(rule.direction, rule.direction, None, rule.text)
                        for rule in sorted(there)
                    ),
                ),
                str(values.get("id", "")),
                ("It has rules that nothing of the project stands for; an apply leaves them as they are.",),
            )


def cloudtrail_link(region: str, resource_id: str, *, since: datetime | None, until: datetime) -> str:
    """Where AWS's console lists who called what with this resource; it keeps 90 days."""
    words = {"ResourceName": resource_id, "EndTime": _trail_time(until)}
    if since is not None:
        words["StartTime"] = _trail_time(since)
    query = urlencode(words, quote_via=quote, safe="")
    return f"https://{region}.console.aws.amazon.com/cloudtrailv2/home?region={region}#/events?{query}"


def _trail_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class _Rule(NamedTuple):
    group: str
    direction: str
    protocol: str
    from_port: int
    to_port: int
    peer: str

    @property
    def text(self) -> str:
        ports = "all ports"
        if self.protocol != "-1" and (self.from_port, self.to_port) != (0, 65535):
            ports = (
                f"{self.from_port}" if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"
            )
        protocol = "everything" if self.protocol == "-1" else f"{self.protocol} {ports}"
        return f"{protocol} {'from' if self.direction == 'ingress' else 'to'} {self.peer}"


def _group_rules(values: Mapping[str, Any]) -> Iterator[_Rule]:
    group = str(values.get("id", ""))
    for direction in ("ingress", "egress"):
        for one in values.get(direction) or ():
            peers = [
                *(one.get("cidr_blocks") or ()),
                *(one.get("ipv6_cidr_blocks") or ()),
                *(one.get("prefix_list_ids") or ()),
                *(one.get("security_groups") or ()),
                *([group] if one.get("self") else ()),
            ]
            for peer in peers:
                yield _rule(group, direction, one.get("protocol"), one, str(peer))


def _known_rule(resource: Mapping[str, Any]) -> Iterator[_Rule]:
    values = resource.get("values") or {}
    direction = _RULES.get(str(resource.get("type")))
    peers = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id")
    for peer in (values.get(name) for name in peers):
        if direction and peer:
            group = str(values.get("security_group_id"))
            yield _rule(group, direction, values.get("ip_protocol"), values, str(peer))


def _rule(group: str, direction: str, protocol: Any, ports: Mapping[str, Any], peer: str) -> _Rule:
    every = str(protocol) == "-1"
    low, high = (0, 0) if every else (int(ports.get("from_port") or 0), int(ports.get("to_port") or 0))
    # Another account's group is written with its account in front, in one of the two places.
    return _Rule(group, direction, str(protocol), low, high, re.sub(r"^[0-9]{12}/(?=sg-)", "", peer))


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources") or ()
    for child in module.get("child_modules") or ():
        yield from _resources(child)


def _configured(plan: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Address without indices -> the expressions by which the configuration sets attributes."""
    root = plan.get("configuration", {}).get("root_module", {})
    return dict(_configured_in(root, ""))


def _configured_in(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in module.get("resources") or ():
        yield prefix + resource["address"], resource.get("expressions", {})
    for name, call in (module.get("module_calls") or {}).items():
        yield from _configured_in(call.get("module") or {}, f"{prefix}module.{name}.")


def _block(address: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", address)


def _is_set(expressions: Any, path: str) -> bool:
    """Whether a configuration sets what lies at `rule[0].status`.

    expressions   of a resource: a block is a list of such mappings, or one; what is computed as a whole is
                  a mapping with `references` or `constant_value`
    """
    steps = re.findall(r"[^.\[\]]+", re.sub(r"\[[0-9]+\]", "", path))
    here = [expressions]
    for step in steps:
        if any(isinstance(one, Mapping) and {"references", "constant_value"} & one.keys() for one in here):
            return True
        inner = [one[step] for one in here if isinstance(one, Mapping) and step in one]
        here = [member for one in inner for member in (one if isinstance(one, list) else [one])]
    return bool(here)


def _noise(change: Change, attribute: AttributeChange, sets: Mapping[str, Any]) -> str:
    """Why a difference is noise; "" when it is drift."""
    rules, watched = _table()
    for kind, path, because in rules:
        if kind.fullmatch(change.type) and path.fullmatch(attribute.path):
            return because
    # Default tags come from the provider, and are in tags_all alone.
    counts = ("tags_all", *watched.get(change.type, ()))
    if any(_lies_in(one, attribute.path) for one in counts) or _is_set(sets, attribute.path):
        return ""
    return _NOT_SET


def _lies_in(path: str, attribute: str) -> bool:
    """Whether `rule[0].expiration[0].days` is, or is inside of, `rule.expiration`."""
    plain = re.sub(r"\[[0-9]+\]", "", attribute)
    return plain == path or plain.startswith((f"{path}.", f"{path}["))


@cache
def _table() -> tuple[
    tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...], Mapping[str, tuple[str, ...]]
]:
    document = read_data("drift.yaml", package="engine.review")
    rules = tuple(
        (re.compile(row["type"]), re.compile(row["attribute"]), row["because"]) for row in document["noise"]
    )
    return rules, {kind: tuple(names) for kind, names in document["watched"].items()}


def _id_of(change: Mapping[str, Any]) -> str:
    for side in (change.get("after"), change.get("before")):
        if isinstance(side, Mapping) and side.get("id"):
            return str(side["id"])
    return ""
