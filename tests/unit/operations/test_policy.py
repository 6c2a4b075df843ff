"""What a review is told of the installation: its rules, and what the rest of the virtual lab uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.registry import Phase, ProjectRecord
from engine.model.names import names_for
from engine.model.prices import PriceTable, load_prices
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec, dump_spec
from engine.model.tiers import load_catalogue
from engine.operations.policy import lab_use, policy_of, review_context

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def spec(project_id: str = "proj-1", vlab_id: str = "lab-1", **more: Any) -> ProjectSpec:
    document = {"vlab_id": vlab_id, "project_id": project_id, "tier": "debug", **more}
    return ProjectSpec.model_validate(document)


def record(of: ProjectSpec, phase: Phase = Phase.READY) -> ProjectRecord:
    return ProjectRecord(
        vlab_id=of.vlab_id,
        project_id=of.project_id,
        spec_json=dump_spec(of),
        spec_digest="d",
        phase=phase,
        version=1,
        created_at=NOW,
        updated_at=NOW,
        cluster="c",
    )


def engine(settings: Settings | None = None, records: list[ProjectRecord] | None = None, **more: Any) -> Any:
    def listed(*, vlab_id: str, **_: Any) -> list[ProjectRecord]:
        assert vlab_id == "lab-1"
        assert records is not None, "the registry is asked, and nobody wants to know"
        return records

    return SimpleNamespace(
        settings=settings or Settings(),
        catalogue=load_catalogue(),
        prices=more.get("prices", load_prices()),
        names=lambda vlab, project: names_for(vlab, project, account_id="123456789012"),
        now=lambda: NOW,
        registry=SimpleNamespace(list=listed),
    )


def test_only_other_projects_of_the_lab_with_a_cluster_count() -> None:
    records = [
        record(spec("proj-1")),
        record(spec("proj-2")),
        record(spec("proj-3"), Phase.FAILED),
        record(spec("proj-4"), Phase.PARKED),
        record(spec("proj-5"), Phase.PLANNED),
        record(spec("proj-2", "lab-2")),
    ]
    use = lab_use(engine(), records, besides=spec())
    # THEN it is proj-2 and proj-3: a head node of 2 vCPUs and 8 nodes of 2 each
    assert (use.clusters, use.vcpus, use.vcpus_known) == (2, 36, True)
    assert use.cost_known and round(use.usd_per_hour, 4) == round(lab_cost_of_one() * 2, 4)


def lab_cost_of_one() -> Any:
    return lab_use(engine(), [record(spec("proj-2"))], besides=spec()).usd_per_hour


def test_a_spec_that_can_not_be_read_counts_as_a_cluster_of_which_nothing_is_known() -> None:
    broken = replace(record(spec("proj-2")), spec_json="{}")
    use = lab_use(engine(), [broken], besides=spec())
    assert (use.clusters, use.vcpus_known, use.cost_known) == (1, False, False)


def test_a_tier_that_is_gone_counts_as_a_cluster_of_which_nothing_is_known() -> None:
    # GIVEN a cluster that runs on, of a tier that the catalogue has no more
    small = engine()
    small.catalogue = tuple(tier for tier in load_catalogue() if tier.name != "debug")
    use = lab_use(small, [record(spec("proj-2"))], besides=spec())
    assert (use.clusters, use.vcpus_known, use.cost_known) == (1, False, False)


def test_without_prices_the_cost_is_not_known() -> None:
    use = lab_use(engine(prices=PriceTable()), [record(spec("proj-2"))], besides=spec())
    assert use.usd_per_hour == 0 and not use.cost_known


def test_the_settings_are_the_policy() -> None:
    settings = Settings.model_validate(
        {
            "lab_max_clusters": 3,
            "lab_max_vcpus": 100,
            "lab_max_usd_per_hour": 50,
            "required_tags": ["cost-center"],
            "allowed_instance_types": ["c7i.*"],
        }
    )
    policy = policy_of(settings)
    assert (policy.max_clusters, policy.max_vcpus, policy.max_usd_per_hour) == (3, 100, 50)
    assert policy.required_tags == ("cost-center",) and policy.allowed_instance_types == ("c7i.*",)


@pytest.mark.parametrize("limit", ["lab_max_clusters", "lab_max_vcpus", "lab_max_usd_per_hour"])
def test_the_registry_is_asked_only_for_a_limit(limit: str) -> None:
    wanted = spec(waivers=[{"rule": "lab-cost", "reason": "r", "until": "2026-12-31"}])
    names = names_for("lab-1", "proj-1", account_id="123456789012")
    context = review_context(engine(), wanted, names)
    assert context.today == NOW.date() and context.region == "us-east-1"
    assert context.waivers == wanted.waivers and names.bucket.endswith(context.own_name)
    assert context.configuration is not None and "HeadNode" in context.configuration
    limited = Settings.model_validate({limit: 1})
    asked = review_context(engine(limited, [record(spec("proj-2"))]), wanted, names)
    assert asked.others.clusters == 1
