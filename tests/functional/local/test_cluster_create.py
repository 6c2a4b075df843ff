"""Custom::PclusterCluster in CloudFormation: coming up, being refused, failing, going away."""

from __future__ import annotations

import copy
import json
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from engine.aws.clusters import describe_cluster
from engine.aws.session import Cloud
from engine.local.durations import Durations
from engine.local.server import LocalCloud
from tests.functional.local.conftest import CLUSTER, STACK, Ground


@pytest.fixture
def config(ground):
    return ground.config(ground.subnet())


def test_a_cluster_comes_up_in_its_time(cloud, ground, config):
    # WHEN a stack with a cluster is created
    ground.create(config, Tags=[{"Key": "team", "Value": "blue"}])
    # THEN stack and cluster stack are in progress, the head node is there, and there are no outputs
    assert ground.status() == ground.status(CLUSTER) == "CREATE_IN_PROGRESS"
    assert "Outputs" not in ground.stack()
    head = ground.head_node()
    assert head["PrivateIpAddress"].startswith("10.42.64.")
    assert "PublicIpAddress" not in head
    tags = {tag["Key"]: tag["Value"] for tag in head["Tags"]}
    assert tags["Name"] == tags["parallelcluster:node-type"] == "HeadNode"
    assert tags["team"] == "blue"
    # WHEN its time has passed
    cloud.advance(cloud.world.durations.cluster_create_s)
    # THEN both are complete and the attribute is an output
    assert ground.status() == ground.status(CLUSTER) == "CREATE_COMPLETE"
    assert ground.outputs() == {"Answer": "CREATE_COMPLETE"}
    assert ground.outputs(CLUSTER)["HeadNodePrivateIP"] == head["PrivateIpAddress"]
    # AND fleet table and log group are where ParallelCluster puts them
    item = cloud.client("dynamodb").get_item(
        TableName=f"parallelcluster-{CLUSTER}", Key={"Id": {"S": "COMPUTE_FLEET"}}
    )["Item"]
    assert item["Data"]["M"]["status"] == {"S": "RUNNING"}
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/parallelcluster/{CLUSTER}-")
    assert len(groups["logGroups"]) == 1
    # AND so is that of the function that cleans up after it, by the id of the cluster's stack, with its tags
    name = f"/aws/lambda/pcluster-CleanupResources-{ground.stack(CLUSTER)['StackId'].split('/')[2]}"
    logs = cloud.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (name, 180)
    inherited = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    assert (inherited["team"], inherited["parallelcluster:cluster-name"]) == ("blue", CLUSTER)
    # AND events and resources tell the story
    events = ground.cfn.describe_stack_events(StackName=STACK)["StackEvents"]
    story = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in reversed(events)]
    assert story[0] == (STACK, "CREATE_IN_PROGRESS")
    assert story[-2:] == [("Cluster", "CREATE_COMPLETE"), (STACK, "CREATE_COMPLETE")]
    resource = ground.cfn.describe_stack_resources(StackName=STACK)["StackResources"][0]
    assert (resource["ResourceStatus"], resource["ResourceType"]) == (
        "CREATE_COMPLETE",
        "Custom::PclusterCluster",
    )


@pytest.mark.parametrize(
    ("attribute", "begins"),
    [
        ("headNode.privateIpAddress", "10.42.64."),
        ("headNode.instanceId", "i-"),
        ("clusterName", CLUSTER),
        ("cloudformationStackArn", "arn:aws:cloudformation:us-east-1:123456789012:stack/" + CLUSTER),
        ("computeFleetStatus", "RUNNING"),
        ("version", "3.16.1"),
    ],
)
def test_attributes(cloud, ground, config, attribute, begins):
    ground.create(config, properties={"attribute": attribute})
    cloud.advance(60)
    assert ground.outputs()["Answer"].startswith(begins)


def test_an_attribute_that_is_not_there_fails_the_stack(cloud, ground, config):
    """A head node in a private subnet has no public address, and asking for it costs the cluster."""
    ground.create(config, properties={"attribute": "headNode.publicIpAddress"})
    cloud.advance(60)
    assert ground.status() == "ROLLBACK_COMPLETE"
    assert "headNode.publicIpAddress" in ground.reasons()
    assert ground.head_node() is None


