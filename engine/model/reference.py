"""Pages and data that are written from the models, so that they can't go stale.

python -m engine.model.reference docs/spec.schema.json > docs/spec.schema.json
python -m engine.model.reference docs/settings.md > docs/settings.md
python -m engine.model.reference modules/discovery/tags.json > modules/discovery/tags.json
"""

from __future__ import annotations

import json
import sys

from engine.model import tags
from engine.model.settings import setting_docs
from engine.model.spec import spec_json_schema

_SETTINGS_INTRODUCTION = """\
# Settings

What an installation says about its account, its shared ground and its conventions. This page is written
from the code: `make schemas`.

A setting is looked for in four places; the later one wins:

1. its default;
2. the settings file, `provisioner.yaml` (YAML or JSON, a mapping of the names below);
3. the environment, `PROVISIONER_` and the name in capitals, for example `PROVISIONER_STATE_BUCKET`. Lists are
   separated by commas, an empty variable counts as not set. The region is also taken from `AWS_REGION`, then
   `AWS_DEFAULT_REGION`, where `PROVISIONER_REGION` is not set;
4. flags of the command line.

`provisioner settings` shows each value and where it came from. Unknown names are refused everywhere,
so that a slip of the pen shows at once; only `PROVISIONER_INTERNAL_...`, by which the engine's own processes
talk to each other, is passed over.

| Setting | Type | Default | Meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """docs/settings.md"""
    rows = (f"| `{doc.name}` | {doc.type} | {doc.default} | {doc.description} |" for doc in setting_docs())
    return _SETTINGS_INTRODUCTION + "\n".join(rows) + "\n"


def spec_schema() -> str:
    """docs/spec.schema.json"""
    return json.dumps(spec_json_schema(), indent=2, ensure_ascii=False) + "\n"


def shared_tags() -> str:
    """modules/discovery/tags.json"""
    return json.dumps(tags.definitions(), indent=2) + "\n"


PAGES = {
    "docs/settings.md": settings_page,
    "docs/spec.schema.json": spec_schema,
    "modules/discovery/tags.json": shared_tags,
}
"""Path in the repository -> what must stand there."""


def main(arguments: list[str]) -> int:
    """Write the named page to standard output; exit code 2 for a name that is none."""
    if len(arguments) != 1 or arguments[0] not in PAGES:
        sys.stderr.write(f"usage: python -m engine.model.reference {{{','.join(PAGES)}}}\n")
        return 2
    sys.stdout.write(PAGES[arguments[0]]())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
