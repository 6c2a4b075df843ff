"""VPC endpoints, peering, network ACLs and deletions where moto is more lenient than AWS."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import boto3
import pytest
from botocore.exceptions import ClientError

KMS = "com.amazonaws.us-east-1.kms"


@pytest.fixture
def endpoint(ground):
    """Makes an interface endpoint for KMS in a subnet: (endpoint, subnet id, group id)."""

    def make(**changes):
        subnet, group = ground.subnet(), ground.group("endpoints")
        request = {
            "VpcId": ground.vpc,
            "ServiceName": KMS,
            "VpcEndpointType": "Interface",
            "SubnetIds": [subnet],
            "SecurityGroupIds": [group],
        } | changes
        return ground.ec2.create_vpc_endpoint(**request)["VpcEndpoint"], subnet, group

    return make


def state(ec2, endpoint_id):
    found = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    return next((one["State"] for one in found if one["VpcEndpointId"] == endpoint_id), None)


def test_an_interface_endpoint_comes_and_goes_slowly(cloud, ground, endpoint):
    made, subnet, group = endpoint()
    endpoint_id = made["VpcEndpointId"]
    assert made["State"] == "pending"
    cloud.advance(cloud.world.durations.endpoint_create_s)
    assert state(ground.ec2, endpoint_id) == "available"

    # It stands in the subnet, with an address of it and the group.
    interface = ground.ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])
    interface = interface["NetworkInterfaces"][0]
    assert IPv4Address(interface["PrivateIpAddress"]) in IPv4Network("10.42.64.0/24")
    assert [one["GroupId"] for one in interface["Groups"]] == [group]
    in_use = (
        lambda: ground.ec2.delete_subnet(SubnetId=subnet),
        lambda: ground.ec2.delete_security_group(GroupId=group),
    )
    for delete in in_use:
        with pytest.raises(ClientError, match="DependencyViolation"):
            delete()

    # Its interfaces are there until it is gone.
    ground.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    assert state(ground.ec2, endpoint_id) == "deleting"
    for delete in in_use:
        with pytest.raises(ClientError, match="DependencyViolation"):
            delete()
    cloud.advance(cloud.world.durations.endpoint_delete_s)
    assert state(ground.ec2, endpoint_id) is None
    for delete in in_use:
        delete()
    assert cloud.left_over() == []


def test_an_endpoint_moves_with_its_subnets(cloud, ground, endpoint):
    made, subnet, _ = endpoint()
    other = ground.ec2.create_subnet(
        VpcId=ground.vpc, CidrBlock="10.42.65.0/24", AvailabilityZone="us-east-1b"
    )["Subnet"]["SubnetId"]
    ground.ec2.modify_vpc_endpoint(
        VpcEndpointId=made["VpcEndpointId"], AddSubnetIds=[other], RemoveSubnetIds=[subnet]
    )
    ground.ec2.delete_subnet(SubnetId=subnet)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ground.ec2.delete_subnet(SubnetId=other)


def test_endpoints_that_aws_refuses(ground, endpoint):
    made, subnet, _ = endpoint()
    in_the_same_zone = ground.subnet("10.42.65.0/24")
    request = {"VpcId": ground.vpc, "ServiceName": KMS, "VpcEndpointType": "Interface"}
    with pytest.raises(ClientError, match="DuplicateSubnetsInSameZone"):
        ground.ec2.create_vpc_endpoint(
            **request, SubnetIds=[subnet, in_the_same_zone], PrivateDnsEnabled=False
        )
    with pytest.raises(ClientError, match="conflicting DNS domain"):
        ground.ec2.create_vpc_endpoint(**request, SubnetIds=[subnet])
    without_names = ground.ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    with pytest.raises(ClientError, match="enableDnsHostnames"):
        ground.ec2.create_vpc_endpoint(**request | {"VpcId": without_names})
    assert made["State"] == "pending"


def test_the_seed_is_up_from_the_start(ground):
    assert {one["State"] for one in ground.ec2.describe_vpc_endpoints()["VpcEndpoints"]} == {"available"}


def test_a_vpc_goes_when_it_is_empty(cloud, ground):
    ec2 = ground.ec2
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="nodes", Description="nodes")["GroupId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table["RouteTableId"]]
    )["VpcEndpoint"]["VpcEndpointId"]
    for delete in (
        lambda: ec2.delete_security_group(GroupId=group),
        lambda: ec2.delete_network_acl(NetworkAclId=acl),
        lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint]),
    ):
        with pytest.raises(ClientError, match="DependencyViolation"):
            ec2.delete_vpc(VpcId=vpc)
        delete()
    ec2.delete_vpc(VpcId=vpc)
    assert cloud.left_over() == []
    left = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    assert left == []


def test_an_acl_takes_19_rules_a_direction_and_goes_with_its_subnet(ground):
    ec2 = ground.ec2
    acl = ec2.create_network_acl(VpcId=ground.vpc)["NetworkAcl"]["NetworkAclId"]
    rule = {"NetworkAclId": acl, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "10.0.0.0/8"}
    for number in range(1, 20):
        ec2.create_network_acl_entry(**rule, RuleNumber=number, Egress=False)
    with pytest.raises(ClientError, match="NetworkAclEntryLimitExceeded"):
        ec2.create_network_acl_entry(**rule, RuleNumber=20, Egress=False)
    ec2.create_network_acl_entry(**rule, RuleNumber=20, Egress=True)

    subnet = ground.subnet()
    found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])
    association = next(one for one in found["NetworkAcls"][0]["Associations"] if one["SubnetId"] == subnet)[
        "NetworkAclAssociationId"
    ]
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_network_acl(NetworkAclId=acl)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_network_acl(NetworkAclId=acl)


def test_vpcs_that_share_addresses_do_not_peer(cloud, ground):
    ec2 = ground.ec2
    other = ec2.create_vpc(CidrBlock="10.42.128.0/17")["Vpc"]["VpcId"]
    connection = ec2.create_vpc_peering_connection(VpcId=ground.vpc, PeerVpcId=other)["VpcPeeringConnection"][
        "VpcPeeringConnectionId"
    ]
    [found] = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])[
        "VpcPeeringConnections"
    ]
    assert found["Status"]["Code"] == "failed"
    assert "overlapping CIDR" in found["Status"]["Message"]
    with pytest.raises(ClientError):
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    assert not [line for line in cloud.left_over() if "peering" in line]


@pytest.fixture
def peered(cloud, ground):
    """A VPC of another account with a group, and a connection that waits for it to accept."""
    credentials = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::222222222222:role/peering", RoleSessionName="test"
    )["Credentials"]
    theirs = boto3.client(
        "ec2",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    vpc = theirs.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = theirs.create_security_group(VpcId=vpc, GroupName="service", Description="service")["GroupId"]
    connection = ground.ec2.create_vpc_peering_connection(
        VpcId=ground.vpc, PeerVpcId=vpc, PeerOwnerId="222222222222"
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    return theirs, group, connection


def test_each_account_has_its_own_tags_on_a_peering(ground, peered):
    theirs, _, connection = peered
    ground.ec2.create_tags(Resources=[connection], Tags=[{"Key": "Name", "Value": "ours"}])
    theirs.create_tags(Resources=[connection], Tags=[{"Key": "Name", "Value": "theirs"}])
    assert [
        client.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])[
            "VpcPeeringConnections"
        ][0]["Tags"][0]["Value"]
        for client in (ground.ec2, theirs)
    ] == ["ours", "theirs"]


def test_what_needs_an_active_peering(ground, peered):
    theirs, group, connection = peered
    permissions = [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "UserIdGroupPairs": [{"GroupId": group, "UserId": "222222222222"}],
        }
    ]
    nodes = ground.group("nodes")
    options = {
        "VpcPeeringConnectionId": connection,
        "RequesterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True},
    }
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        ground.ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=permissions)
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ground.ec2.modify_vpc_peering_connection_options(**options)

    theirs.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    ground.ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=permissions)
    ground.ec2.modify_vpc_peering_connection_options(**options)
    rule = ground.ec2.describe_security_groups(GroupIds=[nodes])["SecurityGroups"][0]["IpPermissions"][0]
    assert rule["UserIdGroupPairs"][0]["UserId"] == "222222222222"