def broken(config, path, value):
    here = config
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return config


QUEUE = ("Scheduling", "SlurmQueues", 0)
RESOURCE = (*QUEUE, "ComputeResources", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("HeadNode", "Colour"), "red", "HeadNode.Colour: Unknown field"),
        (("Image", "Os"), "alinux2", "Image.Os"),
        (("HeadNode", "InstanceType"), "t9.huge", "t9.huge"),
        (("HeadNode", "Networking", "SubnetId"), "subnet-00000000000000000", "subnet-00000000000000000"),
        (("HeadNode", "Networking", "AdditionalSecurityGroups"), ["sg-00000000000000000"], "security group"),
        (("HeadNode", "Ssh"), {"KeyName": "nobody"}, "nobody"),
        (("Scheduling", "Scheduler"), "awsbatch", "Scheduler"),
        ((*QUEUE, "Name"), "Debug_Queue", "Debug_Queue"),
        ((*QUEUE, "Name"), "default", "default"),
        ((*RESOURCE, "MaxCount"), 0, "MaxCount"),
        ((*RESOURCE, "Instances"), [{"InstanceType": "c5.large"}], "exactly one"),
        ((*RESOURCE, "Efa"), {"Enabled": True}, "EFA"),
        (("Scheduling", "SlurmQueues"), [], "SlurmQueues"),
        (("SharedStorage",), [{"Name": "x", "MountDir": "/etc", "StorageType": "Efs"}], "MountDir"),
        (
            ("SharedStorage",),
            [
                {
                    "Name": "data",
                    "MountDir": "/data",
                    "StorageType": "FsxLustre",
                    "FsxLustreSettings": {"FileSystemId": "fs-00000000000000000"},
                }
            ],
            "fs-00000000000000000",
        ),
        (
            ("Scheduling", "SlurmSettings"),
            {
                "Database": {
                    "Uri": "mysql://host",
                    "UserName": "slurm",
                    "PasswordSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x",
                }
            },
            "Database.Uri",
        ),
        (("Monitoring",), {"Logs": {"CloudWatch": {"RetentionInDays": 17}}}, "RetentionInDays"),
        (("Tags",), [{"Key": "parallelcluster:x", "Value": "1"}], "parallelcluster:"),
    ],
)
def test_a_bad_configuration_is_refused_at_once(cloud, ground, config, path, value, said):
    before = cloud.inventory()
    ground.create(broken(config, path, value))
    assert ground.status() == "ROLLBACK_COMPLETE"
    assert said in ground.reasons()
    assert all(len(line) <= 256 for line in ground.reasons().splitlines())
    # AND nothing is left but the stack that tells why
    assert next(item for item in cloud.inventory() if item not in before)["type"] == "stack"
    assert len(cloud.inventory()) == len(before) + 1


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:other"}, "not found"),
        ({"ClusterName": STACK}, "must differ"),
        ({"ClusterName": "x" * 61}, "60 characters"),
        ({"ForceUpdate": True}, "unexpected arguments"),
        ({"ServiceTimeout": 600}, "unexpected arguments"),
    ],
)
def test_properties_are_checked(ground, config, properties, said):
    ground.create(config, properties=properties)
    assert ground.status() == "ROLLBACK_COMPLETE"
    assert said in ground.reasons()


def lustre_at_data(fs_id):
    return {
        "Name": "data",
        "MountDir": "/data",
        "StorageType": "FsxLustre",
        "FsxLustreSettings": {"FileSystemId": fs_id},
    }


def efs_at_home(fs_id):
    return {
        "Name": "home",
        "MountDir": "/home",
        "StorageType": "Efs",
        "EfsSettings": {"FileSystemId": fs_id, "EncryptionInTransit": True},
    }


