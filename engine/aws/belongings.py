"""Everything in the account that carries the tags of one of the engine's projects, and how it is deleted.

Each service is asked itself: their listings are current, and tell when a thing was made. Tags that they do
not tell come from the index of tags, where it has them. Left out is what cannot carry tags (settings of a
bucket, mount targets, route table associations: they go with what they hang on). What ParallelCluster's own
stack holds carries the tags too, and names the cluster it goes with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.buckets import empty_bucket
from engine.aws.existing.search import tag_map
from engine.aws.failures import PassingFailure, aws_errors, error_code
from engine.aws.filesystems import delete_lustre, lustre_lifecycle
from engine.aws.session import Cloud
from engine.aws.stacks import delete_stack, find_stack
from engine.aws.tag_index import carriers
from engine.model import tags

CLUSTER = "cluster"
"""A cluster's own stack, which Terraform never sees."""
KEY_PAIR = "aws_key_pair"

_CLUSTER_TAG = "parallelcluster:cluster-name"
_POLL_S = 5.0
_PATIENCE_S = 3600.0


@dataclass(frozen=True)
class Belonging:
    """One tagged thing.

    kind        Terraform's type; CLUSTER, KEY_PAIR
    id          as a Terraform state has it
    address     its tag `provisioner:address`; "" where the engine made it without Terraform
    made_at     UTC, aware; None where AWS does not tell
    price       what of the price table it is: "fsx.lustre.PERSISTENT_2.125"; "" where there is no such thing
    quantity    how many units of that
    cluster     whose own stack it is, or is part of: ParallelCluster hands the project's tags on; else ""
    token       by which an EFS file system was asked for when it was made; "" of all else
    """

    kind: str
    id: str
    name: str
    vlab_id: str
    project_id: str
    address: str
    made_at: datetime | None
    price: str = ""
    quantity: float = 0
    cluster: str = ""
    token: str = ""

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    @property
    def holds_data(self) -> bool:
        return self.kind in _HOLD_DATA


_HOLD_DATA = (
    "aws_s3_bucket",
    "aws_ebs_volume",
    "aws_efs_file_system",
    "aws_fsx_lustre_file_system",
    "aws_cloudwatch_log_group",
)


def list_belongings(
    cloud: Cloud, *, account_id: str, named: Collection[str] | None = None
) -> list[Belonging]:
    """Everything of every project of the cloud's region, ordered by project, kind and id.

    named    of buckets and log groups these alone, each asked for its tags; None: all
    Raises   AccessDenied, Unreachable, BackendError
    """
    found = [
        *(
            one
            for lister in (_ec2, _nodes, _volumes, _stacks, _efs, _fsx, _secrets)
            for one in lister(cloud, account_id)
        ),
        *_log_groups(cloud, named),
        *_buckets(cloud, account_id, named),
    ]
    return sorted(found, key=lambda one: (one.project, one.kind, one.id))


def _tagged(
    kind: str, id_: str, name: str, found: Mapping[str, str], made_at: datetime | None, **more: Any
) -> Iterator[Belonging]:
    """The thing, where its tags say that it is a project's and the engine's."""
    if found.get(tags.MANAGED_BY) == tags.ENGINE and tags.VLAB in found and tags.PROJECT in found:
        yield Belonging(
            kind=kind,
            id=id_,
            name=name,
            vlab_id=found[tags.VLAB],
            project_id=found[tags.PROJECT],
            address=found.get(tags.ADDRESS, ""),
            made_at=made_at.astimezone(UTC) if made_at else None,
            cluster=found.get(_CLUSTER_TAG, ""),
            **more,
        )


