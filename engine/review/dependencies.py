"""What depends on what, from the configuration that a plan carries along.

A reference leads to another resource of the module, to a variable (and so to what the module's caller gives
for it), or to another module's output (and so to what that output is made of). Of locals a plan tells only
the names: what refers to one is taken to depend on every variable of its module that nothing else there uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_INDEX = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, eq=False)
class _Module:
    """One module call: its configuration, its address ("" the root), and who calls it with what."""

    content: Mapping[str, Any]
    address: str = ""
    parent: _Module | None = None
    given: Mapping[str, Any] | None = None

    @cached_property
    def calls(self) -> Mapping[str, _Module]:
        found = {}
        for name, call in (self.content.get("module_calls") or {}).items():
            address = f"{self.address}.module.{name}" if self.address else f"module.{name}"
            given = call.get("expressions") or {}
            found[name] = _Module(call.get("module") or {}, address, self, given)
        return found

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        return {str(one.get("address")): one for one in self.content.get("resources") or []}

    @cached_property
    def used_by_locals(self) -> tuple[str, ...]:
        """The variables that neither a resource nor a call nor an output uses: locals are what is left."""
        parts = [self.content.get(part) for part in ("resources", "outputs")]
        calls = [call.get("expressions") for call in (self.content.get("module_calls") or {}).values()]
        used = {reference for part in [*parts, *calls] for reference in _references(part)}
        plainly = {reference.split(".")[1] for reference in used if reference.startswith("var.")}
        return tuple(name for name in self.given or {} if name not in plainly)

    def full(self, address: str) -> str:
        return f"{self.address}.{address}" if self.address else address


def dependencies(configuration: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of addresses: what depends, and what it depends on; sorted, each once.

    configuration   the plan's `configuration`; {} where it was not kept
    Addresses are those of resource blocks: without the indices of count and for_each.
    """
    edges: set[tuple[str, str]] = set()
    for module in _walk(_Module(configuration.get("root_module") or {})):
        for address, resource in module.resources.items():
            wanted = [*_references(resource.get("expressions")), *(resource.get("depends_on") or [])]
            wanted += _references(resource.get("count_expression"))
            wanted += _references(resource.get("for_each_expression"))
            for reference in wanted:
                for target in _targets(module, str(reference), frozenset()):
                    if target != module.full(address):
                        edges.add((module.full(address), target))
    return tuple(sorted(edges))


def without_index(address: str) -> str:
    """The address of the block behind an instance: `module.x[0].aws_y.z["a"]` -> `module.x.aws_y.z`."""
    return _INDEX.sub("", re.sub(r'\["(?:[^"\\]|\\.)*"\]', "", address))


def _walk(module: _Module) -> Iterator[_Module]:
    yield module
    for inner in module.calls.values():
        yield from _walk(inner)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        references = value.get("references")
        if isinstance(references, list):
            yield from map(str, references)
        for key, inner in value.items():
            if key != "references":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _targets(module: _Module, reference: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    """The resources that a reference leads to; `seen` ends circles, which modules may make."""
    key = (module.address, reference)
    if key in seen:
        return
    seen |= {key}
    parts = without_index(reference).split(".")
    if parts[0] == "local":
        for name in module.used_by_locals:
            yield from _targets(module, f"var.{name}", seen)
    elif parts[0] == "var" and len(parts) > 1 and module.parent and module.given:
        for inner in _references(module.given.get(parts[1])):
            yield from _targets(module.parent, inner, seen)
    elif parts[0] == "module" and len(parts) > 2 and parts[1] in module.calls:
        called = module.calls[parts[1]]
        output = (called.content.get("outputs") or {}).get(parts[2]) or {}
        for inner in _references(output.get("expression")):
            yield from _targets(called, inner, seen)
    elif parts[0] == "module" and len(parts) == 2 and parts[1] in module.calls:
        called = module.calls[parts[1]]
        yield from (called.full(address) for address in called.resources)
    else:
        length = 3 if parts[0] == "data" else 2
        address = ".".join(parts[:length])
        if address in module.resources:
            yield module.full(address)