def test_storage_must_be_ready(cloud, ground):
    # GIVEN a file system that is still being made
    subnet, group = ground.subnet(), ground.group("lustre", open_ports=(988,))
    fs_id = ground.lustre(subnet, group)["FileSystemId"]
    config = ground.config(subnet, group)
    config["SharedStorage"] = [lustre_at_data(fs_id)]
    # THEN a cluster that mounts it is refused
    ground.create(config)
    assert "CREATING, not AVAILABLE" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    # WHEN it is available THEN the cluster comes up
    cloud.advance(60)
    ground.running(config)


def mounted_efs(cloud, ground, subnet, group):
    fs_id = ground.efs.create_file_system(CreationToken="home", Encrypted=True)["FileSystemId"]
    ground.efs.create_mount_target(FileSystemId=fs_id, SubnetId=subnet, SecurityGroups=[group])
    cloud.advance(cloud.world.durations.efs_mount_target_s)
    return fs_id


@pytest.mark.parametrize("without", ["head node", "one queue", "all queues"])
@pytest.mark.parametrize("kind", ["lustre", "efs"])
def test_every_kind_of_node_must_reach_the_storage(cloud, ground, kind, without):
    """ParallelCluster asks it of the head node and of each queue."""
    # GIVEN a file system that lets a group in, and a cluster of two queues whose nodes all carry it
    subnet, group = ground.subnet(), ground.group("project", open_ports=(988, 2049))
    if kind == "lustre":
        storage = lustre_at_data(ground.lustre(subnet, group)["FileSystemId"])
        cloud.advance(cloud.world.durations.fsx_create_s)
    else:
        storage = efs_at_home(mounted_efs(cloud, ground, subnet, group))
    config = ground.config(subnet, group) | {"SharedStorage": [storage]}
    queues = config["Scheduling"]["SlurmQueues"]
    queues.append(copy.deepcopy(queues[0]) | {"Name": "second"})
    whole = copy.deepcopy(config)
    # WHEN some of them do not
    for nodes in {"head node": [config["HeadNode"]], "one queue": queues[1:], "all queues": queues}[without]:
        del nodes["Networking"]["AdditionalSecurityGroups"]
    ground.create(config)
    # THEN the cluster is refused for its storage
    assert ground.status() == "ROLLBACK_COMPLETE"
    assert "do not allow traffic in and out" in ground.reasons()
    # AND a group that lets in the addresses of all subnets is enough
    ground.cfn.delete_stack(StackName=STACK)
    addresses = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.42.0.0/16"}]}
    ground.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[addresses])
    ground.running(config)
    # AND so is the group on all
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(cloud.world.durations.cluster_delete_s)
    ground.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[addresses])
    ground.running(whole)


def test_a_home_on_efs_needs_a_mount_target(cloud, ground):
    subnet, group = ground.subnet(), ground.group("nfs", open_ports=(2049,))
    fs_id = ground.efs.create_file_system(CreationToken="home", Encrypted=True)["FileSystemId"]
    config = ground.config(subnet, group)
    config["SharedStorage"] = [efs_at_home(fs_id)]
    ground.create(config)
    assert "no available mount target" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    ground.efs.create_mount_target(FileSystemId=fs_id, SubnetId=subnet, SecurityGroups=[group])
    cloud.advance(cloud.world.durations.efs_mount_target_s)
    ground.running(config)


def test_an_image_is_of_the_release_and_of_the_operating_system(cloud, ground, config):
    def image(**tags):
        source = ground.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        made = ground.ec2.copy_image(SourceImageId=source, SourceRegion=cloud.region, Name=str(tags))[
            "ImageId"
        ]
        tags = [{"Key": f"parallelcluster:{key}", "Value": value} for key, value in tags.items()]
        ground.ec2.create_tags(Resources=[made], Tags=tags)
        return made

    # WHEN an image's tags name another release, or another operating system THEN the cluster is refused
    queue = config["Scheduling"]["SlurmQueues"][0]
    queue["Image"] = {"CustomAmi": image(version="3.15.0", os="alinux2023")}
    ground.create(config)
    assert "was made for version 3.15.0, not for 3.16.1" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    queue["Image"] = {"CustomAmi": image(version="3.16.1", os="rhel9")}
    ground.create(config)
    assert "was made for os rhel9, not for alinux2023" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    # WHEN they name its own THEN it comes up
    queue["Image"] = {"CustomAmi": image(version="3.16.1", os="alinux2023")}
    ground.running(config)


