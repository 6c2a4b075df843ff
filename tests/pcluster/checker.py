"""Reads cluster configurations with AWS ParallelCluster's own code. Runs in .venv-pcluster, not in .venv.

stdin    JSON {"cases": {name: configuration}, "instance_types": {type: what EC2 says of it},
               "changes": whether they are asked for}
stdout   JSON {name: {"schema": problem or null, "validators": [those that ran],
                      "failures": [[level, validator, message]], "changes": [paths]}}

No AWS is asked. Validators whose answer hangs on the state of an account are left out; the others
run with the arguments that ParallelCluster itself gives them. `changes` is what ParallelCluster sees
when a configuration is compared with itself.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import sys
from typing import Any
from unittest.mock import MagicMock

# The metadata address is switched off so that a client made by mistake asks nobody for credentials.
os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

import boto3
from marshmallow import ValidationError
from pcluster.aws.aws_api import AWSApi
from pcluster.aws.aws_resources import InstanceTypeInfo
from pcluster.config.common import ValidatorSuppressor
from pcluster.config.config_patch import ConfigPatch
from pcluster.schemas.cluster_schema import ClusterSchema

CLUSTER = "pc-lab-1-proj-1-abcdefghij"

OFFLINE = {
    "ArchitectureOsValidator",
    "CapacityTypeValidator",
    "ClusterNameValidator",
    "ComputeResourceSizeValidator",
    "ComputeResourceTagsValidator",
    "CustomSlurmSettingsValidator",
    "DatabaseUriValidator",
    "DetailedMonitoringValidator",
    "DuplicateMountDirValidator",
    "DuplicateNameValidator",
    "CustomSlurmNodeNamesValidator",
    "EbsVolumeIopsValidator",
    "EbsVolumeThroughputIopsValidator",
    "EbsVolumeThroughputValidator",
    "EbsVolumeTypeSizeValidator",
    "EfaMultiAzValidator",
    "EfaOsArchitectureValidator",
    "EfaPlacementGroupValidator",
    "FeatureRegionValidator",
    "FsxArchitectureOsValidator",
    "HeadNodeMemorySizeValidator",
    "InstanceArchitectureCompatibilityValidator",
    "InstanceTypeAcceleratorManufacturerValidator",
    "InstanceTypeBaseAMICompatibleValidator",
    "InstanceTypeMemoryInfoValidator",
    "InstanceTypeOSCompatibleValidator",
    "InstanceTypePlacementGroupValidator",
    "InstancesAcceleratorsValidator",
    "InstancesAllocationStrategyValidator",
    "InstancesCPUValidator",
    "InstancesEFAValidator",
    "InstancesMemorySchedulingWarningValidator",
    "InstancesNetworkingValidator",
    "MaxCountValidator",
    "MixedSecurityGroupOverwriteValidator",
    "MultiAzPlacementGroupValidator",
    "MultiAzRootVolumeValidator",
    "NameValidator",
    "NumberOfStorageValidator",
    "OverlappingMountDirValidator",
    "PlacementGroupCapacityTypeValidator",
    "PlacementGroupNamingValidator",
    "QueueSubnetsValidator",
    "RegionValidator",
    "RootVolumeEncryptionConsistencyValidator",
    "RootVolumeSizeValidator",
    "SchedulableMemoryValidator",
    "SchedulerValidator",
    "SharedStorageMountDirValidator",
    "SharedStorageNameValidator",
}


class OfflineOnly(ValidatorSuppressor):
    """Lets the validators through that need no account, and notes which ran."""

    def __init__(self) -> None:
        self.ran: set[str] = set()

    def suppress_validator(self, validator: Any) -> bool:
        if validator.type not in OFFLINE:
            return True
        self.ran.add(validator.type)
        return False


def fake_aws(instance_types: dict[str, Any]) -> MagicMock:
    """AWS as far as the validators above look at it: the facts of instance types, and of images.

    ParallelCluster's own images go by their architecture; others are for ARM when they begin with ami-0a.
    """
    aws = MagicMock(aws_region="us-east-1")
    aws.ec2.get_instance_type_info.side_effect = lambda name: InstanceTypeInfo(instance_types[name])
    aws.ec2.get_supported_architectures.side_effect = lambda name: InstanceTypeInfo(
        instance_types[name]
    ).supported_architecture()
    aws.ec2.get_subnet_avail_zone.return_value = "us-east-1a"
    aws.ec2.get_subnets_az_mapping.side_effect = lambda ids: dict.fromkeys(ids, "us-east-1a")
    aws.ec2.list_instance_types.return_value = list(instance_types)
    aws.ec2.get_official_image_id.side_effect = lambda os, architecture, *_: f"official-{architecture}"
    aws.ec2.describe_image.side_effect = describe_image
    return aws


def describe_image(ami_id: str) -> MagicMock:
    official, _, architecture = ami_id.partition("-")
    made = MagicMock(id=ami_id, volume_size=45, description="an image of ours")
    made.architecture = "arm64" if ami_id.startswith("ami-0a") else "x86_64"
    if official == "official":
        made.architecture, made.description = architecture, "AWS ParallelCluster AMI for alinux2023"
    return made


def one_session() -> None:
    """Whoever asks for the region makes a session, which takes longer than all that is checked here."""
    session = boto3.session.Session()
    boto3.session.Session = lambda: session


def check(configuration: dict[str, Any], *, changes: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"schema": None, "validators": [], "failures": [], "changes": []}
    try:
        cluster = ClusterSchema(cluster_name=CLUSTER).load(copy.deepcopy(configuration))
    except ValidationError as error:
        return {**result, "schema": json.dumps(error.messages, sort_keys=True, default=str)}
    cluster.source_string = json.dumps(configuration)
    offline = OfflineOnly()
    failures = cluster.validate(suppressors=[offline])
    patch = ConfigPatch(MagicMock(), configuration, configuration).changes if changes else []
    return {
        **result,
        "validators": sorted(offline.ran),
        "failures": [[item.level.name, item.validator_type, item.message] for item in failures],
        "changes": ["/".join([*change.path, change.key]) for change in patch],
    }


def main() -> None:
    request = json.load(sys.stdin)
    asyncio.set_event_loop(asyncio.new_event_loop())
    one_session()
    AWSApi._instance = fake_aws(request["instance_types"])
    gc.disable()  # a third of the time otherwise
    changes = request["changes"]
    json.dump({name: check(case, changes=changes) for name, case in request["cases"].items()}, sys.stdout)


if __name__ == "__main__":
    main()
