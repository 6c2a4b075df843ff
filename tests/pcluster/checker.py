"""Reads cluster configurations with AWS ParallelCluster's own code. Runs in .venv-pcluster, not in .venv.

stdin    JSON {"cases": {name: configuration}, "instance_types": {type: what EC2 says of it}}
stdout   JSON {name: {"schema": problem or null, "validators": [those that ran],
                      "failures": [[level, validator, message]], "changes": [paths]}}

No AWS is asked. Validators whose answer hangs on the state of an account are left out; the others
run with the arguments that ParallelCluster itself gives them. `changes` is what ParallelCluster sees
when a configuration is compared with itself.
"""

from __future__ import annotations

import asyncio
import copy
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
    "EbsVolumeThroughputIopsValidator",
    "EbsVolumeThroughputValidator",
    "EfaMultiAzValidator",
    "EfaOsArchitectureValidator",
    "EfaPlacementGroupValidator",
    "FsxArchitectureOsValidator",
    "HeadNodeMemorySizeValidator",
    "InstanceArchitectureCompatibilityValidator",
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
    "NameValidator",
    "NumberOfStorageValidator",
    "OverlappingMountDirValidator",
    "PlacementGroupCapacityTypeValidator",
    "PlacementGroupNamingValidator",
    "RegionValidator",
    "RootVolumeEncryptionConsistencyValidator",
    "RootVolumeSizeValidator",
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
    """AWS as far as the validators above look at it: the facts of instance types."""
    aws = MagicMock(aws_region="us-east-1")
    aws.ec2.get_instance_type_info.side_effect = lambda name: InstanceTypeInfo(instance_types[name])
    aws.ec2.get_supported_architectures.side_effect = lambda name: InstanceTypeInfo(
        instance_types[name]
    ).supported_architecture()
    aws.ec2.get_subnet_avail_zone.return_value = "us-east-1a"
    aws.ec2.get_subnets_az_mapping.side_effect = lambda ids: dict.fromkeys(ids, "us-east-1a")
    aws.ec2.describe_image.return_value.volume_size = 45
    return aws


def one_session() -> None:
    """Whoever asks for the region makes a session, which takes longer than all that is checked here."""
    session = boto3.session.Session()
    boto3.session.Session = lambda: session


def check(configuration: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"schema": None, "validators": [], "failures": [], "changes": []}
    try:
        cluster = ClusterSchema(cluster_name=CLUSTER).load(copy.deepcopy(configuration))
    except ValidationError as error:
        return {**result, "schema": json.dumps(error.messages, sort_keys=True, default=str)}
    cluster.source_string = json.dumps(configuration)
    offline = OfflineOnly()
    failures = cluster.validate(suppressors=[offline])
    patch = ConfigPatch(MagicMock(), configuration, configuration)
    return {
        **result,
        "validators": sorted(offline.ran),
        "failures": [[item.level.name, item.validator_type, item.message] for item in failures],
        "changes": ["/".join([*change.path, change.key]) for change in patch.changes],
    }


def main() -> None:
    request = json.load(sys.stdin)
    asyncio.set_event_loop(asyncio.new_event_loop())
    one_session()
    AWSApi._instance = fake_aws(request["instance_types"])
    json.dump({name: check(case) for name, case in request["cases"].items()}, sys.stdout)


if __name__ == "__main__":
    main()
