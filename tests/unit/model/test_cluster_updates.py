"""What a change of a running cluster needs, in both directions of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from engine.model.cluster_updates import (
    Need,
    as_strings,
    cluster_changes,
    is_seeming,
    place_of,
    queue_update_strategy,
)

Configuration = dict[str, Any]
Edit = Callable[[Configuration], object]


def configuration() -> Configuration:
    resource = {
        "Name": "r",
        "Instances": [{"InstanceType": "c5.large"}],
        "MinCount": 1,
        "MaxCount": 4,
        "Efa": {"Enabled": True},
    }
    queue = {
        "Name": "q",
        "CapacityType": "ONDEMAND",
        "Networking": {"SubnetIds": ["subnet-1"], "PlacementGroup": {"Enabled": True}},
        "ComputeResources": [resource],
    }
    settings = {
        "QueueUpdateStrategy": "DRAIN",
        "ScaledownIdletime": 10,
        "Database": {"Uri": "host:3306", "DatabaseName": "db"},
    }
    script = {"Script": "s3://bucket/one.sh", "Args": ["/data"]}
    return {
        "Image": {"Os": "alinux2023"},
        "HeadNode": {"InstanceType": "t3.medium", "CustomActions": {"OnNodeConfigured": script}},
        "Scheduling": {"Scheduler": "slurm", "SlurmSettings": settings, "SlurmQueues": [queue]},
        "SharedStorage": [
            {
                "Name": "home",
                "MountDir": "/home",
                "StorageType": "Efs",
                "EfsSettings": {"FileSystemId": "fs-1"},
            },
            {
                "Name": "data",
                "MountDir": "/data",
                "StorageType": "FsxLustre",
                "FsxLustreSettings": {"FileSystemId": "fs-2"},
            },
        ],
        "Monitoring": {"Logs": {"CloudWatch": {"Enabled": True, "RetentionInDays": 30}}},
        "Tags": [{"Key": "owner", "Value": "ada"}],
    }


def queue(config: Configuration) -> Configuration:
    found: Configuration = config["Scheduling"]["SlurmQueues"][0]
    return found


def resource(config: Configuration) -> Configuration:
    found: Configuration = queue(config)["ComputeResources"][0]
    return found


def settings(config: Configuration) -> Configuration:
    found: Configuration = config["Scheduling"]["SlurmSettings"]
    return found


ANOTHER = {"Name": "more", "Networking": {"SubnetIds": ["subnet-1"]}, "ComputeResources": []}

BOTH_WAYS: dict[str, tuple[Edit, Need, Need]] = {
    "more nodes": (lambda c: resource(c).update(MaxCount=9), Need.LIVE, Need.TERMINATE),
    "the default count": (lambda c: resource(c).pop("MaxCount"), Need.LIVE, Need.TERMINATE),
    "more nodes always": (lambda c: resource(c).update(MinCount=2), Need.TERMINATE, Need.TERMINATE),
    "both counts alike": (
        lambda c: resource(c).update(MinCount=3, MaxCount=6),
        Need.LIVE,
        Need.TERMINATE,
    ),
    "less room than nodes": (
        lambda c: resource(c).update(MinCount=3, MaxCount=5),
        Need.TERMINATE,
        Need.TERMINATE,
    ),
    "a queue": (lambda c: c["Scheduling"]["SlurmQueues"].append(ANOTHER), Need.LIVE, Need.TERMINATE),
    "a compute resource": (
        lambda c: queue(c)["ComputeResources"].append({"Name": "r2", "MaxCount": 1}),
        Need.LIVE,
        Need.TERMINATE,
    ),
    "an instance type": (
        lambda c: resource(c)["Instances"].append({"InstanceType": "c6i.large"}),
        Need.LIVE,
        Need.FLEET_STOPPED,
    ),
    "a subnet": (
        lambda c: queue(c)["Networking"]["SubnetIds"].append("subnet-2"),
        Need.LIVE,
        Need.DRAIN,
    ),
    "no placement group": (
        lambda c: queue(c)["Networking"].pop("PlacementGroup"),
        Need.FLEET_STOPPED,
        Need.DRAIN,
    ),
    "spot": (lambda c: queue(c).update(CapacityType="SPOT"), Need.DRAIN, Need.DRAIN),
    "no EFA": (lambda c: resource(c).pop("Efa"), Need.DRAIN, Need.DRAIN),
    "a root volume": (
        lambda c: queue(c).update(ComputeSettings={"LocalStorage": {"RootVolume": {"Size": 60}}}),
        Need.DRAIN,
        Need.DRAIN,
    ),
    "an image for a queue": (
        lambda c: queue(c).update(Image={"CustomAmi": "ami-1"}),
        Need.DRAIN,
        Need.DRAIN,
    ),
    "limits of jobs": (
        lambda c: queue(c).update(CustomSlurmSettings={"MaxTime": 60}),
        Need.LIVE,
        Need.LIVE,
    ),
    "no SMT": (
        lambda c: resource(c).update(DisableSimultaneousMultithreading=True),
        Need.FLEET_STOPPED,
        Need.FLEET_STOPPED,
    ),
    "idle time": (
        lambda c: settings(c).update(ScaledownIdletime=5),
        Need.FLEET_STOPPED,
        Need.FLEET_STOPPED,
    ),
    "another server": (
        lambda c: settings(c)["Database"].update(Uri="other:3306"),
        Need.FLEET_STOPPED,
        Need.FLEET_STOPPED,
    ),
    "no accounting": (lambda c: settings(c).pop("Database"), Need.FLEET_STOPPED, Need.FLEET_STOPPED),
    "strategy": (lambda c: settings(c).update(QueueUpdateStrategy="TERMINATE"), Need.LIVE, Need.LIVE),
    "no Lustre": (lambda c: c["SharedStorage"].pop(), Need.LIVE, Need.LIVE),
    "no home": (lambda c: c["SharedStorage"].pop(0), Need.NEW_CLUSTER, Need.NEW_CLUSTER),
    "another mount point": (
        lambda c: c["SharedStorage"][1].update(MountDir="/scratch"),
        Need.FLEET_STOPPED,
        Need.FLEET_STOPPED,
    ),
    "another file system": (
        lambda c: c["SharedStorage"][1]["FsxLustreSettings"].update(FileSystemId="fs-3"),
        Need.NEW_CLUSTER,
        Need.NEW_CLUSTER,
    ),
    "head node": (
        lambda c: c["HeadNode"].update(InstanceType="m7i.large"),
        Need.NEW_CLUSTER,
        Need.NEW_CLUSTER,
    ),
    "system": (lambda c: c["Image"].update(Os="rocky9"), Need.NEW_CLUSTER, Need.NEW_CLUSTER),
    "another script": (
        lambda c: c["HeadNode"]["CustomActions"]["OnNodeConfigured"].update(Script="s3://bucket/two.sh"),
        Need.NEW_CLUSTER,
        Need.NEW_CLUSTER,
    ),
    "a script for updates": (
        lambda c: c["HeadNode"]["CustomActions"].update(OnNodeUpdated={"Script": "s3://bucket/two.sh"}),
        Need.LIVE,
        Need.LIVE,
    ),
    "retention": (
        lambda c: c["Monitoring"]["Logs"]["CloudWatch"].update(RetentionInDays=90),
        Need.LIVE,
        Need.LIVE,
    ),
    "a tag": (lambda c: c["Tags"].append({"Key": "team", "Value": "x"}), Need.LIVE, Need.LIVE),
    "the owner": (lambda c: c["Tags"][0].update(Value="eve"), Need.LIVE, Need.LIVE),
}


def most(old: Configuration, new: Configuration) -> Need:
    needs = [change.need for change in cluster_changes(old, new)]
    return max(needs, key=list(Need).index)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_what_a_change_needs_and_what_taking_it_back_needs(name: str) -> None:
    edit, there, back = BOTH_WAYS[name]
    old, new = configuration(), configuration()
    edit(new)
    assert (most(old, new), most(new, old)) == (there, back)


def test_nothing_changed_is_no_change() -> None:
    # AND a number is its text, as CloudFormation hands it on
    assert cluster_changes(configuration(), as_strings(configuration())) == ()


def test_scalars_become_text_as_cloudformation_makes_them() -> None:
    assert as_strings({"a": [1, True, 1.5, "x"], "b": {"c": False}}) == {
        "a": ["1", "true", "1.5", "x"],
        "b": {"c": "false"},
    }


def test_a_change_names_where_it_is() -> None:
    new = configuration()
    resource(new)["MaxCount"] = 8
    c5 = copy.deepcopy(resource(new)) | {"Name": "other"}
    queue(new)["ComputeResources"].append(c5)
    count, added = cluster_changes(configuration(), new)
    assert str(count) == "Scheduling.SlurmQueues[q].ComputeResources[r].MaxCount"
    assert (count.difference.old, count.difference.new) == ("4", "8")
    assert count.difference.place == "Scheduling.SlurmQueues.ComputeResources.MaxCount"
    assert str(added) == "Scheduling.SlurmQueues[q].ComputeResources[other]"
    assert place_of(str(added)) == "Scheduling.SlurmQueues.ComputeResources"


@pytest.mark.parametrize(
    ("need", "stop", "drain", "terminate", "stopped"),
    [
        (Need.LIVE, True, True, True, True),
        (Need.DRAIN, False, True, True, True),
        (Need.TERMINATE, False, False, True, True),
        (Need.FLEET_STOPPED, False, False, False, True),
        (Need.NEW_CLUSTER, False, False, False, False),
    ],
)
def test_who_permits_what(need: Need, stop: bool, drain: bool, terminate: bool, stopped: bool) -> None:
    strategies = {"COMPUTE_FLEET_STOP": stop, "DRAIN": drain, "TERMINATE": terminate}
    for strategy, permitted in strategies.items():
        assert need.permitted(strategy, fleet_stopped=False) is permitted
        assert need.permitted(strategy, fleet_stopped=True) is stopped


def test_the_strategy_is_aws_own_where_none_is_given() -> None:
    assert queue_update_strategy(configuration()) == "DRAIN"
    assert queue_update_strategy({}) == "COMPUTE_FLEET_STOP"


def test_tags_are_fixed_in_isolated_regions() -> None:
    old, new = configuration() | {"Region": "us-iso-east-1"}, configuration() | {"Region": "us-iso-east-1"}
    new["Tags"].append({"Key": "team", "Value": "x"})
    assert most(old, new) is Need.NEW_CLUSTER


def test_a_lustre_made_by_parallelcluster_holds_the_subnets() -> None:
    old = configuration()
    old["SharedStorage"][1]["FsxLustreSettings"] = {"StorageCapacity": 1200}
    new = copy.deepcopy(old)
    queue(new)["Networking"]["SubnetIds"].append("subnet-2")
    assert most(old, new) is Need.NEW_CLUSTER


def test_entries_that_share_a_name_only_seem_to_change() -> None:
    # GIVEN two entries of one bucket, which AWS mixes up
    old = configuration()
    old["HeadNode"]["Iam"] = {"S3Access": [{"BucketName": "b"}, {"BucketName": "b", "KeyName": "x/*"}]}
    new = copy.deepcopy(old)
    new["HeadNode"]["InstanceType"] = "m7i.large"
    # WHEN something else changes THEN only that is more than seeming
    changes = cluster_changes(old, new)
    assert len(changes) == 3
    assert [str(one) for one in changes if not is_seeming(one, old, new)] == ["HeadNode.InstanceType"]
    # AND an entry that does change is told
    new["HeadNode"]["Iam"]["S3Access"][1]["KeyName"] = "y/*"
    assert len([one for one in cluster_changes(old, new) if not is_seeming(one, old, new)]) > 1
