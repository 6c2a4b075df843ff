"""The Jinja2 templates of a workspace's texts; an unknown name in one is an error."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from engine.workspace.literals import terraform_literal

# libyaml's is several times as fast, where PyYAML was built with it.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_ONE_LINE = 2**31 - 1  # characters; what libyaml can hold


def template(name: str) -> Template:
    """A file of `templates/`.

    Its filters give quoted YAML: `literal` of a text that Terraform must take as it is, `reference` of a
    Terraform expression.
    """
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    """Kept, with the compiled templates: compiling takes ten times as long as rendering."""
    environment = Environment(
        loader=PackageLoader("engine.workspace"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = lambda text: _quoted(terraform_literal(text))
    environment.filters["reference"] = _quoted
    return environment


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar on one line: JSON's, but right beyond JSON's characters too."""
    quoted: str = yaml.dump(text, Dumper=_Dumper, default_style='"', allow_unicode=True, width=_ONE_LINE)
    return quoted.rstrip("\n")
