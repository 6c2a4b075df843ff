"""What a name in Terraform code stands for, followed through inputs, locals and outputs without a run.

Only plain references are followed; what Terraform would have to compute stays the expression it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docs.generate.terraform import Body, Declared, Thing, expression, read

_INTERPOLATION = re.compile(r"\$\{([^${}]+)\}")
_REFERENCE = re.compile(r"\b(?:var|local|module|data|each|aws_\w+)(?:\[[^\]]*\]|\.\w+)+")


@dataclass(frozen=True)
class Scope:
    """A root, or one call of a module.

    module    name of the module's folder; "" for a root
    modules   where the folders of modules are
    """

    module: str
    declared: Declared
    modules: Path
    arguments: Body = field(default_factory=dict)
    caller: Scope | None = None

    @classmethod
    def root(cls, folder: Path, modules: Path) -> Scope:
        return cls("", read(folder), modules)

    def call(self, name: str) -> Scope | None:
        """The module that is called by this name."""
        for call in self.declared.calls():
            if call.name == name:
                module = Path(str(call.body["source"])).name
                return Scope(module, read(self.modules / module), self.modules, call.body, self)
        return None

    def calls_of(self, module: str) -> list[Scope]:
        """Every call of a module, by the name of its folder."""
        scopes = (self.call(call.name) for call in self.declared.calls())
        return [scope for scope in scopes if scope is not None and scope.module == module]

    def all(self, *types: str) -> list[Thing]:
        return self.declared.of_type(*types)

    def one(self, type_: str, name: str = "this") -> Thing:
        return next(thing for thing in self.all(type_) if thing.name == name)

    def value(self, given: Any) -> Any:
        """What an input or local stands for, as far as plain references lead; anything else as it is."""
        kind, _, name = (expression(given) or "").partition(".")
        if kind == "var" and name in self.declared.variables:
            return self.input(name)
        if kind == "local" and name in self.declared.locals:
            return self.value(self.declared.locals[name])
        return given

    def input(self, name: str) -> Any:
        """An input's value: what the call gives, else its default; the input itself where it has none."""
        if self.caller is not None and name in self.arguments:
            return self.caller.value(self.arguments[name])
        return self.value(self.declared.variables[name].get("default", f"${{input.{name}}}"))

    def text(self, template: Any) -> str:
        """A template, each input and local in it replaced by what it stands for."""
        return _INTERPOLATION.sub(lambda found: str(self.value(found[0])), str(template))


def references(value: Any) -> Iterator[str]:
    """The references in a value's expressions, without indices: module.subnet.id, var.name."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from references(one)
    elif isinstance(value, str) and "${" in value:
        for found in _REFERENCE.findall(value):
            yield re.sub(r"\[[^\]]*\]", "", found)