def _ec2(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    ec2: Any = cloud.ec2
    ours = [{"Name": f"tag:{tags.MANAGED_BY}", "Values": [tags.ENGINE]}]
    with aws_errors("listing subnets, security groups and key pairs"):
        for kind, operation, listed, id_ in (
            ("aws_subnet", "describe_subnets", "Subnets", "SubnetId"),
            ("aws_security_group", "describe_security_groups", "SecurityGroups", "GroupId"),
            (
                "aws_vpc_security_group_rule",
                "describe_security_group_rules",
                "SecurityGroupRules",
                "SecurityGroupRuleId",
            ),
        ):
            for page in ec2.get_paginator(operation).paginate(Filters=ours):
                for one in page[listed]:
                    found = tag_map(one.get("Tags"))
                    exact = kind
                    if kind == "aws_vpc_security_group_rule":
                        exact = f"aws_vpc_security_group_{'egress' if one['IsEgress'] else 'ingress'}_rule"
                    yield from _tagged(exact, one[id_], found.get("Name", ""), found, None)
        for pair in ec2.describe_key_pairs(Filters=ours)["KeyPairs"]:
            yield from _tagged(
                KEY_PAIR, pair["KeyName"], pair["KeyName"], tag_map(pair.get("Tags")), pair.get("CreateTime")
            )


# By what a cluster's nodes and their disks are known; nothing else makes any for a project.
_OF_CLUSTERS: Sequence[Any] = (
    {"Name": f"tag:{tags.MANAGED_BY}", "Values": [tags.ENGINE]},
    {"Name": "tag-key", "Values": [_CLUSTER_TAG]},
)


def _nodes(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    """Asked before the stacks: a cluster that comes meanwhile has its stack before its nodes.

    What one costs is known while it runs, by its list price: spot prices vary, and a stopped one has disks.
    """
    alive: Any = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    with aws_errors("listing the nodes of clusters"):
        pages = cloud.ec2.get_paginator("describe_instances").paginate(Filters=[*_OF_CLUSTERS, alive])
        nodes: list[Any] = [
            one for page in pages for made in page["Reservations"] for one in made["Instances"]
        ]
    for one in nodes:
        found = tag_map(one.get("Tags"))
        at_list_price = one["State"]["Name"] == "running" and "InstanceLifecycle" not in one
        yield from _tagged(
            "aws_instance",
            one["InstanceId"],
            found.get("Name", ""),
            found,
            one["LaunchTime"],
            price=f"ec2.{one['InstanceType']}" if at_list_price else "",
            quantity=1,
        )


def _volumes(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    """Those that hang on no instance: the others go with it, or are left by it and seen then."""
    unused: Any = {"Name": "status", "Values": ["available"]}
    with aws_errors("listing the volumes of clusters"):
        pages = cloud.ec2.get_paginator("describe_volumes").paginate(Filters=[*_OF_CLUSTERS, unused])
        volumes = [one for page in pages for one in page["Volumes"]]
    for one in volumes:
        found = tag_map(one.get("Tags"))
        yield from _tagged(
            "aws_ebs_volume",
            one["VolumeId"],
            found.get("Name", ""),
            found,
            one["CreateTime"],
            price=f"ebs.{one['VolumeType']}",
            quantity=one["Size"],
        )


def _stacks(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    with aws_errors("listing the stacks"):
        pages = cloud.cloudformation.get_paginator("describe_stacks").paginate()
        stacks = [one for page in pages for one in page["Stacks"]]
    for stack in stacks:
        if stack.get("ParentId") or stack["StackStatus"] == "DELETE_COMPLETE":
            continue
        found = tag_map(stack.get("Tags"))
        name = stack["StackName"]
        kind = CLUSTER if found.get(_CLUSTER_TAG) == name else "aws_cloudformation_stack"
        yield from _tagged(kind, stack.get("StackId", name), name, found, stack["CreationTime"])


def _efs(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    with aws_errors("listing the EFS file systems"):
        pages = cloud.efs.get_paginator("describe_file_systems").paginate()
        systems = [one for page in pages for one in page["FileSystems"]]
    for one in systems:
        if one["LifeCycleState"] not in ("deleting", "deleted"):
            found = tag_map(one.get("Tags"))
            yield from _tagged(
                "aws_efs_file_system",
                one["FileSystemId"],
                found.get("Name", ""),
                found,
                one["CreationTime"],
                price="efs.standard",
                quantity=one["SizeInBytes"]["Value"] / 2**30,
                token=one["CreationToken"],
            )


def _fsx(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    """S3 links go with their file system, and are not listed."""
    with aws_errors("listing the Lustre file systems"):
        pages = cloud.fsx.get_paginator("describe_file_systems").paginate()
        systems: list[Any] = [one for page in pages for one in page["FileSystems"]]
    for one in systems:
        if one.get("Lifecycle") != "DELETING":
            found = tag_map(one.get("Tags"))
            yield from _tagged(
                "aws_fsx_lustre_file_system",
                one["FileSystemId"],
                found.get("Name", ""),
                found,
                one.get("CreationTime"),
                price=_lustre_price(one.get("LustreConfiguration", {})),
                quantity=one.get("StorageCapacity", 0),
            )


def _lustre_price(lustre: Mapping[str, Any]) -> str:
    """Lustre is priced by deployment type and, where it is persistent, throughput per TiB."""
    throughput = lustre.get("PerUnitStorageThroughput")
    kind = f"fsx.lustre.{lustre.get('DeploymentType')}"
    return f"{kind}.{throughput}" if throughput else kind


def _secrets(cloud: Cloud, _account_id: str) -> Iterator[Belonging]:
    with aws_errors("listing the secrets"):
        pages = cloud.secretsmanager.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "tag-key", "Values": [tags.MANAGED_BY]}]
        )
        secrets = [one for page in pages for one in page["SecretList"]]
    for one in secrets:
        found = tag_map(one.get("Tags"))
        yield from _tagged(
            "aws_secretsmanager_secret",
            one["ARN"],
            one["Name"],
            found,
            one.get("CreatedDate"),
            price="secret",
            quantity=1,
        )


def _known(service: str, cloud: Cloud, named: Collection[str] | None) -> dict[str, dict[str, str]]:
    """What the index of tags knows of a service, by name, so that thousands need not be asked one by one.
    What is too new for it is asked, and so are the few that are to be deleted (`named`): it may be behind."""
    return carriers(cloud, service, key=tags.MANAGED_BY, value=tags.ENGINE) if named is None else {}


def _log_groups(cloud: Cloud, named: Collection[str] | None) -> Iterator[Belonging]:
    known = _known("logs", cloud, named)
    with aws_errors("listing the log groups of job records"):
        pages = cloud.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/provisioner/")
        for group in [one for page in pages for one in page["logGroups"]]:
            if named is not None and group["logGroupName"] not in named:
                continue
            name, arn = group["logGroupName"], group["arn"].removesuffix(":*")
            found = known.get(name) or cloud.logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
            # CloudWatch Logs gives milliseconds since 1970.
            made_at = datetime.fromtimestamp(group["creationTime"] / 1000, UTC)
            yield from _tagged("aws_cloudwatch_log_group", name, name, found, made_at)


def _buckets(cloud: Cloud, account_id: str, named: Collection[str] | None) -> Iterator[Belonging]:
    """By the beginning of their names; and those of the index of tags, which a project has taken over.

    Of this region alone: S3 lists those of all regions, and a project elsewhere is in another registry.
    """
    known = _known("s3", cloud, named)
    with aws_errors("listing the buckets of projects"):
        pages = cloud.s3.get_paginator("list_buckets").paginate(BucketRegion=cloud.region)
        for bucket in [one for page in pages for one in page.get("Buckets", [])]:
            name = bucket["Name"]
            if not name.startswith(f"pc-{account_id}-") and name not in known:
                continue
            if named is not None and name not in named:
                continue
            try:
                found = known.get(name) or tag_map(cloud.s3.get_bucket_tagging(Bucket=name)["TagSet"])
            except ClientError as error:
                if error_code(error) not in {"NoSuchTagSet", "NoSuchBucket"}:
                    raise
                continue
            yield from _tagged("aws_s3_bucket", name, name, found, bucket.get("CreationDate"))


def deletion_order(found: Iterable[Belonging]) -> list[Belonging]:
    """What must go first comes first: clusters before file systems, these before their network."""
    return sorted(found, key=lambda one: list(_DELETIONS).index(one.kind))


def delete(cloud: Cloud, one: Belonging, *, account_id: str) -> None:
    """Delete one thing, with all it holds, and wait until it is gone where others wait for that.

    Being gone already is fine.
    Raises   PassingFailure when AWS takes longer than an hour; BackendError when it refuses
    """
    with aws_errors(f"deleting {one.name or one.id} of {one.project}"):
        _DELETIONS[one.kind](cloud, one, account_id)


def _delete_stack(cloud: Cloud, one: Belonging, _account_id: str) -> None:
    delete_stack(cloud, one.id)

    def gone() -> bool:
        stack = find_stack(cloud, one.id)
        return stack is None or stack["StackStatus"] in ("DELETE_COMPLETE", "DELETE_FAILED")

    _wait(cloud, one, gone)
    stack = find_stack(cloud, one.id)
    if stack is not None and stack["StackStatus"] == "DELETE_FAILED":
        raise PassingFailure(f"CloudFormation could not delete {one.name}.", hint="Read the stack's events.")


def _delete_node(cloud: Cloud, one: Belonging, _account_id: str) -> None:
    """Waited for: its network interface keeps subnet and security groups, its mounts the file systems."""

    def gone() -> bool:
        try:
            found = cloud.ec2.describe_instances(InstanceIds=[one.id])["Reservations"]
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise
            return True
        return all(node["State"]["Name"] == "terminated" for made in found for node in made["Instances"])

    _unless("InvalidInstanceID.NotFound", lambda: cloud.ec2.terminate_instances(InstanceIds=[one.id]))
    _wait(cloud, one, gone)


def _delete_lustre(cloud: Cloud, one: Belonging, _account_id: str) -> None:
    delete_lustre(cloud, one.id)
    _wait(cloud, one, lambda: lustre_lifecycle(cloud, one.id) is None)


def _delete_efs(cloud: Cloud, one: Belonging, _account_id: str) -> None:
    def targets() -> Sequence[Any]:
        return cloud.efs.describe_mount_targets(FileSystemId=one.id)["MountTargets"]

    try:
        for target in targets():
            if target["LifeCycleState"] != "deleting":
                cloud.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
        _wait(cloud, one, lambda: not targets())
        cloud.efs.delete_file_system(FileSystemId=one.id)
    except ClientError as error:
        if error_code(error) != "FileSystemNotFound":
            raise


def _delete_bucket(cloud: Cloud, one: Belonging, account_id: str) -> None:
    empty_bucket(cloud, one.id, account_id=account_id)
    _unless("NoSuchBucket", lambda: cloud.s3.delete_bucket(Bucket=one.id))


def _delete_rule(cloud: Cloud, one: Belonging, _account_id: str) -> None:
    rules = [one.id]

    def ask() -> None:
        found = cloud.ec2.describe_security_group_rules(SecurityGroupRuleIds=rules)["SecurityGroupRules"]
        group = found[0]["GroupId"]
        if found[0]["IsEgress"]:
            cloud.ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=rules)
        else:
            cloud.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=rules)

    _unless("InvalidSecurityGroupRuleId.NotFound", ask)


def _unless(absent: str, ask: Callable[[], Any]) -> None:
    try:
        ask()
    except ClientError as error:
        if error_code(error) != absent:
            raise


def _wait(cloud: Cloud, one: Belonging, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise PassingFailure(
                f"{one.name or one.id} of {one.project} is still there after an hour.", hint="Run this again."
            )
        time.sleep(0.2 if cloud.local else _POLL_S)


_DELETIONS: Mapping[str, Callable[[Cloud, Belonging, str], None]] = {
    "aws_cloudformation_stack": _delete_stack,
    CLUSTER: _delete_stack,
    "aws_instance": _delete_node,
    "aws_ebs_volume": lambda cloud, one, _: _unless(
        "InvalidVolume.NotFound", lambda: cloud.ec2.delete_volume(VolumeId=one.id)
    ),
    "aws_fsx_lustre_file_system": _delete_lustre,
    "aws_efs_file_system": _delete_efs,
    "aws_vpc_security_group_ingress_rule": _delete_rule,
    "aws_vpc_security_group_egress_rule": _delete_rule,
    "aws_security_group": lambda cloud, one, _: _unless(
        "InvalidGroup.NotFound", lambda: cloud.ec2.delete_security_group(GroupId=one.id)
    ),
    "aws_subnet": lambda cloud, one, _: _unless(
        "InvalidSubnetID.NotFound", lambda: cloud.ec2.delete_subnet(SubnetId=one.id)
    ),
    "aws_secretsmanager_secret": lambda cloud, one, _: _unless(
        "ResourceNotFoundException",
        lambda: cloud.secretsmanager.delete_secret(SecretId=one.id, ForceDeleteWithoutRecovery=True),
    ),
    KEY_PAIR: lambda cloud, one, _: _unless(
        "InvalidKeyPair.NotFound", lambda: cloud.ec2.delete_key_pair(KeyName=one.id)
    ),
    "aws_cloudwatch_log_group": lambda cloud, one, _: _unless(
        "ResourceNotFoundException", lambda: cloud.logs.delete_log_group(logGroupName=one.id)
    ),
    "aws_s3_bucket": _delete_bucket,
}
"""In the order in which things must go."""
