"""The cluster configuration: what it says, that nothing gets out of its quotes, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.ec2.models.instance_types import INSTANCE_TYPES

from engine.errors import InvalidSpec
from engine.model.instance_types import is_arm, memory_gib
from engine.model.names import names_for
from engine.model.node_checks import check_nodes
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier, chosen_tier, find_tier, last_tier, load_catalogue
from engine.workspace.cluster_config import (
    References,
    cluster_configuration,
    render_cluster_config,
)
from engine.workspace.render import render_workspace
from engine.workspace.stack import Presence

CATALOGUE = load_catalogue()
SETTINGS = Settings()
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
LUSTRE = References(
    subnet_id="${module.subnet[0].id}",
    node_security_group_id="${module.parallelcluster[0].security_group_id}",
    endpoint_security_group_id="${data.aws_security_group.endpoint_access.id}",
    accounting_security_group_id="${data.aws_security_group.accounting_access.id}",
    workflow_security_group_id="${data.aws_security_group.workflow_access.id}",
    efs_id="${module.efs.id}",
    lustre_id="${module.fsx[0].id}",
    accounting_host="${data.aws_db_instance.accounting.address}",
    accounting_secret_arn="${module.accounting.secret_arn}",
    node_software_url="${module.node_scripts[0].url}",
    node_config_url="${module.node_scripts[0].config_url}",
    node_update_url="${module.node_scripts[0].update_config_url}",
    job_log_group="${module.job_records.log_group}",
    nodes_bucket="${data.aws_s3_bucket.nodes.id}",
    public_bucket="${data.aws_s3_bucket.public.id}",
    private_bucket="${module.bucket.name}",
)
EFS = replace(LUSTRE, lustre_id=None)


def spec(**fields: Any) -> ProjectSpec:
    return ProjectSpec.model_validate({"vlab_id": "lab-1", "project_id": "proj-1", **fields})


def text(
    project: ProjectSpec | None = None,
    *,
    settings: Settings = SETTINGS,
    tier: Tier | None = None,
    references: References = LUSTRE,
) -> str:
    project = project or spec()
    return render_cluster_config(
        spec=project,
        names=NAMES,
        settings=settings,
        tier=tier or find_tier(CATALOGUE, project.tier),
        references=references,
    )


def configuration(*arguments: Any, **keywords: Any) -> dict[str, Any]:
    return cluster_configuration(text(*arguments, **keywords))


def queue_of(config: dict[str, Any]) -> dict[str, Any]:
    (queue,) = config["Scheduling"]["SlurmQueues"]
    assert isinstance(queue, dict)
    return queue


def test_a_subnet_without_internet_gets_no_managed_dns() -> None:
    assert configuration()["Scheduling"]["SlurmSettings"]["Dns"] == {
        "DisableManagedDns": True,
        "UseEc2Hostnames": True,
    }


def test_accounting_uses_the_shared_server_with_a_database_and_a_user_of_its_own() -> None:
    assert configuration()["Scheduling"]["SlurmSettings"]["Database"] == {
        "Uri": "${data.aws_db_instance.accounting.address}:3306",
        "UserName": NAMES.database_user,
        "PasswordSecretArn": "${module.accounting.secret_arn}",
        "DatabaseName": NAMES.database,
    }


def test_nodes_are_in_the_projects_subnet_and_groups() -> None:
    config = configuration()
    head, queue = config["HeadNode"]["Networking"], queue_of(config)["Networking"]
    assert (head["SubnetId"], queue["SubnetIds"]) == (LUSTRE.subnet_id, [LUSTRE.subnet_id])
    # Compute nodes have no business with the database, and nobody from outside with them.
    assert queue["AdditionalSecurityGroups"] == [
        LUSTRE.node_security_group_id,
        LUSTRE.endpoint_security_group_id,
    ]
    assert head["AdditionalSecurityGroups"] == [
        *queue["AdditionalSecurityGroups"],
        LUSTRE.accounting_security_group_id,
        LUSTRE.workflow_security_group_id,
    ]


def test_a_lustre_project_mounts_home_and_data() -> None:
    config = configuration()
    assert config["SharedStorage"] == [
        {
            "Name": "home",
            "MountDir": "/home",
            "StorageType": "Efs",
            "EfsSettings": {"FileSystemId": LUSTRE.efs_id, "EncryptionInTransit": True},
        },
        {
            "Name": "data",
            "MountDir": "/data",
            "StorageType": "FsxLustre",
            "FsxLustreSettings": {"FileSystemId": LUSTRE.lustre_id},
        },
    ]


def test_an_efs_project_mounts_its_home_alone() -> None:
    config = configuration(spec(storage={"kind": "efs"}), references=EFS)
    assert [storage["MountDir"] for storage in config["SharedStorage"]] == ["/home"]


def test_every_node_runs_the_node_software_at_its_steps() -> None:
    config = configuration(spec(tier="prod-batch"))
    steps = {
        place: {
            event: (action["Script"], action["Args"]) for event, action in section["CustomActions"].items()
        }
        for place, section in (("head", config["HeadNode"]), ("compute", queue_of(config)))
    }
    url, config_url = LUSTRE.node_software_url, LUSTRE.node_config_url
    assert steps == {
        "head": {
            "OnNodeStart": (url, ["head-start", config_url]),
            "OnNodeConfigured": (url, ["head-configured", config_url]),
            # the one that may change while the cluster runs, so that a change of the configuration is told
            "OnNodeUpdated": (url, ["head-updated", LUSTRE.node_update_url]),
        },
        "compute": {
            "OnNodeStart": (url, ["compute-start", config_url]),
            "OnNodeConfigured": (url, ["compute-configured", config_url]),
        },
    }


def test_lustre_carries_the_data_so_nodes_only_read_s3() -> None:
    config = configuration()
    for access in (config["HeadNode"]["Iam"]["S3Access"], queue_of(config)["Iam"]["S3Access"]):
        data = [entry for entry in access if entry["BucketName"] != LUSTRE.nodes_bucket]
        assert data == [{"BucketName": LUSTRE.public_bucket}, {"BucketName": LUSTRE.private_bucket}]


def test_of_what_nodes_fetch_no_other_projects_part_can_be_read() -> None:
    config = configuration()

    def keys(section: dict[str, Any]) -> list[str]:
        access = section["Iam"]["S3Access"]
        return [entry["KeyName"] for entry in access if entry["BucketName"] == LUSTRE.nodes_bucket]

    assert keys(config["HeadNode"]) == ["packages/*", "jwks.json", f"projects/{NAMES.cluster}/*"]
    assert NAMES.authorized_keys_key.startswith(f"projects/{NAMES.cluster}/")
    assert keys(queue_of(config)) == ["packages/*"]


def test_without_lustre_nodes_may_write_below_private_alone() -> None:
    config = configuration(spec(storage={"kind": "efs"}), references=EFS)
    for access in (config["HeadNode"]["Iam"]["S3Access"], queue_of(config)["Iam"]["S3Access"]):
        assert [entry for entry in access if "EnableWriteAccess" in entry] == [
            {"BucketName": EFS.private_bucket, "KeyName": "private/*", "EnableWriteAccess": True}
        ]
        assert {"BucketName": EFS.private_bucket} in access


def test_parallelcluster_opens_ssh_to_nobody() -> None:
    assert configuration()["HeadNode"]["Ssh"] == {"KeyName": NAMES.key_pair, "AllowedIps": "127.0.0.1/32"}


def test_an_mpi_tier_becomes_a_queue() -> None:
    queue = queue_of(configuration(spec(tier="prod-mpi-mem")))
    assert (queue["Name"], queue["AllocationStrategy"]) == ("prod-mpi-mem", "lowest-price")
    assert queue["Networking"]["PlacementGroup"] == {"Enabled": True}
    assert queue["CustomSlurmSettings"] == {"MaxNodes": 20, "MaxTime": 720}
    assert queue["ComputeResources"] == [
        {
            "Name": "m7a-48xlarge",
            "Instances": [{"InstanceType": "m7a.48xlarge"}],
            "MinCount": 0,
            "MaxCount": 20,
            "Efa": {"Enabled": True},
        },
        {
            "Name": "m7i-48xlarge",
            "Instances": [{"InstanceType": "m7i.48xlarge"}],
            "MinCount": 0,
            "MaxCount": 20,
            "Efa": {"Enabled": True},
            "DisableSimultaneousMultithreading": True,
        },
    ]


def test_a_placement_group_is_stated_in_every_tier() -> None:
    for tier in CATALOGUE:
        assert "Enabled" in queue_of(configuration(spec(tier=tier.name)))["Networking"]["PlacementGroup"]


def test_a_queue_without_limits_has_none_written() -> None:
    (queue,) = CATALOGUE[0].queues
    unlimited = CATALOGUE[0].model_copy(
        update={"queues": (queue.model_copy(update={"max_nodes": None, "max_time_min": None}),)}
    )
    assert "CustomSlurmSettings" not in queue_of(configuration(tier=unlimited))


def test_the_specs_max_nodes_replaces_the_tiers() -> None:
    queue = queue_of(configuration(spec(tier="prod-batch", compute={"max_nodes": 3})))
    assert [resource["MaxCount"] for resource in queue["ComputeResources"]] == [3, 3]


def test_the_specs_head_node_wins_over_the_settings() -> None:
    assert configuration()["HeadNode"]["InstanceType"] == SETTINGS.head_node_instance_type
    chosen = configuration(spec(head_node={"instance_type": "c7i.4xlarge"}))
    assert chosen["HeadNode"]["InstanceType"] == "c7i.4xlarge"


def test_image_and_logs_come_from_the_settings() -> None:
    settings = Settings.model_validate({"custom_ami": "ami-0123456789abcdef0", "log_retention_days": 30})
    config = configuration(settings=settings)
    assert config["Image"] == {"Os": "alinux2023", "CustomAmi": "ami-0123456789abcdef0"}
    assert config["Monitoring"]["Logs"]["CloudWatch"]["RetentionInDays"] == 30
    assert configuration()["Image"] == {"Os": "alinux2023"}


def test_a_permissions_boundary_stands_on_every_role_where_it_is_set() -> None:
    boundary = "arn:aws:iam::210987654321:policy/boundary"
    settings = Settings.model_validate({"permissions_boundary": boundary})
    assert configuration(settings=settings)["Iam"] == {"PermissionsBoundary": boundary}
    assert "Iam" not in configuration()


def test_tags_are_the_users_and_ours() -> None:
    tags = configuration(spec(owner="ada", tags={"team": "b", "cost": "4711"}))["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in tags] == [
        ("cost", "4711"),
        ("team", "b"),
        ("provisioner:vlab", "lab-1"),
        ("provisioner:project", "proj-1"),
        ("provisioner:owner", "ada"),
        ("provisioner:managed-by", "parallelcluster-provisioner"),
    ]


def test_the_same_input_gives_the_same_bytes() -> None:
    one = text(spec(tags={"a": "1", "b": "2"}))
    other = text(spec(tags={"b": "2", "a": "1"}))
    assert one == other
    assert one.endswith("\n") and not re.search(r"[ \t]$|\n\n\n|\t", one, re.MULTILINE)


def test_every_reference_of_terraform_is_one_we_placed() -> None:
    # GIVEN the project with all references
    # WHEN the expressions are taken out of the text (its comments explain the sign itself)
    placed = set(re.findall(r"\$\{[^}.][^}]*\}", text()))
    # THEN they are exactly those that were handed in
    # The log group of job records is the node configuration's alone.
    assert placed == {value for value in vars(LUSTRE).values() if value is not None} - {LUSTRE.job_log_group}


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_no_text_of_the_user_becomes_yaml_or_terraform(key: str, value: str) -> None:
    # GIVEN a tag that no check has seen
    wild = spec().model_copy(update={"tags": {key: value}, "owner": value or "o"})
    # WHEN the text is read back
    config = configuration(wild)
    # THEN the tag is one tag, and Terraform's own reading of its text gives it back
    assert (as_terraform_reads(config["Tags"][0]["Key"]), as_terraform_reads(config["Tags"][0]["Value"])) == (
        key,
        value,
    )
    assert set(config) == set(configuration())


def as_terraform_reads(template: str) -> str:
    """A template without expressions, as Terraform reads it; fails on one that has any."""
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", template)
    return template.replace("$${", "${").replace("%%{", "%{")


@pytest.mark.parametrize("value", ['${file("x")}', "%{ if true }", "a\nRegion: b", '"', "\\", "#", "é😀"])
def test_text_that_could_do_harm_stays_text(value: str) -> None:
    wild = spec().model_copy(update={"tags": {"note": value}})
    (tag,) = (tag for tag in configuration(wild)["Tags"] if tag["Key"] == "note")
    assert as_terraform_reads(tag["Value"]) == value


@pytest.mark.parametrize(
    ("head_node", "max_nodes", "fits"),
    [
        ("t3.medium", 85, True),
        ("t3.medium", 86, False),
        ("c7i.xlarge", 1000, False),
        ("m7i.xlarge", 1000, True),
        ("hpc6a.48xlarge", 1000, True),
    ],
)
def test_a_head_node_too_small_for_its_nodes_is_refused(head_node: str, max_nodes: int, fits: bool) -> None:
    project = spec(head_node={"instance_type": head_node}, compute={"max_nodes": max_nodes})
    if fits:
        check_nodes(project, SETTINGS, chosen_tier(CATALOGUE, project))
        return
    with pytest.raises(InvalidSpec, match="too little to look after") as caught:
        check_nodes(project, SETTINGS, chosen_tier(CATALOGUE, project))
    assert [problem.path for problem in caught.value.problems] == ["head_node.instance_type"]


def test_a_head_node_of_another_architecture_is_refused() -> None:
    project = spec(head_node={"instance_type": "m7g.xlarge"})
    with pytest.raises(InvalidSpec, match="differ in processor architecture"):
        check_nodes(project, SETTINGS, chosen_tier(CATALOGUE, project))


def test_gpus_need_an_image_with_their_driver() -> None:
    # GIVEN a queue with GPUs that ParallelCluster's own images have no driver for
    resource = {"name": "r", "instance_types": ["p3.8xlarge"], "max_count": 1}
    old = spec(queues=[{"name": "q", "compute_resources": [resource]}])
    image = "ami-0123456789abcdef0"
    new = spec(queues=[{"name": "q", "compute_resources": [resource], "custom_ami": image}])
    # THEN it is refused, unless the queue or the installation has an image of its own
    with pytest.raises(InvalidSpec, match="no driver") as caught:
        check_nodes(old, SETTINGS, chosen_tier(CATALOGUE, old))
    assert [one.path for one in caught.value.problems] == ["queues[0].compute_resources[0].instance_types[0]"]
    check_nodes(new, SETTINGS, chosen_tier(CATALOGUE, new))
    check_nodes(old, Settings(custom_ami=image), chosen_tier(CATALOGUE, old))


def test_a_cluster_that_goes_needs_neither_its_tier_nor_nodes_that_fit() -> None:
    # GIVEN projects whose tier has left the catalogue, or has become too large for the head node
    gone = spec(tier="gone")
    large = spec(compute={"max_nodes": 1000})
    for project in (gone, large):
        tier = last_tier(CATALOGUE, project)
        # THEN they can be parked
        assert render_workspace(project, SETTINGS, tier, subnet_cidr=None, presence=Presence.PARKED)
    # AND not be brought up
    with pytest.raises(InvalidSpec, match="too little to look after"):
        render_workspace(large, SETTINGS, chosen_tier(CATALOGUE, large), subnet_cidr=None)
    with pytest.raises(InvalidSpec, match="There is no tier"):
        chosen_tier(CATALOGUE, gone)


def test_what_is_known_of_instance_types_agrees_with_ec2s_list() -> None:
    # GIVEN every instance type in the list that comes with the local cloud
    known = {name: memory_gib(name) for name in INSTANCE_TYPES}
    # THEN a memory that we state is right, and so is the architecture of all
    wrong = {
        name: gib
        for name, gib in known.items()
        if gib is not None and gib * 1024 != INSTANCE_TYPES[name]["MemoryInfo"]["SizeInMiB"]
    }
    assert wrong == {}
    assert sum(gib is not None for gib in known.values()) > 100
    assert [
        name
        for name, facts in INSTANCE_TYPES.items()
        if ("arm64" in facts["ProcessorInfo"]["SupportedArchitectures"]) != is_arm(name)
    ] == []


@pytest.mark.parametrize("broken", ["- a", "a", ""])
def test_text_that_is_no_configuration_is_not_read(broken: str) -> None:
    with pytest.raises(ValueError, match="mapping"):
        cluster_configuration(broken)


def test_queues_of_the_projects_own_are_written_as_they_are_said() -> None:
    # GIVEN a spec that says all that can be said of a queue
    project = spec(
        head_node={"root_volume": {"size_gib": 100, "type": "gp3"}},
        compute={"scaledown_idle_min": 25},
        queues=[
            {
                "name": "main",
                "spot": True,
                "allocation_strategy": "price-capacity-optimized",
                "placement_group": True,
                "max_nodes": 3,
                "max_time_min": 60,
                "custom_ami": "ami-0123456789abcdef0",
                "root_volume": {"size_gib": 200, "type": "gp2"},
                "compute_resources": [
                    {
                        "name": "large",
                        "instance_types": ["c7i.48xlarge", "c6a.48xlarge"],
                        "min_count": 1,
                        "max_count": 5,
                        "efa": True,
                        "smt": False,
                    }
                ],
            }
        ],
    )
    # WHEN it is rendered
    config = configuration(project, tier=chosen_tier(CATALOGUE, project))
    # THEN the configuration says it in ParallelCluster's words
    queue = queue_of(config)
    assert (queue["CapacityType"], queue["AllocationStrategy"]) == ("SPOT", "price-capacity-optimized")
    assert queue["Networking"]["PlacementGroup"] == {"Enabled": True}
    assert queue["Image"] == {"CustomAmi": "ami-0123456789abcdef0"}
    assert queue["CustomSlurmSettings"] == {"MaxNodes": 3, "MaxTime": 60}
    assert queue["ComputeSettings"]["LocalStorage"]["RootVolume"] == {
        "Encrypted": True,
        "Size": 200,
        "VolumeType": "gp2",
    }
    assert queue["ComputeResources"] == [
        {
            "Name": "large",
            "Instances": [{"InstanceType": "c7i.48xlarge"}, {"InstanceType": "c6a.48xlarge"}],
            "MinCount": 1,
            "MaxCount": 5,
            "Efa": {"Enabled": True},
            "DisableSimultaneousMultithreading": True,
        }
    ]
    assert config["HeadNode"]["LocalStorage"]["RootVolume"]["Size"] == 100
    assert config["Scheduling"]["SlurmSettings"]["ScaledownIdletime"] == 25


def test_the_idle_time_is_the_specs_else_the_tiers_else_ten_minutes() -> None:
    def idle(project: ProjectSpec, tier: Tier) -> Any:
        return configuration(project, tier=tier)["Scheduling"]["SlurmSettings"]["ScaledownIdletime"]

    debug = find_tier(CATALOGUE, "debug")
    quick = debug.model_copy(update={"scaledown_idle_min": 0})
    assert idle(spec(), debug) == 10
    assert idle(spec(), quick) == 0
    assert idle(spec(compute={"scaledown_idle_min": -1}), quick) == -1
