"""Every cluster configuration we can make is one that AWS ParallelCluster 3.16.1 takes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import find_tier, load_catalogue
from engine.workspace.cluster_config import References, cluster_configuration, render_cluster_config
from tests.pcluster.validators import OFFLINE

Check = Callable[..., dict[str, dict[str, Any]]]
Configuration = dict[str, Any]

pytestmark = pytest.mark.pcluster

CATALOGUE = load_catalogue()
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")

ALWAYS_RUN = {
    "ClusterNameValidator",
    "ComputeResourceSizeValidator",
    "CustomSlurmSettingsValidator",
    "DatabaseUriValidator",
    "DuplicateMountDirValidator",
    "EfaPlacementGroupValidator",
    "HeadNodeMemorySizeValidator",
    "InstanceArchitectureCompatibilityValidator",
    "InstancesAllocationStrategyValidator",
    "InstancesCPUValidator",
    "InstancesEFAValidator",
    "MaxCountValidator",
    "NameValidator",
    "SharedStorageMountDirValidator",
    "SharedStorageNameValidator",
}


def as_terraform_fills_it_in(*, lustre: bool) -> References:
    """Values of the shape that AWS gives, in place of the references."""
    return References(
        subnet_id="subnet-0123456789abcdef0",
        node_security_group_id="sg-0123456789abcdef0",
        endpoint_security_group_id="sg-0123456789abcdef1",
        accounting_security_group_id="sg-0123456789abcdef2",
        workflow_security_group_id="sg-0123456789abcdef3",
        efs_id="fs-0123456789abcdef0",
        lustre_id="fs-0123456789abcdef1" if lustre else None,
        accounting_host="accounting.abcdefghijkl.us-east-1.rds.amazonaws.com",
        accounting_secret_arn="arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/pc-x/accounting-a1b2c3",
        node_software_url=f"s3://{NAMES.bucket}/scripts/{'0123456789abcdef' * 4}/node.sh",
        node_config_url=f"s3://{NAMES.bucket}/nodes/{NAMES.cluster}/node.json",
        node_update_url=f"s3://{NAMES.bucket}/nodes/{NAMES.cluster}/node-{'0123456789abcdef' * 4}.json",
        job_log_group=NAMES.job_log_group,
        nodes_bucket="provisioner-nodes-123456789012-us-east-1",
        public_bucket="provisioner-public-123456789012-us-east-1",
        private_bucket=NAMES.bucket,
    )


def configuration(
    tier: str = "prod-mpi",
    storage: str = "lustre",
    settings: dict[str, Any] | None = None,
    references: References | None = None,
    **fields: Any,
) -> Configuration:
    spec = ProjectSpec.model_validate(
        {
            "vlab_id": "lab-1",
            "project_id": "proj-1",
            "tier": tier,
            "storage": {"kind": storage},
            "tags": {"cost-center": "4711"},
            **fields,
        }
    )
    rendered = render_cluster_config(
        spec=spec,
        names=NAMES,
        settings=Settings.model_validate(settings or {}),
        tier=find_tier(CATALOGUE, tier),
        references=references or as_terraform_fills_it_in(lustre=storage == "lustre"),
    )
    return cluster_configuration(rendered)


def as_cloudformation_hands_it_on(value: Any) -> Any:
    """Every scalar as text, booleans in lower case: custom resources get their properties so."""
    if isinstance(value, dict):
        return {key: as_cloudformation_hands_it_on(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_cloudformation_hands_it_on(inner) for inner in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def every_case() -> Iterator[tuple[str, Configuration]]:
    choices: list[tuple[str, dict[str, Any]]] = [
        ("plain", {}),
        ("max-nodes", {"compute": {"max_nodes": 3}}),
        (
            "many-nodes",
            {"compute": {"max_nodes": 1000}, "head_node": {"instance_type": "m7i.xlarge"}},
        ),
        ("custom-ami", {"settings": {"custom_ami": "ami-0123456789abcdef0"}}),
        ("logs-for-ever", {"settings": {"log_retention_days": 0}}),
        ("ubuntu", {"settings": {"os": "ubuntu2404"}, "head_node": {"instance_type": "m7i.large"}}),
        ("tags", {"tags": {f"key-{number}": "v" * 256 for number in range(30)}}),
    ]
    for tier, storage, (choice, given) in product(CATALOGUE, ("lustre", "efs"), choices):
        built = configuration(tier.name, storage, **given)
        yield f"{tier.name} {storage} {choice}", built
        yield f"{tier.name} {storage} {choice} as text", as_cloudformation_hands_it_on(built)


def test_parallelcluster_takes_every_configuration(check: Check) -> None:
    # GIVEN every tier with each storage and setting, as we write it and as CloudFormation hands it on
    cases = dict(every_case())
    assert len(cases) == len(CATALOGUE) * 2 * 7 * 2
    # WHEN ParallelCluster loads it, and runs its validators that need no account
    verdicts = check(cases)
    # THEN it loads, the validators ran, and they find no error
    assert {name: verdict["schema"] for name, verdict in verdicts.items() if verdict["schema"]} == {}
    assert [name for name, verdict in verdicts.items() if ALWAYS_RUN - set(verdict["validators"])] == []
    assert set().union(*(verdict["validators"] for verdict in verdicts.values())) == OFFLINE
    assert {name: found for name, verdict in verdicts.items() if (found := serious(verdict, name))} == {}


def serious(verdict: dict[str, Any], name: str) -> list[list[str]]:
    """Errors and warnings, less two warnings against what we chose on purpose.

    Batch jobs get no EFA even where a node has it, and the smallest nodes are slow on Ubuntu.
    """
    chosen = {"prod-batch": "InstancesEFAValidator", "debug": "InstanceTypeOSCompatibleValidator"}
    known = ["WARNING", chosen.get(name.split()[0])]
    return [failure for failure in verdict["failures"] if failure[0] != "INFO" and failure[:2] != known]


def test_an_unchanged_configuration_is_no_change(check: Check) -> None:
    # GIVEN a project of each storage
    cases = {storage: configuration(storage=storage) for storage in ("lustre", "efs")}
    verdicts = check(cases, changes=True)
    # THEN ParallelCluster sees a change only where it mixes up two entries of one bucket
    for verdict in verdicts.values():
        assert verdict["changes"]
        assert all("S3Access" in path for path in verdict["changes"])


def broken_configurations() -> dict[str, tuple[Configuration, str]]:
    """One mistake each, and the part of ParallelCluster that must notice."""

    def broken(change: Callable[[Configuration], object], **given: Any) -> Configuration:
        config = copy.deepcopy(configuration(**given))
        change(config)
        return config

    def queue(config: Configuration) -> Configuration:
        first: Configuration = config["Scheduling"]["SlurmQueues"][0]
        return first

    def database(config: Configuration) -> Configuration:
        settings: Configuration = config["Scheduling"]["SlurmSettings"]["Database"]
        return settings

    return {
        "an unknown key": (broken(lambda c: c.update(Colour="red")), "schema"),
        "a short subnet id": (
            broken(lambda c: c["HeadNode"]["Networking"].update(SubnetId="subnet-1")),
            "schema",
        ),
        "a Lustre id that is EFS's": (
            broken(lambda c: c["SharedStorage"][1]["FsxLustreSettings"].update(FileSystemId="fs-12345678")),
            "schema",
        ),
        "a database with a dash": (broken(lambda c: database(c).update(DatabaseName="a-b")), "schema"),
        "a database as URL": (
            broken(lambda c: database(c).update(Uri="mysql://host:3306")),
            "DatabaseUriValidator",
        ),
        "a queue in capitals": (broken(lambda c: queue(c).update(Name="MPI")), "NameValidator"),
        "a resource called default": (
            broken(lambda c: queue(c)["ComputeResources"][0].update(Name="default")),
            "NameValidator",
        ),
        "EFA without a word on placement": (
            broken(lambda c: queue(c)["Networking"].pop("PlacementGroup")),
            "EfaPlacementGroupValidator",
        ),
        "EFA on a node without": (
            broken(
                lambda c: queue(c)["ComputeResources"][0].update(Instances=[{"InstanceType": "m5.8xlarge"}])
            ),
            "InstancesEFAValidator",
        ),
        "a limit that is not ours to set": (
            broken(lambda c: queue(c)["CustomSlurmSettings"].update(State="DOWN")),
            "CustomSlurmSettingsValidator",
        ),
        "a line of slurm.conf that is ParallelCluster's": (
            broken(
                lambda c: c["Scheduling"]["SlurmSettings"]["CustomSlurmSettings"].append(
                    {"SlurmctldParameters": "idle_on_node_suspend"}
                )
            ),
            "CustomSlurmSettingsValidator",
        ),
        "one file system twice": (
            broken(
                lambda c: c["SharedStorage"].append(
                    {**c["SharedStorage"][0], "Name": "again", "MountDir": "/again"}
                )
            ),
            "DuplicateNameValidator",
        ),
        "a head node too small": (
            broken(lambda c: queue(c)["ComputeResources"][0].update(MaxCount=86)),
            "HeadNodeMemorySizeValidator",
        ),
        "a head node of another architecture": (
            broken(lambda c: c["HeadNode"].update(InstanceType="m7g.xlarge")),
            "InstanceArchitectureCompatibilityValidator",
        ),
        "an OS without an image": (broken(lambda c: c["Image"].update(Os="rocky9")), "OsCustomAmiValidator"),
        "a home by IAM in clear text": (
            broken(
                lambda c: c["SharedStorage"][0]["EfsSettings"].update(
                    IamAuthorization=True, EncryptionInTransit=False
                )
            ),
            "EfsMountOptionsValidator",
        ),
    }


def test_a_mistake_would_be_noticed(check: Check) -> None:
    # GIVEN configurations with one mistake each
    broken = broken_configurations()
    # WHEN ParallelCluster reads them
    verdicts = check({name: config for name, (config, _) in broken.items()})
    # THEN each is refused, by the part that is there for it
    for name, (_, by) in broken.items():
        errors = {failure[1] for failure in verdicts[name]["failures"] if failure[0] == "ERROR"}
        if verdicts[name]["schema"]:
            errors.add("schema")
        assert by in errors, f"{name}: {errors}"
