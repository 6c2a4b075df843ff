"""ParallelCluster's validators look at an account, which a local cloud plays; it refuses what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from engine.local.clock import SteppedClock
from engine.local.server import LocalCloud
from engine.local.shared_names import SHARED_TAGS, SharedNames
from tests.functional.local.conftest import STACK, Ground
from tests.pcluster.test_cluster_schema import (
    CATALOGUE,
    NAMES,
    Check,
    Configuration,
    as_cloudformation_hands_it_on,
    as_terraform_fills_it_in,
    configuration,
    serious,
)
from tests.pcluster.validators import IN_AN_ACCOUNT, OFFLINE

pytestmark = pytest.mark.pcluster

# Where there is every instance type of the tiers.
REGION = "us-east-2"
NFS, LUSTRE = [(2049, 2049)], [(988, 988), (1018, 1023)]
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Project(Ground):
    """lab-1/proj-1 before its cluster, as the modules make it."""

    def __init__(self, cloud: LocalCloud):
        super().__init__(cloud)
        self.net = self.subnet()
        self.ec2.modify_subnet_attribute(SubnetId=self.net, MapPublicIpOnLaunch={"Value": False})
        self.nodes = self.group("nodes")
        self.ec2.create_key_pair(KeyName=NAMES.key_pair, KeyType="ed25519")
        self.s3.create_bucket(Bucket=NAMES.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.references = replace(
            as_terraform_fills_it_in(lustre=True),
            subnet_id=self.net,
            node_security_group_id=self.nodes,
            endpoint_security_group_id=self.shared_group("endpoint_access"),
            accounting_security_group_id=self.shared_group("accounting_access"),
            workflow_security_group_id=self.shared_group("workflow_access"),
            efs_id=self.home("home", self.server("efs", NFS)),
            lustre_id=self.lustre(self.net, self.server("fsx", LUSTRE))["FileSystemId"],
            accounting_secret_arn=self.secret(NAMES.cluster),
            node_software_url=self.file("node.sh"),
            node_config_url=self.file("node.json"),
            node_update_url=self.file("node-2.json"),
            nodes_bucket=cloud.names.bucket_of_nodes,
            public_bucket=cloud.names.bucket,
        )
        self.settle()

    def settle(self) -> None:
        """Until all that was asked for is there."""
        self.cloud.advance(3600)

    def shared_group(self, access: str) -> str:
        name = SHARED_TAGS[access]["Name"]
        found = self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])
        return str(found["SecurityGroups"][0]["GroupId"])

    def server(self, name: str, ports: list[tuple[int, int]]) -> str:
        """The group of a file system, which lets the nodes and itself in and out, and nobody else."""
        group = self.group(name)
        everybody = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everybody])
        rules = [
            {
                "IpProtocol": "tcp",
                "FromPort": first,
                "ToPort": last,
                "UserIdGroupPairs": [{"GroupId": self.nodes}, {"GroupId": group}],
            }
            for first, last in ports
        ]
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
        self.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=rules)
        return group

    def home(self, name: str, *groups: str) -> str:
        """An EFS file system; with a mount target where groups are given."""
        made = self.efs.create_file_system(CreationToken=name, Encrypted=True)
        fs_id = str(made["FileSystemId"])
        if groups:
            self.efs.create_mount_target(FileSystemId=fs_id, SubnetId=self.net, SecurityGroups=[*groups])
        return fs_id

    def file(self, name: str) -> str:
        self.s3.put_object(Bucket=NAMES.bucket, Key=name, Body=b"{}")
        return f"s3://{NAMES.bucket}/{name}"

    def image(self, os: str = "alinux2023", release: str = "3.16.1") -> str:
        """An image of one's own, as `pcluster build-image` tags it."""
        filters = [{"Name": "architecture", "Values": ["x86_64"]}]
        source = self.ec2.describe_images(Owners=["amazon"], Filters=filters)["Images"][0]["ImageId"]
        made = self.ec2.copy_image(SourceImageId=source, SourceRegion=REGION, Name=f"{os} {release}")
        tags = {"version": release, "os": os, "build_status": "available"}
        self.ec2.create_tags(
            Resources=[made["ImageId"]],
            Tags=[{"Key": f"parallelcluster:{key}", "Value": value} for key, value in tags.items()],
        )
        return str(made["ImageId"])

    def boundary(self) -> str:
        iam = self.cloud.client("iam")
        made = iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(POLICY))
        return str(made["Policy"]["Arn"])

    def configuration(self, tier: str = "prod-mpi", storage: str = "lustre", **given: Any) -> Configuration:
        lustre = self.references.lustre_id if storage == "lustre" else None
        references = replace(self.references, lustre_id=lustre)
        settings = {"region": self.cloud.region, **given.pop("settings", {})}
        return configuration(tier, storage, settings, references, **given)

    def refusal(self, config: Configuration) -> str:
        """Why the local cloud does not begin with the cluster; nothing where it does."""
        self.create(config)
        refused = self.status() == "ROLLBACK_COMPLETE"
        why = self.reasons() if refused else ""
        self.cfn.delete_stack(StackName=STACK)
        self.settle()
        return why


