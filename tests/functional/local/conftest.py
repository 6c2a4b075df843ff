"""A local cloud whose time stands still until a test lets it pass, and the things tests build in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.local.clock import SteppedClock
from engine.local.server import LocalCloud

CIDR = "10.42.64.0/24"
CLUSTER = "pc-lab-proj"
STACK = "pc-lab-proj-stack"


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Seeded; lifecycles take the default durations of stepped time."""
    with LocalCloud(clock=SteppedClock()) as cloud:
        yield cloud


class Ground:
    """A project's subnet, node group and storage, made through the API."""

    def __init__(self, cloud: LocalCloud):
        self.cloud = cloud
        self.ec2, self.efs, self.fsx = cloud.client("ec2"), cloud.client("efs"), cloud.client("fsx")
        self.cfn, self.s3 = cloud.client("cloudformation"), cloud.client("s3")
        self.vpc = self.ec2.describe_vpcs(Filters=[{"Name": "tag:provisioner:shared", "Values": ["vpc"]}])[
            "Vpcs"
        ][0]["VpcId"]

    def subnet(self, cidr: str = CIDR) -> str:
        zone = f"{self.cloud.region}a"
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=zone)
        return made["Subnet"]["SubnetId"]

    def group(self, name: str, *, open_ports: tuple[int, ...] = ()) -> str:
        """A security group; open_ports are let in from itself (everything may leave)."""
        group = self.ec2.create_security_group(VpcId=self.vpc, GroupName=name, Description=name)["GroupId"]
        for port in open_ports:
            self.ec2.authorize_security_group_ingress(
                GroupId=group,
                IpPermissions=[
                    {
                        "IpProtocol": "tcp",
                        "FromPort": port,
                        "ToPort": port,
                        "UserIdGroupPairs": [{"GroupId": group}],
                    }
                ],
            )
        return group

    def lustre(self, subnet: str, group: str, **changes: Any) -> dict[str, Any]:
        request = {
            "FileSystemType": "LUSTRE",
            "StorageCapacity": 1200,
            "SubnetIds": [subnet],
            "SecurityGroupIds": [group],
            "FileSystemTypeVersion": "2.15",
            "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250},
        } | changes
        return self.fsx.create_file_system(**request)["FileSystem"]

    def available_lustre(self) -> str:
        fs_id = self.lustre(self.subnet(), self.group("lustre", open_ports=(988,)))["FileSystemId"]
        self.cloud.advance(self.cloud.world.durations.fsx_create_s)
        return fs_id

    def bucket(self, name: str) -> str:
        self.s3.create_bucket(Bucket=name)
        return name

    def secret(self, cluster: str = CLUSTER) -> str:
        """The secret of a cluster's accounting password, without a value; gives its ARN."""
        name = f"provisioner/{cluster}/accounting"
        return str(self.cloud.client("secretsmanager").create_secret(Name=name)["ARN"])

    def accounting(self, resource: str, action: str, secret: str = "", cluster: str = CLUSTER) -> Any:
        """Call the accounting function for a cluster; gives the answer's JSON, error or not."""
        database = cluster.replace("-", "_")
        event = {"resource": resource, "database": database, "tf": {"action": action, "prev_input": None}}
        if resource == "user":
            event |= {"user": f"slurm_{database.rsplit('_', 1)[1]}", "secret_arn": secret}
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.cloud.names.accounting_function, Payload=json.dumps(event)
        )
        content = json.loads(answer["Payload"].read())
        assert ("errorMessage" in content) == (answer.get("FunctionError") == "Unhandled")
        return content

    def service_token(self) -> str:
        stack = self.cfn.describe_stacks(StackName=self.cloud.names.provider_stack)["Stacks"][0]
        return next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "ServiceToken")

    def config(self, subnet: str, *groups: str) -> dict[str, Any]:
        """The smallest configuration that comes up; with security groups for all its nodes."""
        carried = {"AdditionalSecurityGroups": [*groups]} if groups else {}
        return {
            "Image": {"Os": "alinux2023"},
            "HeadNode": {"InstanceType": "t3.medium", "Networking": {"SubnetId": subnet, **carried}},
            "Scheduling": {
                "Scheduler": "slurm",
                "SlurmQueues": [
                    {
                        "Name": "debug",
                        "Networking": {"SubnetIds": [subnet], **carried},
                        "ComputeResources": [
                            {"Name": "small", "InstanceType": "c5.large", "MinCount": 0, "MaxCount": 4}
                        ],
                    }
                ],
            },
        }

    def template(self, config: dict[str, Any], *, attribute: str = "clusterStatus", **properties: Any) -> str:
        return json.dumps(
            {
                "Resources": {
                    "Cluster": {
                        "Type": "Custom::PclusterCluster",
                        "Properties": {
                            "ServiceToken": self.service_token(),
                            "ClusterName": CLUSTER,
                            "ClusterConfiguration": config,
                            "DeletionPolicy": "Delete",
                        }
                        | properties,
                    }
                },
                "Outputs": {"Answer": {"Value": {"Fn::GetAtt": ["Cluster", attribute]}}},
            }
        )

    def create(self, config: dict[str, Any], **options: Any) -> None:
        properties = options.pop("properties", {})
        self.cfn.create_stack(StackName=STACK, TemplateBody=self.template(config, **properties), **options)

    def running(self, config: dict[str, Any]) -> None:
        self.create(config)
        self.cloud.advance(self.cloud.world.durations.cluster_create_s)
        assert self.stack()["StackStatus"] == "CREATE_COMPLETE", self.reasons()

    def update(self, config: dict[str, Any], **properties: Any) -> None:
        self.cfn.update_stack(StackName=STACK, TemplateBody=self.template(config, **properties))

    def stack(self, name: str = STACK) -> dict[str, Any]:
        return self.cfn.describe_stacks(StackName=name)["Stacks"][0]

    def status(self, name: str = STACK) -> str:
        return self.stack(name)["StackStatus"]

    def outputs(self, name: str = STACK) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.stack(name).get("Outputs", [])}

    def reasons(self, name: str = STACK) -> str:
        """Everything the stack's events give as a reason."""
        events = self.cfn.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def head_node_log(self) -> str:
        """What the newest head node's chef-client logged last."""
        logs = self.cloud.client("logs")
        prefix = f"/aws/parallelcluster/{CLUSTER}-"
        groups = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        events = [
            event
            for group in groups
            for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            if event["logStreamName"].endswith(".chef-client")
        ]
        return str(max(events, key=lambda event: event["timestamp"])["message"])

    def head_node(self) -> dict[str, Any] | None:
        found = self.ec2.describe_instances(
            Filters=[
                {"Name": "tag:parallelcluster:cluster-name", "Values": [CLUSTER]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )["Reservations"]
        return found[0]["Instances"][0] if found else None


@pytest.fixture
def ground(cloud: LocalCloud) -> Ground:
    return Ground(cloud)
