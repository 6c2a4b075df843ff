"""The shared infrastructure a project needs, made through the AWS API of the local cloud.

A real account has these from its own Terraform; here they are made fresh at each start.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from engine.accounting.handler import HANDLER
from engine.local.connection import client_for
from engine.local.provider_stack import CAPABILITIES, RELEASED, template_url
from engine.local.seed_network import keep_apart, peer_with_main_vpc
from engine.local.shared_names import ENDPOINT_SERVICES, GATEWAY_SERVICES, SHARED_TAGS, SharedNames

SSH_PORT, SLURM_REST_PORT = 22, 8082
# In an account a person puts the real ones there (docs/setup.md); no node of the local cloud installs them.
NODE_PACKAGES = {
    f"packages/alinux2023/{architecture}/{program}.rpm": b"A stand-in: nodes are not played.\n"
    for architecture in ("x86_64", "arm64")
    for program in ("mount-s3", "haproxy")
}
PUBLIC_OBJECTS = {
    "README.txt": b"Data shared by all projects. Read only: clusters see it under /data/project/public.\n",
    "examples/input.csv": b"time_ms,voltage_mv\n0,-65.0\n1,-64.2\n2,-60.9\n",
    "reference/cells.json": b'{"cells": ["L5_TTPC1", "L23_PC"]}\n',
}


class Seed:
    def __init__(self, endpoint: str, names: SharedNames):
        self._names = names
        self._client: Any = lambda service: client_for(endpoint, service, names.region)

    def plant(self) -> None:
        ec2 = self._client("ec2")
        vpc_id = self._vpc(ec2)
        route_table = self._route_table(ec2, vpc_id)
        subnets = self._endpoint_subnets(ec2, vpc_id, route_table)
        endpoint_group, database_group, function_groups = self._groups(ec2, vpc_id)
        self._workflow_group(ec2, vpc_id)
        self._endpoints(ec2, vpc_id, route_table, subnets, endpoint_group)
        keep_apart(ec2, vpc_id, self._names, subnets)
        peer_with_main_vpc(ec2, vpc_id, route_table, self._names)
        database = self._database(subnets, database_group)
        self._accounting_function(subnets, function_groups, database)
        self._buckets()
        self._provider_stack()

    def _vpc(self, ec2: Any) -> str:
        vpc = ec2.create_vpc(CidrBlock=self._names.vpc_cidr, TagSpecifications=_tagged("vpc", "vpc"))["Vpc"]
        ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], EnableDnsSupport={"Value": True})
        ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], EnableDnsHostnames={"Value": True})
        return str(vpc["VpcId"])

    def _route_table(self, ec2: Any, vpc_id: str) -> str:
        made = ec2.create_route_table(VpcId=vpc_id, TagSpecifications=_tagged("route-table", "route_table"))
        return str(made["RouteTable"]["RouteTableId"])

    def _endpoint_subnets(self, ec2: Any, vpc_id: str, route_table: str) -> list[str]:
        made = []
        for letter, cidr in zip("ab", self._names.endpoint_cidrs, strict=False):
            subnet = ec2.create_subnet(
                VpcId=vpc_id,
                CidrBlock=cidr,
                AvailabilityZone=f"{self._names.region}{letter}",
                TagSpecifications=_named("subnet", f"provisioner-endpoints-{letter}"),
            )["Subnet"]
            ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": False})
            ec2.associate_route_table(RouteTableId=route_table, SubnetId=subnet["SubnetId"])
            made.append(str(subnet["SubnetId"]))
        return made

    def _groups(self, ec2: Any, vpc_id: str) -> tuple[str, str, list[str]]:
        """Nodes and the accounting function carry the two access groups; the endpoints' and the
        database's groups let those in. Gives the latter two, and the access groups."""
        ids, clients = [], []
        for access, name, port in (
            ("endpoint_access", "provisioner-endpoints", 443),
            ("accounting_access", "provisioner-accounting", 3306),
        ):
            client = ec2.create_security_group(
                VpcId=vpc_id,
                GroupName=SHARED_TAGS[access]["Name"],
                Description=f"Carried by nodes that use {name}",
                TagSpecifications=_tagged("security-group", access),
            )["GroupId"]
            server = ec2.create_security_group(
                VpcId=vpc_id,
                GroupName=name,
                Description=f"{name}: TCP {port} from the nodes",
                TagSpecifications=_named("security-group", name),
            )["GroupId"]
            ec2.authorize_security_group_ingress(
                GroupId=server,
                IpPermissions=[
                    {
                        "IpProtocol": "tcp",
                        "FromPort": port,
                        "ToPort": port,
                        "UserIdGroupPairs": [{"GroupId": client}],
                    }
                ],
            )
            ids.append(str(server))
            clients.append(str(client))
        return ids[0], ids[1], clients

    def _workflow_group(self, ec2: Any, vpc_id: str) -> None:
        """Head nodes carry it: SSH and the Slurm REST port from where the Workflow Service lives."""
        group = ec2.create_security_group(
            VpcId=vpc_id,
            GroupName=SHARED_TAGS["workflow_access"]["Name"],
            Description="Carried by head nodes: lets the Workflow Service and the provisioner in",
            TagSpecifications=_tagged("security-group", "workflow_access"),
        )["GroupId"]
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port,
                    "IpRanges": [{"CidrIp": self._names.main_vpc_cidr}],
                }
                for port in (SSH_PORT, SLURM_REST_PORT)
            ],
        )

    def _endpoints(self, ec2: Any, vpc_id: str, route_table: str, subnets: list[str], group: str) -> None:
        prefix = f"com.amazonaws.{self._names.region}"
        for service in GATEWAY_SERVICES:
            ec2.create_vpc_endpoint(
                VpcId=vpc_id,
                ServiceName=f"{prefix}.{service}",
                VpcEndpointType="Gateway",
                RouteTableIds=[route_table],
                TagSpecifications=_named("vpc-endpoint", f"provisioner-{service}"),
            )
        for service in ENDPOINT_SERVICES:
            ec2.create_vpc_endpoint(
                VpcId=vpc_id,
                ServiceName=f"{prefix}.{service}",
                VpcEndpointType="Interface",
                SubnetIds=subnets,
                SecurityGroupIds=[group],
                PrivateDnsEnabled=True,
                TagSpecifications=_named("vpc-endpoint", f"provisioner-{service}"),
            )

    def _database(self, subnets: list[str], group: str) -> dict[str, Any]:
        rds = self._client("rds")
        rds.create_db_subnet_group(
            DBSubnetGroupName="provisioner-accounting",
            DBSubnetGroupDescription="Slurm accounting database",
            SubnetIds=subnets,
        )
        rds.create_db_instance(
            DBInstanceIdentifier=self._names.accounting_database,
            DBInstanceClass="db.t4g.medium",
            Engine="mariadb",
            EngineVersion="11.4",
            AllocatedStorage=20,
            MasterUsername="provisioner",
            ManageMasterUserPassword=True,
            DBSubnetGroupName="provisioner-accounting",
            VpcSecurityGroupIds=[group],
            PubliclyAccessible=False,
            StorageEncrypted=True,
            Port=3306,
        )
        found = rds.describe_db_instances(DBInstanceIdentifier=self._names.accounting_database)
        database: dict[str, Any] = found["DBInstances"][0]
        return database

    def _accounting_function(self, subnets: list[str], groups: list[str], database: dict[str, Any]) -> None:
        """The function that makes the projects' databases and users. Its zip is empty: the local cloud
        runs the engine's own code."""
        name = self._names.accounting_function
        self._client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler=HANDLER,
            Role=self._function_role(name),
            Code={"ZipFile": _empty_zip()},
            Timeout=120,
            VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups},
            Environment={
                "Variables": {
                    "ACCOUNTING_DATABASE_HOST": database["Endpoint"]["Address"],
                    "ACCOUNTING_DATABASE_PORT": str(database["Endpoint"]["Port"]),
                    "ACCOUNTING_MASTER_SECRET_ARN": database["MasterUserSecret"]["SecretArn"],
                    "ACCOUNTING_CA_FILE": "/var/task/rds-ca.pem",
                }
            },
        )

    def _function_role(self, name: str) -> str:
        iam = self._client("iam")
        role = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(
                _policy(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
            ),
        )["Role"]
        network = _policy(
            Action=[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
            ],
            Resource="*",
        )
        iam.put_role_policy(RoleName=name, PolicyName="network", PolicyDocument=json.dumps(network))
        return str(role["Arn"])

    def _buckets(self) -> None:
        s3 = self._client("s3")
        where: dict[str, Any] = (
            {}
            if self._names.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self._names.region}}
        )
        for name, objects in (
            (self._names.bucket, PUBLIC_OBJECTS),
            (self._names.bucket_of_nodes, NODE_PACKAGES),
        ):
            s3.create_bucket(Bucket=name, **where)
            for key, body in objects.items():
                s3.put_object(Bucket=name, Key=key, Body=body)

    def _provider_stack(self) -> None:
        names = self._names
        if names.pcluster_version not in RELEASED:
            return  # as in an account: no template, no provider, and `doctor` says so
        self._client("cloudformation").create_stack(
            StackName=names.provider_stack,
            TemplateURL=template_url(names.pcluster_version, names.region),
            Capabilities=list(CAPABILITIES),
        )


def _policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def _empty_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("README", "The local cloud runs the engine's own code.\n")
    return file.getvalue()


def _tagged(resource_type: str, role: str) -> list[dict[str, Any]]:
    tags = [{"Key": key, "Value": value} for key, value in SHARED_TAGS[role].items()]
    return [{"ResourceType": resource_type, "Tags": tags}]


def _named(resource_type: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": resource_type, "Tags": [{"Key": "Name", "Value": name}]}]
