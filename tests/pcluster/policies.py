"""AWS ParallelCluster's own update policies, read from its schema. Runs in .venv-pcluster.

Prints the text of engine/model/data/cluster_keys.yaml: `make update-policies` writes it anew, and a test
compares the two, so a key that a release adds, drops or treats otherwise can't go unnoticed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pcluster.config.update_policy import UpdatePolicy
from pcluster.schemas.cluster_schema import ClusterSchema

HEAD = """\
# Every key of a cluster configuration, and ParallelCluster's update policy for it, by AWS's own name.
# Written from the installed aws-parallelcluster by `make update-policies`; do not edit.
#
# A section is a mapping: "=" is its own policy, which counts when all of it comes or goes; a list of
# sections has the key by which its members are told apart in "[]". What the policies mean:
# engine/model/cluster_updates.py.
"""


def lines(schema: Any, indent: str = "") -> Iterator[str]:
    fields = {field.data_key: field for field in schema.declared_fields.values()}
    for key, field in sorted(fields.items()):
        policy = field.metadata.get("update_policy", UpdatePolicy.UNSUPPORTED).name
        if not hasattr(field, "nested"):
            yield f"{indent}{key}: {policy}"
            if key == "Script":
                # Not a field of the schema: ConfigPatch compares it with the policy of Script.
                yield f"{indent}Sequence: {policy}"
            continue
        yield f"{indent}{key}:"
        yield f'{indent}  "=": {policy}'
        if getattr(field, "many", False):
            yield f'{indent}  "[]": {field.metadata.get("update_key")}'
        yield from lines(field.schema, indent + "  ")


def text() -> str:
    return HEAD + "".join(f"{line}\n" for line in lines(ClusterSchema(cluster_name="any")))


if __name__ == "__main__":
    sys.stdout.write(text())