@pytest.fixture
def project() -> Iterator[Project]:
    with LocalCloud(clock=SteppedClock(), names=SharedNames(region=REGION)) as cloud:
        yield Project(cloud)


def test_an_account_takes_every_configuration(project: Project, check: Check) -> None:
    # GIVEN the ground of a project, and every tier with each storage; an image and a boundary of one's own
    own = {"custom_ami": project.image(), "permissions_boundary": project.boundary()}
    cases = {
        f"{tier.name} {storage}": project.configuration(tier.name, storage)
        for tier, storage in product(CATALOGUE, ("lustre", "efs"))
    }
    cases["prod-mpi own"] = project.configuration(settings=own)
    cases["prod-mpi ubuntu"] = project.configuration(settings={"os": "ubuntu2404"})
    cases |= {f"{name} as text": as_cloudformation_hands_it_on(config) for name, config in cases.items()}
    # WHEN ParallelCluster looks at them with all validators but the two that nothing here can answer
    verdicts = check(cases, cloud=project.cloud)
    # THEN they find nothing
    assert {name: verdict["schema"] for name, verdict in verdicts.items() if verdict["schema"]} == {}
    assert {name: found for name, verdict in verdicts.items() if (found := serious(verdict, name))} == {}
    # AND all of them have run
    ran = {validator for verdict in verdicts.values() for validator in verdict["validators"]}
    assert ran == OFFLINE | IN_AN_ACCOUNT
    # AND the local cloud takes each as well
    assert {name: why for name, config in cases.items() if (why := project.refusal(config))} == {}