def test_a_boundary_must_be_there(cloud, ground, config):
    config["Iam"] = {"PermissionsBoundary": "arn:aws:iam::123456789012:policy/nobody"}
    ground.create(config)
    assert "policy/nobody was not found" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    cloud.client("iam").create_policy(
        PolicyName="nobody", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    )
    ground.running(config)


def test_a_boundary_may_be_one_of_awss(ground, config):
    config["Iam"] = {"PermissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess"}
    ground.running(config)


def test_ubuntu_takes_no_rsa_key(cloud, ground, config):
    config["Image"]["Os"] = "ubuntu2404"
    for kind in ("rsa", "ed25519"):
        ground.ec2.create_key_pair(KeyName=kind, KeyType=kind)
    config["HeadNode"]["Ssh"] = {"KeyName": "rsa"}
    ground.create(config)
    assert "ubuntu2404 does not support RSA keys" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    config["HeadNode"]["Ssh"] = {"KeyName": "ed25519"}
    ground.running(config)


def test_accounting_needs_a_database_that_lets_the_clusters_user_in(cloud, ground, config):
    """slurmdbd starts while the head node comes up; whatever it lacks costs the cluster."""
    secret = ground.secret()
    database = {"Uri": "elsewhere.example:3306", "UserName": "slurm_proj", "PasswordSecretArn": secret}
    config["Scheduling"]["SlurmSettings"] = {"Database": database}

    def comes_up() -> str:
        ground.create(config)
        assert ground.status() == "CREATE_IN_PROGRESS"
        cloud.advance(cloud.world.durations.cluster_create_s + 60)
        if ground.status() == "CREATE_COMPLETE":
            return ""
        # THEN CloudFormation is told a code and the provider's log group; the head node's log has the rest
        assert f"{CLUSTER}: HeadNodeBootstrapFailure (LogGroup: /aws/lambda/pcluster-cfn-" in ground.reasons()
        why = ground.head_node_log()
        assert "6819" in why and "6819" not in ground.reasons()
        ground.cfn.delete_stack(StackName=STACK)
        cloud.advance(60)
        return why

    # WHEN something is missing THEN the head node gives up after its time, and says what
    assert "cannot reach" in comes_up()
    rds = cloud.client("rds").describe_db_instances()["DBInstances"][0]["Endpoint"]
    database["Uri"] = f"{rds['Address']}:{rds['Port']}"
    assert "has no value" in comes_up()
    ground.accounting("database", "create")
    ground.accounting("user", "create", secret)
    secrets = cloud.client("secretsmanager")
    right = secrets.get_secret_value(SecretId=secret)["SecretString"]
    secrets.put_secret_value(SecretId=secret, SecretString="another")
    assert "is refused" in comes_up()
    secrets.put_secret_value(SecretId=secret, SecretString=right)
    database["DatabaseName"] = "of_somebody_else"
    assert "is refused" in comes_up()
    # WHEN all of it fits THEN the cluster comes up
    del database["DatabaseName"]
    assert comes_up() == ""


def test_a_script_that_is_not_there_fails_the_bootstrap(cloud, ground, config):
    bucket = ground.bucket("scripts-bucket")
    action = {"OnNodeConfigured": {"Script": f"s3://{bucket}/setup.sh", "Args": ["/data"]}}
    config["HeadNode"]["CustomActions"] = action
    ground.create(config)
    cloud.advance(60)
    assert "OnNodeConfiguredDownloadFailure" in ground.reasons()
    ground.cfn.delete_stack(StackName=STACK)
    ground.s3.put_object(Bucket=bucket, Key="setup.sh", Body=b"#!/bin/sh\n")
    ground.running(config)


