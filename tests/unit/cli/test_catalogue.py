"""The tiers of an installation: the built-in ones, and those of the file that the settings name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.arguments import spec_from
from engine.cli.invocation import Invocation
from engine.errors import InvalidSettings, InvalidSpec
from engine.model.tiers import load_catalogue

OWN = """\
tiers:
  - name: debug
    description: Ours.
    scaledown_idle_min: 5
    queues:
      - name: small
        compute_resources:
          - {name: t3-small, instance_types: [t3.small], max_count: 2}
  - name: gpu
    description: One kind of GPU.
    queues:
      - name: gpu
        spot: true
        allocation_strategy: capacity-optimized
        compute_resources:
          - {name: g5, instance_types: [g5.xlarge], max_count: 4}
"""


def invocation(tiers: Path | None) -> Invocation:
    return Invocation(None, {"tiers": str(tiers)} if tiers else {}, {})


def write(folder: Path, text: str, name: str = "tiers.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_without_the_setting_the_tiers_are_the_built_in_ones() -> None:
    assert invocation(None).catalogue == load_catalogue()


def test_the_file_replaces_one_tier_and_adds_another(tmp_path: Path) -> None:
    # WHEN an installation has a debug of its own, and a tier more
    catalogue = invocation(write(tmp_path, OWN)).catalogue
    # THEN its debug stands where the built-in one stood, the new one behind, and the rest is as it was
    built_in = load_catalogue()
    assert [tier.name for tier in catalogue] == [*(tier.name for tier in built_in), "gpu"]
    assert (catalogue[0].description, catalogue[0].scaledown_idle_min) == ("Ours.", 5)
    assert catalogue[1:-1] == built_in[1:]


def test_a_spec_may_name_a_tier_of_the_file(tmp_path: Path) -> None:
    spec = write(tmp_path, "vlab_id: a\nproject_id: b\ntier: gpu\n", "spec.yaml")
    assert spec_from(spec, invocation(write(tmp_path, OWN))).tier == "gpu"
    with pytest.raises(InvalidSpec, match="not in the tier catalogue"):
        spec_from(spec, invocation(None))


def test_a_mistake_is_refused_with_file_line_and_field(tmp_path: Path) -> None:
    path = write(tmp_path, OWN.replace("max_count: 4", "max_count: many"))
    with pytest.raises(InvalidSettings) as caught:
        _ = invocation(path).catalogue
    assert str(path) in caught.value.message
    (problem,) = caught.value.problems
    assert problem.path == "tiers[1].queues[0].compute_resources[0].max_count"
    assert "'many' is not a whole number (line 16)" in problem.problem


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"cannot be read(.|\n)*tiers: no such file.*flag --tiers"):
        _ = invocation(tmp_path / "none.yaml").catalogue