def unfit(project: Project) -> Iterator[tuple[str, Configuration, str]]:
    """Configurations with one thing that is not there or does not fit, and who must notice."""

    def changed(change: Callable[[Configuration], object]) -> Configuration:
        config = project.configuration()
        change(config)
        return config

    def without_node_group(*sections: Configuration) -> None:
        for section in sections:
            section["Networking"]["AdditionalSecurityGroups"].remove(project.nodes)

    def home(fs_id: str) -> Configuration:
        return changed(lambda c: c["SharedStorage"][0]["EfsSettings"].update(FileSystemId=fs_id))

    def lustre(fs_id: str) -> Configuration:
        return changed(lambda c: c["SharedStorage"][1]["FsxLustreSettings"].update(FileSystemId=fs_id))

    def settings(**given: Any) -> Configuration:
        return project.configuration(settings=given)

    nobody = "fs-00000000000000000"
    closed = project.group("closed", open_ports=(988,))  # its own servers alone, which FSx demands
    closed_lustre = project.lustre(project.net, closed)["FileSystemId"]
    closed_home, unmounted_home = project.home("closed", closed), project.home("unmounted")
    project.ec2.create_key_pair(KeyName="of-ada", KeyType="rsa")
    project.settle()
    queues = changed(lambda c: without_node_group(*c["Scheduling"]["SlurmQueues"]))
    yield "queues that do not reach home", queues, "EfsIdValidator"
    yield "queues that do not reach Lustre", queues, "ExistingFsxNetworkingValidator"
    head_node = changed(lambda c: without_node_group(c["HeadNode"]))
    yield "a head node that does not reach home", head_node, "EfsIdValidator"
    yield "a head node that does not reach Lustre", head_node, "ExistingFsxNetworkingValidator"
    yield "a home without a mount target", home(unmounted_home), "EfsIdValidator"
    yield "a home that lets nobody in", home(closed_home), "EfsIdValidator"
    yield "a home that is not there", home(nobody), "EfsIdValidator"
    yield "Lustre that lets nobody in", lustre(closed_lustre), "ExistingFsxNetworkingValidator"
    yield "Lustre that is not there", lustre(nobody), "AWSClientError"
    group = changed(lambda c: c["HeadNode"]["Networking"]["AdditionalSecurityGroups"].append(f"sg-{0:017}"))
    yield "a security group that is not there", group, "SecurityGroupsValidator"
    key_pair = changed(lambda c: c["HeadNode"]["Ssh"].update(KeyName="nobody"))
    yield "a key pair that is not there", key_pair, "KeyPairValidator"
    rsa = settings(os="ubuntu2404")
    rsa["HeadNode"]["Ssh"]["KeyName"] = "of-ada"
    yield "an RSA key pair on Ubuntu", rsa, "KeyPairValidator"
    head_node_type = changed(lambda c: c["HeadNode"].update(InstanceType="m7i.huge"))
    yield "an instance type that is not there", head_node_type, "AWSClientError"
    boundary = settings(permissions_boundary="arn:aws:iam::123456789012:policy/nobody")
    yield "a boundary that is not there", boundary, "IamPolicyValidator"
    yield "an image of another OS", settings(custom_ami=project.image(os="rhel9")), "AmiOsCompatibleValidator"
    older = project.image(release="3.15.0")
    yield "an image of another release", settings(custom_ami=older), "CustomAmiTagValidator"


def test_what_an_account_refuses_the_local_cloud_refuses(project: Project, check: Check) -> None:
    # GIVEN configurations with one thing each that an account lacks
    cases = list(unfit(project))
    # WHEN ParallelCluster looks at them
    verdicts = check({name: config for name, config, _ in cases}, cloud=project.cloud)
    # THEN it refuses each, by the validator that is there for it
    for name, _, by in cases:
        errors = {failure[1] for failure in verdicts[name]["failures"] if failure[0] == "ERROR"}
        assert by in errors, f"{name}: {verdicts[name]}"
    # AND so does the local cloud
    assert [name for name, config, _ in cases if not project.refusal(config)] == []


def test_an_account_warns_of_what_may_come_yet(project: Project, check: Check) -> None:
    # GIVEN a script and a secret that are not there
    script, secret = project.configuration(), project.configuration()
    script["HeadNode"]["CustomActions"]["OnNodeStart"]["Script"] = f"s3://{NAMES.bucket}/none.sh"
    secret["Scheduling"]["SlurmSettings"]["Database"]["PasswordSecretArn"] += "-none"
    # WHEN ParallelCluster looks at them
    verdicts = check({"script": script, "secret": secret}, cloud=project.cloud)
    # THEN it warns, of nothing else
    found = {name: [failure[:2] for failure in serious(verdicts[name], name)] for name in verdicts}
    assert found == {
        "script": [["WARNING", "AsyncTimedUrlValidator"]],
        "secret": [["WARNING", "PasswordSecretArnValidator"]],
    }


def test_a_validator_that_nobody_has_thought_of_is_noticed(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN lists without one that ParallelCluster runs
    monkeypatch.setattr("tests.pcluster.conftest.OFFLINE", OFFLINE - {"NameValidator"})
    # THEN no check goes on without it
    with pytest.raises(AssertionError, match="NameValidator is in none of the lists"):
        check({"any": configuration()})
