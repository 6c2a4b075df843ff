"""One simulated cluster: its own CloudFormation stack, head node, fleet table and log groups."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from engine.local.agenda import Entry
from engine.local.clock import iso, utc
from engine.local.cluster_stack import ClusterStack
from engine.local.pcluster_config import dig, subnet_ids
from engine.local.world import World

FLEET_KEY = "COMPUTE_FLEET"
# failureCode -> which script of the head node failed, and what was being done with it.
SCRIPT_FAILURES = {
    "OnNodeStartDownloadFailure": ("OnNodeStart", "download"),
    "OnNodeStartExecutionFailure": ("OnNodeStart", "execute"),
    "OnNodeConfiguredDownloadFailure": ("OnNodeConfigured", "download"),
    "OnNodeConfiguredExecutionFailure": ("OnNodeConfigured", "execute"),
}
TRANSITIONS = {
    "STOP_REQUESTED": "STOPPED",
    "STOPPING": "STOPPED",
    "START_REQUESTED": "RUNNING",
    "STARTING": "RUNNING",
}


@dataclass
class Cluster:
    """A cluster that exists. status is ParallelCluster's clusterStatus."""

    world: World
    region: str
    name: str
    version: str
    config: dict[str, Any]
    stack: ClusterStack
    created: float
    updated: float
    log_group: str
    instance_id: str = ""
    status: str = "CREATE_IN_PROGRESS"
    step: Entry | None = None
    groups: list[str] = field(default_factory=list)

    @property
    def table(self) -> str:
        return f"parallelcluster-{self.name}"

    @property
    def log_groups(self) -> dict[str, str]:
        """Names by logical id: of the nodes, and of the function that cleans up when the cluster is deleted.

        Source   aws-parallelcluster 3.16.1, cdk_builder_utils.py, PclusterLambdaConstruct: named after the id
                 of the cluster's stack, with the same retention and deletion policy
        """
        stack_uid = self.stack.stack_id.split("/")[2]
        return {
            "CloudWatchLogGroup": self.log_group,
            "CleanupResourcesFunctionLogGroup": f"/aws/lambda/pcluster-CleanupResources-{stack_uid}",
        }

    @property
    def _ec2(self) -> Any:
        return self.world.backends.ec2(self.region)

    def build(self) -> None:
        """Make the AWS resources a cluster stack makes first: groups, fleet table, logs, head node."""
        self._build_groups()
        self._build_table()
        self._build_log_groups()
        self._build_head_node()
        self.log("cfn-init", f"cluster {self.name}: head node {self.instance_id} boots")
        self.stack.add_resource("HeadNode", self.instance_id, "AWS::EC2::Instance")
        self.stack.add_resource("DynamoDBTable", self.table, "AWS::DynamoDB::Table")

    def remove(self) -> None:
        """Take the resources away; the log groups stay unless their deletion policy is Delete."""
        if self.instance_id:
            instance = self._ec2.get_instance(self.instance_id)
            interfaces = list(instance.nics.values())
            instance.terminate()
            for interface in interfaces:
                self._ec2.enis.pop(interface.id, None)
        self.world.backends.dynamodb(self.region).tables.pop(self.table, None)
        for group_id in self.groups:
            for by_id in self._ec2.groups.values():
                by_id.pop(group_id, None)
        if (
            dig(self.config, "Monitoring", "Logs", "CloudWatch", "DeletionPolicy", default="Retain")
            == "Delete"
        ):
            for name in self.log_groups.values():
                self.world.backends.logs(self.region).groups.pop(name, None)

    def fleet_status(self) -> str:
        item = self._fleet_item()
        return str(item["status"].value) if item else "UNKNOWN"

    def advance_fleet(self) -> None:
        """The head node's daemon carries out a requested stop or start."""
        item = self._fleet_item()
        if item and (reached := TRANSITIONS.get(str(item["status"].value))):
            self._put_fleet(reached)

    def attributes(self) -> dict[str, str]:
        """What Fn::GetAtt finds: describe-cluster flattened, without a public address in a private subnet."""
        instance = self._ec2.get_instance(self.instance_id)
        return {
            "clusterName": self.name,
            "clusterStatus": self.status,
            "cloudFormationStackStatus": self.stack.status,
            "cloudformationStackArn": self.stack.stack_id,
            "creationTime": iso(self.created),
            "lastUpdatedTime": iso(self.updated),
            "region": self.region,
            "version": self.version,
            "computeFleetStatus": self.fleet_status(),
            "headNode.instanceId": self.instance_id,
            "headNode.instanceType": str(dig(self.config, "HeadNode", "InstanceType")),
            "headNode.launchTime": iso(self.created),
            "headNode.state": str(instance.state),
            "headNode.privateIpAddress": str(instance.private_ip),
            "validationMessages": "[]",
        }

    def tags(self) -> dict[str, str]:
        own = {
            str(tag["Key"]): str(tag.get("Value", "")) for tag in dig(self.config, "Tags", default=[]) or []
        }
        return own | {"parallelcluster:cluster-name": self.name, "parallelcluster:version": self.version}

    def log(self, stream: str, message: str) -> None:
        """One line in a head-node stream, <hostname>.<instance id>.<log>."""
        logs = self.world.backends.logs(self.region)
        instance = self._ec2.get_instance(self.instance_id)
        name = f"ip-{instance.private_ip.replace('.', '-')}.{self.instance_id}.{stream}"
        logs.ensure_log_stream(self.log_group, name)
        event = {"timestamp": int(self.world.now() * 1000), "message": message}
        logs.groups[self.log_group].streams[name].put_log_events([event])

    def script_failed(self, code: str, sentence: str) -> None:
        """What a head node logs and signals when a script of its own fails; nothing for any other code.

        What the script printed is in cfn-init's log, what it said on stderr nowhere. node.sh prints why.
        Source   aws-parallelcluster-cookbook, custom_action_executor.py (ScriptRunner, HeadNodeLogger);
                 aws-parallelcluster 3.16.1, cluster_stack.py: the wait condition and who signals it
        """
        event, done = SCRIPT_FAILURES.get(code, ("", ""))
        action = dig(self.config, "HeadNode", "CustomActions", event, default={})
        script = action.get("Sequence", [action])[0]
        if not script:
            return
        told = f"fetch_and_run - Failed to {done} {event} script 1"
        if done == "execute":
            told += ", return code: 1"
            if str(script["Script"]).endswith("/node.sh"):
                moment, step = iso(self.world.now()), script["Args"][0]
                self.log("cfn-init", f"{moment} node.sh: ERROR: {step} failed: {sentence}")
        told += (
            ". Please check /var/log/cfn-init.log in the head node, or check the cfn-init.log in CloudWatch."
        )
        self.log("cfn-init", told)
        self.stack.record(
            f"HeadNodeWaitCondition{utc(self.created):%Y%m%d%H%M%S}",
            f"{self.stack.stack_id}/HeadNodeWaitConditionHandle",
            "AWS::CloudFormation::WaitCondition",
            "CREATE_FAILED",
            f"WaitCondition received failed message: '{told}' for uniqueId: {self.instance_id}",
        )

    def show_outputs(self) -> None:
        instance = self._ec2.get_instance(self.instance_id)
        self.stack.show_outputs(
            {
                "ClusterUser": "ec2-user",
                "HeadNodeInstanceID": self.instance_id,
                "HeadNodePrivateIP": str(instance.private_ip),
                "HeadNodePrivateDnsName": str(instance.private_dns_name),
            }
        )

    def _build_groups(self) -> None:
        if dig(self.config, "HeadNode", "Networking", "SecurityGroups"):
            return
        vpc_id = self._ec2.get_subnet(subnet_ids(self.config)[0]).vpc_id
        for role in ("HeadNodeSecurityGroup", "ComputeSecurityGroup"):
            group = self._ec2.create_security_group(
                f"{self.name}-{role}", f"{role} of cluster {self.name}", vpc_id=vpc_id, tags=self.tags()
            )
            self.groups.append(group.id)
            self.stack.add_resource(role, group.id, "AWS::EC2::SecurityGroup")

    def _build_log_groups(self) -> None:
        logs = self.world.backends.logs(self.region)
        days = dig(self.config, "Monitoring", "Logs", "CloudWatch", "RetentionInDays", default="180")
        for logical_id, name in self.log_groups.items():
            # The nodes' name has the minute in it; only here does a cluster come and go twice in one.
            if name not in logs.groups:
                logs.create_log_group(name, self.tags())
            logs.groups[name].set_retention_policy(int(days))
            self.stack.add_resource(logical_id, name, "AWS::Logs::LogGroup")

    def _build_table(self) -> None:
        self.world.backends.dynamodb(self.region).create_table(
            self.table,
            schema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            throughput=None,
            attr=[{"AttributeName": "Id", "AttributeType": "S"}],
            global_indexes=[],
            indexes=[],
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[{"Key": key, "Value": value} for key, value in self.tags().items()],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )
        self._put_fleet("RUNNING")

    def _put_fleet(self, status: str) -> None:
        data = {"status": {"S": status}, "lastStatusUpdatedTime": {"S": iso(self.world.now())}}
        self.world.backends.dynamodb(self.region).put_item(
            self.table, {"Id": {"S": FLEET_KEY}, "Data": {"M": data}}
        )

    def _fleet_item(self) -> Any:
        table = self.world.backends.dynamodb(self.region).tables.get(self.table)
        items = list(table.items.values()) if table else []
        item = next((one for one in items if one.hash_key.value == FLEET_KEY), None)
        data = item.attrs.get("Data") if item else None
        return data.value if data is not None and "status" in data.value else None

    def _build_head_node(self) -> None:
        head = self.config["HeadNode"]
        networking = head["Networking"]
        own = networking.get("SecurityGroups") or [
            self.groups[0],
            *networking.get("AdditionalSecurityGroups", []),
        ]
        reservation = self._ec2.run_instances(
            image_id=dig(head, "Image", "CustomAmi") or self._image(),
            count=1,
            user_data=None,
            security_group_names=[],
            instance_type=head["InstanceType"],
            is_instance_type_default=False,
            region_name=self.region,
            subnet_id=networking["SubnetId"],
            security_group_ids=own,
            key_name=dig(head, "Ssh", "KeyName"),
            associate_public_ip=False,
            tags={
                "instance": self.tags()
                | {
                    "Name": "HeadNode",
                    "parallelcluster:node-type": "HeadNode",
                    "parallelcluster:attributes": "slurm",
                }
            },
        )
        self.instance_id = reservation.instances[0].id

    def _image(self) -> str:
        images = self._ec2.describe_images(filters={"architecture": ["x86_64"], "platform": []}) or []
        return str(images[0].id) if images else "ami-00000000000000000"


def log_group_name(cluster_name: str, moment: float) -> str:
    return f"/aws/parallelcluster/{cluster_name}-{utc(moment):%Y%m%d%H%M}"


def stack_template(cluster_name: str) -> str:
    return json.dumps({"Description": f"AWS ParallelCluster cluster {cluster_name}", "Resources": {}})