@pytest.mark.parametrize(
    ("event", "step"), [("OnNodeStart", "head-start"), ("OnNodeConfigured", "head-configured")]
)
def test_a_script_of_the_node_software_that_fails(event, step):
    """In real time: events of stacks have moto's clock, logs that of the local cloud."""

    def failed(code):
        cloud.fail("create", code=code)
        ground.create(config)
        until = time.monotonic() + 20
        while ground.status() != "ROLLBACK_COMPLETE":
            assert time.monotonic() < until, ground.status()
            time.sleep(0.1)
        reasons = describe_cluster(aws, cluster_name=CLUSTER, stack_name=STACK).failure_reasons
        ground.cfn.delete_stack(StackName=STACK)
        return reasons

    with LocalCloud(durations=Durations(cluster_create_s=0.2, cluster_delete_s=0.2)) as cloud:
        aws = Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True)
        # GIVEN a cluster with our software, whose head node's script fails
        ground = Ground(cloud)
        config = ground.config(ground.subnet())
        bucket = ground.bucket("scripts-bucket")
        ground.s3.put_object(Bucket=bucket, Key="a/node.sh", Body=b"#!/bin/sh\n")
        script = {"Script": f"s3://{bucket}/a/node.sh", "Args": [step, f"s3://{bucket}/node.json"]}
        config["HeadNode"]["CustomActions"] = {event: script}
        # WHEN the rollback has taken everything away
        reasons = failed(f"{event}ExecutionFailure")
        # THEN CloudFormation knows which script it was, and the log group why
        assert reasons[0].startswith(f"node.sh: {step} failed: ordered by the local cloud's failure list.")
        assert f"fetch_and_run - Failed to execute {event} script 1, return code: 1" in reasons[1]
        assert f"{event}ExecutionFailure" in reasons[2]
        # AND that does not explain what fails later for another reason
        assert "node.sh" not in "".join(failed("HeadNodeBootstrapFailure"))


def test_a_failed_cluster_is_rolled_back(cloud, ground, config):
    # GIVEN an ordered failure
    cloud.fail("create", code="OnNodeConfiguredExecutionFailure")
    before = cloud.inventory()
    ground.create(config)
    # WHEN the time is up THEN the cluster stack says so and the parent rolls back
    cloud.advance(cloud.world.durations.cluster_create_s)
    assert ground.status() == "ROLLBACK_IN_PROGRESS"
    assert "OnNodeConfiguredExecutionFailure" in ground.reasons()
    # WHEN the rollback is done THEN the cluster is gone, its log groups stay
    cloud.advance(cloud.world.durations.cluster_delete_s)
    assert ground.status() == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack(CLUSTER)
    left = [item["type"] for item in cloud.inventory() if item not in before]
    assert sorted(left) == ["log-group", "log-group", "stack"]
    # AND such a stack can only be deleted
    with pytest.raises(ClientError, match="can not be updated"):
        ground.update(config)
    ground.cfn.delete_stack(StackName=STACK)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()
    # AND the next attempt works
    ground.running(config)


def test_on_failure_decides_what_is_left(cloud, ground, config):
    cloud.fail("create", times=2)
    ground.create(config, OnFailure="DO_NOTHING")
    cloud.advance(60)
    assert ground.status() == "CREATE_FAILED"
    assert ground.head_node() is not None
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert ground.head_node() is None
    ground.create(config, OnFailure="DELETE")
    cloud.advance(60)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()


def test_the_name_of_a_living_cluster_is_taken_and_the_rollback_deletes_that_cluster(cloud, ground, config):
    ground.running(config)
    ground.cfn.create_stack(StackName="second", TemplateBody=ground.template(config))
    assert "already exists" in ground.reasons("second")
    # THEN the rollback's Delete goes by the cluster's name, whoever made it
    assert ground.status("second") == "ROLLBACK_IN_PROGRESS"
    assert ground.status(CLUSTER) == "DELETE_IN_PROGRESS"
    cloud.advance(cloud.world.durations.cluster_delete_s)
    assert ground.status("second") == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack(CLUSTER)


