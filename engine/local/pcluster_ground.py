"""What ParallelCluster's validators ask AWS about: do the things a configuration names exist and fit?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.local.accounting import AccountingDatabase
from engine.local.backends import Backends
from engine.local.fsx_store import FsxStore
from engine.local.pcluster_config import (
    compute_resources,
    dig,
    image_ids,
    instance_types,
    is_true,
    security_group_ids,
    security_groups_of_nodes,
    shared_storage,
    subnet_ids,
)
from engine.local.ports import port_open
from engine.local.secret_versions import current_text

LNET_PORT, NFS_PORT = 988, 2049


class Ground:
    """One region as a cluster's validators see it."""

    def __init__(self, backends: Backends, region: str, fsx: FsxStore, accounting: AccountingDatabase):
        self._backends = backends
        self._region = region
        self._fsx = fsx
        self._accounting = accounting
        self._ec2 = backends.ec2(region)

    def problems(self, config: dict[str, Any], release: str) -> list[str]:
        """Messages of everything that is missing or unfit; the configuration itself is valid.

        release   ParallelCluster's, of the provider that is to make the cluster
        """
        subnets = {one: self.subnet(one) for one in subnet_ids(config)}
        missing = [one for one, subnet in subnets.items() if subnet is None]
        if missing:
            return [f"The subnet ID '{one}' does not exist." for one in missing]
        return [
            *self._network(config, list(subnets.values())),
            *self._instances(config),
            *self._images(config, release),
            *self._boundary(config),
            *self._key_pair(config),
            *self._secret(config),
            *self._storage(config, list(subnets.values())),
        ]

    def subnet(self, subnet_id: str) -> Any:
        return next((one for one in self._ec2.describe_subnets() if one.id == subnet_id), None)

    def accounting_problem(self, cluster: str, config: dict[str, Any]) -> str | None:
        """Why slurmdbd does not start on the head node; None when it does, or is not asked for."""
        wanted = dig(config, "Scheduling", "SlurmSettings", "Database")
        if wanted is None:
            return None
        if not self._accounting.answers_at(self._region, str(wanted["Uri"])):
            return "slurmdbd cannot reach the accounting database"
        # The secret's whole text is the password, as the node's script takes it.
        password = current_text(self._backends.secrets(self._region), str(wanted["PasswordSecretArn"]))
        if password is None:
            return "the secret with slurmdbd's password has no value"
        database = str(wanted.get("DatabaseName") or cluster.replace("-", "_"))
        if not self._accounting.accepts(str(wanted["UserName"]), password, database):
            return "slurmdbd's login is refused by the accounting database"
        return None

    def object_exists(self, uri: str) -> bool:
        """Whether an s3:// address names an object; other addresses are taken on trust."""
        if not uri.startswith("s3://"):
            return True
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        found = self._backends.s3().buckets.get(bucket)
        return found is not None and key in found.keys

    def _network(self, config: dict[str, Any], subnets: list[Any]) -> Iterator[str]:
        vpcs = {subnet.vpc_id for subnet in subnets}
        if len(vpcs) > 1:
            yield "All subnets of the cluster must be in one VPC."
        for vpc_id in vpcs:
            vpc = self._ec2.get_vpc(vpc_id)
            if not (is_true(vpc.enable_dns_support) and is_true(vpc.enable_dns_hostnames)):
                yield f"DNS resolution and DNS hostnames must be enabled in VPC {vpc_id}."
        for group_id in security_group_ids(config):
            group = self._ec2.get_security_group_from_id(group_id)
            if group is None or group.vpc_id not in vpcs:
                yield f"The security group '{group_id}' does not exist in the cluster's VPC."

    def _instances(self, config: dict[str, Any]) -> Iterator[str]:
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        head = str(dig(config, "HeadNode", "InstanceType"))
        if head not in INSTANCE_TYPES:
            yield f"HeadNode.InstanceType: the instance type '{head}' is not supported."
        for _, resource in compute_resources(config):
            for name in instance_types(resource):
                if name not in INSTANCE_TYPES:
                    yield f"{resource.get('Name')}: the instance type '{name}' is not supported."
                elif is_true(dig(resource, "Efa", "Enabled")) and not dig(
                    INSTANCE_TYPES[name], "NetworkInfo", "EfaSupported"
                ):
                    yield f"ComputeResources[{resource.get('Name')}]: '{name}' does not support EFA."

    def _images(self, config: dict[str, Any], release: str) -> Iterator[str]:
        """What an image's tags say against it; one that nobody has made here is taken on trust."""
        wanted = {"version": release, "os": dig(config, "Image", "Os")}
        for image_id in image_ids(config):
            image = self._ec2.amis.get(image_id)
            tags = {tag["key"]: tag["value"] for tag in image.get_tags()} if image else {}
            for name, value in wanted.items():
                given = tags.get(f"parallelcluster:{name}", value)
                if given != value:
                    yield f"The image {image_id} was made for {name} {given}, not for {value}."

    def _boundary(self, config: dict[str, Any]) -> Iterator[str]:
        """Policies of AWS are taken on trust: few of them are here."""
        arn = dig(config, "Iam", "PermissionsBoundary")
        of_aws = ":iam::aws:" in str(arn)
        if arn is not None and not of_aws and arn not in self._backends.iam().managed_policies:
            yield f"Iam.PermissionsBoundary: the policy {arn} was not found."

    def _key_pair(self, config: dict[str, Any]) -> Iterator[str]:
        name, os = dig(config, "HeadNode", "Ssh", "KeyName"), dig(config, "Image", "Os")
        if name is None:
            return
        key_pair = self._ec2.key_pairs.get(name)
        if key_pair is None:
            yield f"HeadNode.Ssh.KeyName: the key pair '{name}' does not exist."
        elif key_pair.key_type == "rsa" and str(os).startswith("ubuntu"):
            yield f"HeadNode.Ssh.KeyName: {os} does not support RSA keys, as '{name}' is one."

    def _secret(self, config: dict[str, Any]) -> Iterator[str]:
        arn = dig(config, "Scheduling", "SlurmSettings", "Database", "PasswordSecretArn")
        if arn is None:
            return
        known = {secret.arn for secret in self._backends.secrets(self._region).secrets.values()}
        if arn not in known:
            yield f"Database.PasswordSecretArn: the secret {arn} does not exist."

    def _storage(self, config: dict[str, Any], subnets: list[Any]) -> Iterator[str]:
        for item in shared_storage(config):
            lustre = dig(item, "FsxLustreSettings", "FileSystemId")
            efs = dig(item, "EfsSettings", "FileSystemId")
            if lustre:
                yield from self._lustre(config, lustre, subnets)
            if efs:
                yield from self._efs(config, efs, subnets)

    def _lustre(self, config: dict[str, Any], fs_id: str, subnets: list[Any]) -> Iterator[str]:
        file_system = self._fsx.file_systems.get(fs_id)
        if file_system is None:
            yield f"The file system '{fs_id}' does not exist."
        elif file_system.lifecycle not in ("AVAILABLE", "UPDATING"):
            yield f"The file system '{fs_id}' is {file_system.lifecycle}, not AVAILABLE."
        elif file_system.vpc_id not in {subnet.vpc_id for subnet in subnets}:
            yield f"The file system '{fs_id}' is not in the cluster's VPC."
        elif not self._open(config, file_system.security_group_ids, LNET_PORT, subnets):
            yield (
                f"The security groups of the file system '{fs_id}' do not allow traffic in and out "
                f"on port {LNET_PORT}."
            )

    def _efs(self, config: dict[str, Any], fs_id: str, subnets: list[Any]) -> Iterator[str]:
        efs = self._backends.efs(self._region)
        if fs_id not in efs.file_systems_by_id:
            yield f"The file system '{fs_id}' does not exist."
            return
        targets = {
            target.availability_zone_name: target
            for target in efs.mount_targets_by_id.values()
            if target.file_system_id == fs_id and target.life_cycle_state == "available"
        }
        for zone in sorted({subnet.availability_zone for subnet in subnets}):
            there = [subnet for subnet in subnets if subnet.availability_zone == zone]
            if zone not in targets:
                yield f"There is no available mount target of '{fs_id}' in the availability zone {zone}."
            elif not self._open(config, targets[zone].security_groups or [], NFS_PORT, there):
                yield (
                    f"The security groups of the mount target of '{fs_id}' in {zone} do not allow "
                    f"traffic in and out on port {NFS_PORT}."
                )

    def _open(self, config: dict[str, Any], groups: list[str], port: int, subnets: list[Any]) -> bool:
        """Whether groups of a file system let all nodes in and out.

        ParallelCluster wants a group of the rules' on the head node and on every queue, or addresses in the
        rules that hold all subnets (3.16.1, cluster_validators.py: _are_ip_ranges_and_sg_accessible).
        """
        return all(
            port_open(self._ec2, groups, port, egress=egress, peers=carried, cidr=subnet.cidr_block)
            for egress in (False, True)
            for carried in security_groups_of_nodes(config)
            for subnet in subnets
        )
