"""EC2 where moto is more lenient than AWS, and the key pairs a deployment needs."""

from __future__ import annotations

import base64

import pytest
from botocore.exceptions import ClientError


def test_a_subnet_in_use_stays(cloud, ground):
    subnet, group = ground.subnet(), ground.group("lustre", open_ports=(988,))
    fs_id = ground.lustre(subnet, group)["FileSystemId"]
    cloud.advance(60)
    for delete in (
        lambda: ground.ec2.delete_subnet(SubnetId=subnet),
        lambda: ground.ec2.delete_security_group(GroupId=group),
    ):
        with pytest.raises(ClientError, match="DependencyViolation"):
            delete()
    ground.fsx.delete_file_system(FileSystemId=fs_id)
    cloud.advance(60)
    ground.ec2.delete_security_group(GroupId=group)
    ground.ec2.delete_subnet(SubnetId=subnet)
    assert cloud.left_over() == []


def test_a_subnet_with_a_mount_target_or_a_head_node_stays(cloud, ground):
    subnet = ground.subnet()
    fs_id = ground.efs.create_file_system(CreationToken="home")["FileSystemId"]
    target = ground.efs.create_mount_target(FileSystemId=fs_id, SubnetId=subnet)["MountTargetId"]
    with pytest.raises(ClientError, match="DependencyViolation"):
        ground.ec2.delete_subnet(SubnetId=subnet)
    ground.efs.delete_mount_target(MountTargetId=target)
    ground.running(ground.config(subnet))
    with pytest.raises(ClientError, match="DependencyViolation"):
        ground.ec2.delete_subnet(SubnetId=subnet)
    ground.cfn.delete_stack(StackName="pc-lab-proj-stack")
    cloud.advance(60)
    ground.ec2.delete_subnet(SubnetId=subnet)


def test_a_group_that_a_rule_names_stays(ground):
    first, second = ground.group("first"), ground.group("second")
    permission = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": first}]}]
    ground.ec2.authorize_security_group_ingress(GroupId=second, IpPermissions=permission)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ground.ec2.delete_security_group(GroupId=first)
    ground.ec2.revoke_security_group_ingress(GroupId=second, IpPermissions=permission)
    ground.ec2.delete_security_group(GroupId=first)


def test_overlapping_subnets_conflict(ground):
    ground.subnet("10.42.64.0/24")
    with pytest.raises(ClientError, match=r"InvalidSubnet\.Conflict"):
        ground.subnet("10.42.64.0/20")


def test_a_rule_between_groups_keeps_its_description(ground):
    group = ground.group("described")
    pair = {"GroupId": group, "Description": "among themselves"}
    made = ground.ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [pair]}],
    )
    rule_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def description():
        found = ground.ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])
        return found["SecurityGroupRules"][0].get("Description")

    assert description() == "among themselves"
    rule = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "ReferencedGroupId": group}
    ground.ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": rule | {"Description": "changed"}}
        ],
    )
    assert description() == "changed"


def test_an_ed25519_key_pair_is_real(ground):
    material = ground.ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyMaterial"]
    lines = material.strip().splitlines()
    assert lines[0].endswith("OPENSSH PRIVATE KEY-----")
    assert base64.b64decode("".join(lines[1:-1])).startswith(b"openssh-key-v1\0")
    assert b"ssh-ed25519" in base64.b64decode("".join(lines[1:-1]))


def test_the_tags_of_one_thing_cost_the_same_however_many_others_there_are(cloud, ground, monkeypatch):
    """moto goes through the tags of all: with 25 projects half of the local cloud's work was that."""
    from moto.ec2.models.tags import TagBackend

    looked = []
    whole = TagBackend.describe_tags

    def counted(*arguments, **more):
        looked.append(arguments)
        return whole(*arguments, **more)

    monkeypatch.setattr(TagBackend, "describe_tags", counted)
    group = ground.group("ours")
    ours = [{"Key": "of", "Value": "ours"}, {"Key": "b", "Value": "2"}]
    ground.ec2.create_tags(Resources=[group], Tags=ours)

    def groups(pattern):
        return ground.ec2.describe_security_groups(Filters=[{"Name": "tag:of", "Values": [pattern]}])

    (found,) = groups("our*")["SecurityGroups"]
    assert (found["GroupId"], found["Tags"]) == (group, ours)
    assert groups("theirs")["SecurityGroups"] == []
    assert not looked
