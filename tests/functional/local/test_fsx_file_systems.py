"""FSx for Lustre file systems: lifecycle, attributes, and what AWS refuses."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError


def described(ground, fs_id):
    return ground.fsx.describe_file_systems(FileSystemIds=[fs_id])["FileSystems"][0]


def test_a_file_system_is_creating_then_available(cloud, ground):
    # GIVEN a request with tags
    made = ground.lustre(
        ground.subnet(), ground.group("lustre", open_ports=(988,)), Tags=[{"Key": "Name", "Value": "data"}]
    )
    # THEN it is CREATING with everything a client needs to know
    assert made["Lifecycle"] == "CREATING"
    assert re.fullmatch(r"fs-0[0-9a-f]{16}", made["FileSystemId"])
    assert made["DNSName"] == f"{made['FileSystemId']}.fsx.us-east-1.amazonaws.com"
    assert made["LustreConfiguration"]["MountName"]
    assert made["OwnerId"] == "123456789012"
    assert len(made["NetworkInterfaceIds"]) == 2
    assert made["Tags"] == [{"Key": "Name", "Value": "data"}]
    # WHEN not enough time has passed THEN it still is
    cloud.advance(cloud.world.durations.fsx_create_s - 0.1)
    assert described(ground, made["FileSystemId"])["Lifecycle"] == "CREATING"
    # WHEN it has THEN it is AVAILABLE
    cloud.advance(0.1)
    assert described(ground, made["FileSystemId"])["Lifecycle"] == "AVAILABLE"


def test_a_deleted_file_system_goes_with_its_interfaces(cloud, ground):
    before = cloud.inventory()
    fs_id = ground.available_lustre()
    ground.fsx.delete_file_system(FileSystemId=fs_id)
    assert described(ground, fs_id)["Lifecycle"] == "DELETING"
    cloud.advance(cloud.world.durations.fsx_delete_s)
    with pytest.raises(ground.fsx.exceptions.FileSystemNotFound):
        described(ground, fs_id)
    left = {(item["service"], item["type"]) for item in cloud.inventory()} - {
        (item["service"], item["type"]) for item in before
    }
    assert not left
    assert not [one for one in cloud.left_over() if "network-interface" in one]


@pytest.mark.parametrize("capacity", [0, 1000, 1800, 3600])
def test_a_capacity_between_the_steps_is_refused(ground, capacity):
    with pytest.raises(ground.fsx.exceptions.BadRequest):
        ground.lustre(ground.subnet(), ground.group("lustre", open_ports=(988,)), StorageCapacity=capacity)


def test_a_throughput_of_another_deployment_type_is_refused(ground):
    with pytest.raises(ground.fsx.exceptions.InvalidPerUnitStorageThroughput):
        ground.lustre(
            ground.subnet(),
            ground.group("lustre", open_ports=(988,)),
            LustreConfiguration={"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 200},
        )


def test_the_network_must_exist_and_let_lustre_through(cloud, ground):
    subnet, shut = ground.subnet(), ground.group("shut")
    with pytest.raises(ground.fsx.exceptions.InvalidNetworkSettings, match="does not exist"):
        ground.lustre("subnet-00000000000000000", shut)
    with pytest.raises(ground.fsx.exceptions.InvalidNetworkSettings, match="does not exist"):
        ground.lustre(subnet, "sg-00000000000000000")
    with pytest.raises(
        ground.fsx.exceptions.InvalidNetworkSettings, match="LNET network traffic on port 988"
    ):
        ground.lustre(subnet, shut)
    with pytest.raises(ClientError, match="exactly one subnet"):
        ground.lustre(subnet, shut, SubnetIds=[subnet, ground.subnet("10.42.65.0/24")])
    assert not ground.fsx.describe_file_systems()["FileSystems"]


def test_the_same_token_makes_one_file_system(ground):
    subnet, group = ground.subnet(), ground.group("lustre", open_ports=(988,))
    first = ground.lustre(subnet, group, ClientRequestToken="once")
    assert ground.lustre(subnet, group, ClientRequestToken="once")["FileSystemId"] == first["FileSystemId"]
    with pytest.raises(ground.fsx.exceptions.IncompatibleParameterError):
        ground.lustre(subnet, group, ClientRequestToken="once", StorageCapacity=2400)
    assert len(ground.fsx.describe_file_systems()["FileSystems"]) == 1


def test_capacity_grows_in_steps_and_never_shrinks(cloud, ground):
    fs_id = ground.available_lustre()
    for capacity in (2000, 3600):
        with pytest.raises(ground.fsx.exceptions.BadRequest):
            ground.fsx.update_file_system(FileSystemId=fs_id, StorageCapacity=capacity)
    updating = ground.fsx.update_file_system(FileSystemId=fs_id, StorageCapacity=2400)["FileSystem"]
    assert updating["Lifecycle"] == "UPDATING"
    assert updating["StorageCapacity"] == 1200
    # WHEN it is asked for more meanwhile, or while it optimizes THEN that is refused
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="update already in progress"):
        ground.fsx.update_file_system(FileSystemId=fs_id, StorageCapacity=4800)
    cloud.advance(cloud.world.durations.fsx_update_s)
    grown = described(ground, fs_id)
    assert (grown["Lifecycle"], grown["StorageCapacity"]) == ("AVAILABLE", 2400)
    assert grown["AdministrativeActions"][0]["Status"] == "UPDATED_OPTIMIZING"
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="6 hours"):
        ground.fsx.update_file_system(FileSystemId=fs_id, StorageCapacity=4800)
    cloud.advance(cloud.world.durations.fsx_optimize_s)
    assert described(ground, fs_id)["AdministrativeActions"][0]["Status"] == "COMPLETED"
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="decreased"):
        ground.fsx.update_file_system(FileSystemId=fs_id, StorageCapacity=1200)


def test_tags_can_be_changed(ground):
    arn = ground.lustre(ground.subnet(), ground.group("lustre", open_ports=(988,)))["ResourceARN"]
    ground.fsx.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ground.fsx.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert ground.fsx.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
