"""From a spec to the complete text of its Terraform workspace: a pure function.

The same spec and settings give the same bytes. The modules, which are files of this repository,
are put beside the result by whoever writes it to disk (operations/folders.py).
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from engine.model.names import Names
from engine.model.node_checks import check_nodes
from engine.model.settings import Settings
from engine.model.spec import LustreStorage, ProjectSpec, dump_spec
from engine.model.tiers import Tier
from engine.workspace import cluster_config
from engine.workspace.imports import IMPORTS_FILE
from engine.workspace.stack import Presence, references, synthesize
from engine.workspace.text_templates import template

ROOT_FILE = "main.tf.json"
VARIABLES_FILE = "terraform.tfvars.json"
CLUSTER_FILE = "cluster-config.yaml"
SPEC_FILE = "spec.json"
LOCK_FILE = ".terraform.lock.hcl"
README_FILE = "README.md"
# The last one is written after a crash only, by operations/adopt.py; the next rendering takes it away.
GENERATED_FILES = (
    ROOT_FILE,
    VARIABLES_FILE,
    CLUSTER_FILE,
    SPEC_FILE,
    LOCK_FILE,
    README_FILE,
    IMPORTS_FILE,
)

MODULES = ("accounting", "bucket", "efs", "fsx", "job-records", "node-scripts", "parallelcluster", "subnet")


def render_workspace(
    spec: ProjectSpec,
    settings: Settings,
    tier: Tier,
    *,
    subnet_cidr: str | None,
    presence: Presence = Presence.RUNNING,
) -> dict[str, str]:
    """Every generated file of the project's Terraform root, path -> text.

    subnet_cidr   the block reserved for the project; None leaves it open, and Terraform then
                  says that one is needed before it plans anything
    presence      see Presence
    Raises        InvalidSpec for nodes that can't be made; those of a cluster that goes are not looked at
    """
    if presence is Presence.RUNNING:
        check_nodes(spec, settings, tier)
    names = spec.names(settings.require_account())
    configuration = cluster_config.render_cluster_config(
        spec=spec, names=names, settings=settings, tier=tier, references=references(spec)
    )
    root = synthesize(spec, names, settings, cluster_config.cluster_configuration(configuration), presence)
    rendered = {
        ROOT_FILE: _json(root),
        SPEC_FILE: dump_spec(spec),
        LOCK_FILE: lock_file(),
        README_FILE: _readme(spec, names, settings, presence),
    }
    if presence is not Presence.REMOVED:
        rendered[CLUSTER_FILE] = configuration
        rendered[VARIABLES_FILE] = _json({"parked": presence is Presence.PARKED, "subnet_cidr": subnet_cidr})
    return dict(sorted(rendered.items()))


def lock_file() -> str:
    """Terraform's lock file of every workspace: versions and hashes of the providers."""
    return (files("engine.workspace") / "templates" / "terraform.lock.hcl").read_text("utf-8")


def module_names(spec: ProjectSpec, presence: Presence) -> tuple[str, ...]:
    """The folders of `modules/` that the workspace calls."""
    if presence is Presence.REMOVED:
        return ()
    lustre = isinstance(spec.storage, LustreStorage)
    return tuple(name for name in MODULES if lustre or name != "fsx")


def _readme(spec: ProjectSpec, names: Names, settings: Settings, presence: Presence) -> str:
    return template("README.md.j2").render(
        spec=spec, names=names, settings=settings, removed=presence is Presence.REMOVED
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
