"""What a project's things carry: of the installation, of the spec, and of the engine."""

from __future__ import annotations

from typing import Any

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tags import project_tags
from engine.model.tiers import chosen_tier, load_catalogue
from engine.workspace.cluster_config import cluster_configuration, render_cluster_config
from engine.workspace.stack import Presence, references, synthesize

BILLED = {"obp:costcenter:vlabid": "{vlab_id}", "team": "{vlab_id}/{project_id}", "SBO_Billing": "hpc"}
OURS = {
    "provisioner:vlab": "lab-1",
    "provisioner:project": "proj-1",
    "provisioner:owner": "lab-1",
    "provisioner:managed-by": "parallelcluster-provisioner",
}


def spec_with(**fields: Any) -> ProjectSpec:
    return ProjectSpec.model_validate({"vlab_id": "lab-1", "project_id": "proj-1", **fields})


def test_a_spec_without_tags_has_the_installations_with_its_ids() -> None:
    settings = Settings(project_tags=BILLED)
    assert project_tags(spec_with(), settings) == {
        "SBO_Billing": "hpc",
        "obp:costcenter:vlabid": "lab-1",
        "team": "lab-1/proj-1",
        **OURS,
    }
    assert project_tags(spec_with(), Settings()) == OURS


def test_the_specs_own_win_in_whatever_case_their_key_is_written() -> None:
    found = project_tags(spec_with(tags={"Team": "mine", "sbo_billing": "x"}), Settings(project_tags=BILLED))
    assert found == {"Team": "mine", "obp:costcenter:vlabid": "lab-1", "sbo_billing": "x", **OURS}


def test_terraforms_default_tags_and_the_clusters_are_the_same() -> None:
    spec, settings = spec_with(tags={"grant": "7"}), Settings(project_tags=BILLED)
    names = names_for("lab-1", "proj-1", account_id="123456789012")
    tier = chosen_tier(load_catalogue(), spec)
    text = render_cluster_config(
        spec=spec, names=names, settings=settings, tier=tier, references=references(spec)
    )
    configuration = cluster_configuration(text)
    root = synthesize(spec, names, settings, configuration, Presence.RUNNING)
    (provider,) = root["provider"]["aws"]
    wanted = project_tags(spec, settings)
    assert provider["default_tags"][0]["tags"] == wanted
    assert {tag["Key"]: tag["Value"] for tag in configuration["Tags"]} == wanted
