"""Pages and data that are written from the models, so that they can't go stale.

python -m engine.model.reference docs/spec.schema.json > docs/spec.schema.json
python -m engine.model.reference docs/settings.md > docs/settings.md
python -m engine.model.reference docs/updates.md > docs/updates.md
python -m engine.model.reference modules/discovery/tags.json > modules/discovery/tags.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from engine.model import tags
from engine.model.cluster_fields import Field, all_places, cluster_fields, policy_words
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
   separated by commas, and so are the `KEY=VALUE` of a mapping; an empty variable counts as not set. The
   region is also taken from `AWS_REGION`, then `AWS_DEFAULT_REGION`, where `PROVISIONER_REGION` is not set;
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


_UPDATES_INTRODUCTION = """\
# Changing a running cluster

What a changed field does to a cluster that runs, by AWS ParallelCluster's own update policies (3.16.1).
`provisioner plan` says the same of each change, and `provisioner apply` refuses (`CLUSTER_UPDATE_REFUSED`)
what AWS would refuse, and what the software of the nodes could not take, before anything is changed. This
page is written from the code: `make schemas`.

- **live**: it happens while jobs run.
- **drain**: running jobs finish, then their nodes are made anew. That is QueueUpdateStrategy DRAIN, which
  every cluster has.
- **fleet stopped**: refused while the compute fleet runs. Stop it, which ends running jobs
  (`pcluster update-compute-fleet --cluster-name NAME --status STOP_REQUESTED --region REGION`), apply when
  it is STOPPED, and start it again (`--status START_REQUESTED`). A fleet without nodes that was not stopped
  counts as running.
- **fleet stopped, or TERMINATE**: the same. AWS would also take it with QueueUpdateStrategy TERMINATE, which
  this engine does not set.
- **new cluster**: refused in a running cluster. `provisioner release`, then `provisioner apply`; bucket and
  home stay.

## Fields of the spec

"""

_FIELD_TABLE = """\
| Field | Key of the cluster configuration | What changing it needs |
|---|---|---|
"""

_KEYS_INTRODUCTION = """\
## Every key

All keys that ParallelCluster knows. A section stands for all of it coming or going, and for the keys in it
that are not named. A further member of a list is more, one that goes less, and one that is renamed both.

| Key | What changing it needs |
|---|---|
"""


def updates_page() -> str:
    """docs/updates.md"""
    of_spec = (row for field in cluster_fields() if not field.is_setting for row in _field_rows(field))
    of_settings = (row for field in cluster_fields() if field.is_setting for row in _field_rows(field))
    keys = (f"| `{place}` | {words} |" for place, words in all_places())
    return "\n".join(
        [
            _UPDATES_INTRODUCTION + _FIELD_TABLE + "\n".join(of_spec),
            "",
            "## Settings",
            "",
            _FIELD_TABLE + "\n".join(of_settings),
            "",
            "All other settings reach no cluster.",
            "",
            _KEYS_INTRODUCTION + "\n".join(keys),
            "",
        ]
    )


def _field_rows(field: Field) -> Iterator[str]:
    if field.node_keys:
        keys = "<br>".join(f"`{key}`" for key in field.keys) or "none"
        yield f"| `{field.name}` | {keys} | new cluster. {field.says} |"
        return
    if not field.keys:
        yield f"| `{field.name}` | none | {field.says} |"
    for index, key in enumerate(field.keys):
        name = "" if index else f"`{field.name}`"
        says = f". {field.says}" if field.says and not index else ""
        yield f"| {name} | `{key}` | {policy_words(key)}{says} |"


def spec_schema() -> str:
    """docs/spec.schema.json"""
    return json.dumps(spec_json_schema(), indent=2, ensure_ascii=False) + "\n"


def shared_tags() -> str:
    """modules/discovery/tags.json"""
    return json.dumps(tags.definitions(), indent=2) + "\n"


PAGES = {
    "docs/settings.md": settings_page,
    "docs/spec.schema.json": spec_schema,
    "docs/updates.md": updates_page,
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
