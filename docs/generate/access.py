"""Who may open connections to whom, read from the security groups and their rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docs.generate.scope import Scope, references
from docs.generate.terraform import Thing, expression

CLIENTS = "clients"
"""Stands for what a rule lets in by an address, or by a group that is made elsewhere."""
GATEWAYS = "gateways"
"""Stands for what is reached through the gateway endpoints."""


@dataclass(frozen=True)
class Way:
    """What carries the group `source` may open connections to what carries `target`.

    source, target   "<module>.<name of the group>", or CLIENTS, or GATEWAYS
    ports            "443", "988, 1018-1023"
    """

    source: str
    target: str
    ports: str


@dataclass(frozen=True)
class Groups:
    """The security groups of several roots that find each other's by their shared tag."""

    roots: tuple[Scope, ...]

    def carried(self, scope: Scope, value: Any) -> tuple[str, ...]:
        """The groups that a value leads to, each as "<module>.<name>"."""
        return tuple(dict.fromkeys(self._lead(scope, value)))

    def ways(self, scope: Scope) -> list[Way]:
        """Every way that a module's rules open."""
        found = []
        for rule in scope.all("aws_vpc_security_group_ingress_rule"):
            if scope.value(rule.body.get("for_each", True)) in ([], {}) or _loops_over_nothing(scope, rule):
                continue
            ports = ", ".join(_ports(scope, rule))
            targets = self._sides(scope, rule, rule.body["security_group_id"])
            sources = self._sides(scope, rule, rule.body.get("referenced_security_group_id")) or [CLIENTS]
            found += [Way(source, target, ports) for source in sources for target in targets]
        for rule in scope.all("aws_vpc_security_group_egress_rule"):
            # What a gateway endpoint serves has no group, only a list of addresses.
            if "prefix_list_id" in rule.body:
                ports = ", ".join(_ports(scope, rule))
                sources = self._sides(scope, rule, rule.body["security_group_id"])
                found += [Way(source, GATEWAYS, ports) for source in sources]
        return found

    def _sides(self, scope: Scope, rule: Thing, value: Any) -> tuple[str, ...]:
        return self.carried(scope, _each(scope, rule, value))

    def _lead(self, scope: Scope, value: Any) -> Iterator[str]:
        for reference in references(value):
            kind, name, *rest = reference.split(".")
            if kind == "aws_security_group":
                yield f"{scope.module}.{name}"
            elif kind == "var" and scope.caller is not None:
                yield from self._lead(scope.caller, scope.arguments.get(name))
            elif kind == "module" and (callee := scope.call(name)) and rest:
                yield from self._lead(callee, callee.declared.outputs.get(rest[0], {}).get("value"))
            elif kind == "data" and name == "aws_security_group":
                yield from self._tagged(scope.one("aws_security_group", rest[0]).body["tags"])

    def _tagged(self, tags: dict[str, str]) -> Iterator[str]:
        """The group with the shared tag by which a workspace looks for it."""
        for root in self.roots:
            for call in root.declared.calls():
                scope = root.call(call.name)
                for group in scope.all("aws_security_group") if scope else []:
                    for role in re.findall(r"module\.discovery\.shared\.(\w+)", str(group.body.get("tags"))):
                        if role.replace("_", "-") in tags.values():
                            yield f"{scope.module if scope else ''}.{group.name}"


def _loops_over_nothing(scope: Scope, rule: Thing) -> bool:
    """for_each = toset(var.x) with an empty x"""
    loop = re.fullmatch(r"toset\(var\.(\w+)\)", expression(rule.body.get("for_each")) or "")
    return bool(loop) and scope.input(loop[1] if loop else "") == []


def _ports(scope: Scope, rule: Thing) -> list[str]:
    begins = _listed(_each(scope, rule, rule.body["from_port"]))
    ends = _listed(_each(scope, rule, rule.body["to_port"]))
    pairs = zip((scope.text(one) for one in begins), (scope.text(one) for one in ends), strict=True)
    return [begin if begin == end else f"{begin}-{end}" for begin, end in pairs]


def _each(scope: Scope, rule: Thing, value: Any) -> Any:
    """What each.value stands for, all of it: read from the tables over which the rule's loop goes.

    A loop goes over a local table, or over one that is put together from local tables; then it says which
    attribute comes from which, and may name the rows it takes.
    """
    attribute = re.fullmatch(r"each\.value(?:\.(\w+))?", expression(value) or "")
    if attribute is None:
        return value
    name = attribute[1]
    loop = scope.value(rule.body["for_each"])
    if name is None:
        return loop
    if isinstance(loop, dict):
        return [row[name] for row in loop.values()]
    text = str(loop)
    for table in re.findall(r"local\.(\w+)\[", text):
        rows = scope.declared.locals[table]
        chosen = [row for key, row in rows.items() if json.dumps(key) in text] or list(rows.values())
        if f"{name} = local.{table}[" in text:
            column = re.search(rf"{name} = local\.{table}\[[^\]]*\]\]?\.(\w+)", text)
            return [row[column[1]] for row in chosen] if column else chosen
        if all(isinstance(row, dict) and name in row for row in chosen):
            return [row[name] for row in chosen]
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