def test_without_the_provider_nothing_is_asked_to_delete(cloud, ground, config):
    ground.running(config)
    token = "arn:aws:lambda:us-east-1:123456789012:function:pcluster-cfn-none"
    template = ground.template(config, ServiceToken=token)
    ground.cfn.create_stack(StackName="second", TemplateBody=template)
    assert ground.status("second") == "ROLLBACK_COMPLETE"
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"


def test_templates_cloudformation_refuses(ground, config):
    with pytest.raises(ClientError, match="51200"):
        ground.create(config | {"Tags": [{"Key": "k", "Value": "x" * 60_000}]})
    with pytest.raises(ClientError, match="null"):
        ground.create(config | {"Iam": None})
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()


def test_a_tag_without_a_value_is_refused(cloud, ground, config):
    # boto3 would say so before it asks.
    cfn = boto3.client(
        "cloudformation",
        endpoint_url=cloud.endpoint,
        config=Config(parameter_validation=False),
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    template = ground.template(config)
    with pytest.raises(ClientError, match="greater than or equal to 1"):
        cfn.create_stack(StackName=STACK, TemplateBody=template, Tags=[{"Key": "cost", "Value": ""}])
    ground.running(config)
    with pytest.raises(ClientError, match="greater than or equal to 1"):
        cfn.update_stack(StackName=STACK, TemplateBody=template, Tags=[{"Key": "cost", "Value": ""}])


def test_a_cluster_is_deleted_in_its_time(cloud, ground, config):
    before = cloud.inventory()
    ground.running(config)
    ground.cfn.delete_stack(StackName=STACK)
    assert ground.status() == ground.status(CLUSTER) == "DELETE_IN_PROGRESS"
    cloud.advance(cloud.world.durations.cluster_delete_s)
    # THEN by name it is gone, by id it is remembered
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()
    left = [item for item in cloud.inventory() if item not in before]
    assert [item["type"] for item in left] == ["log-group", "log-group"]


def test_a_log_group_goes_when_the_configuration_says_so(cloud, ground, config):
    before = cloud.inventory()
    config["Monitoring"] = {"Logs": {"CloudWatch": {"DeletionPolicy": "Delete"}}}
    ground.running(config)
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert cloud.inventory() == before


def test_a_stack_can_be_deleted_while_it_is_made(cloud, ground, config):
    ground.create(config)
    cloud.advance(1)
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(cloud.world.durations.cluster_create_s + cloud.world.durations.cluster_delete_s)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()
    assert ground.head_node() is None


def test_a_failed_deletion_can_be_repeated(cloud, ground, config):
    ground.running(config)
    cloud.fail("delete")
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert ground.status() == "DELETE_FAILED"
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()


def test_retain_leaves_the_cluster(cloud, ground, config):
    ground.create(config, properties={"DeletionPolicy": "Retain"})
    cloud.advance(60)
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"
    # AND the cluster's own stack can be deleted
    ground.cfn.delete_stack(StackName=CLUSTER)
    cloud.advance(60)
    assert ground.head_node() is None


def test_a_cluster_removed_out_of_band_is_no_obstacle(cloud, ground, config):
    ground.running(config)
    ground.cfn.delete_stack(StackName=CLUSTER)
    cloud.advance(60)
    assert ground.status() == "CREATE_COMPLETE"
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack()


def test_events_carry_the_request_token(cloud, ground, config):
    """Terraform's provider looks for a failure's reasons by it."""
    cloud.fail("create")
    ground.create(config, ClientRequestToken="terraform-1")
    cloud.advance(60)
    events = ground.cfn.describe_stack_events(StackName=STACK)["StackEvents"]
    assert {event.get("ClientRequestToken") for event in events} == {"terraform-1"}


def test_a_protected_stack_is_not_deleted(cloud, ground, config):
    ground.running(config)
    ground.cfn.update_termination_protection(StackName=STACK, EnableTerminationProtection=True)
    assert ground.stack()["EnableTerminationProtection"]
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        ground.cfn.delete_stack(StackName=STACK)
    assert ground.status() == "CREATE_COMPLETE"
    ground.cfn.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    ground.cfn.delete_stack(StackName=STACK)
    assert ground.status() == "DELETE_IN_PROGRESS"
