"""Reads cluster configurations with AWS ParallelCluster's own code. Runs in .venv-pcluster, not in .venv.

stdin    JSON {"cases": {name: configuration}, "region": that of all, "run": [validators],
               "left_out": [validators], "instance_types": {type: what EC2 says of it},
               "changes": whether they are asked for}
stdout   JSON {name: {"schema": problem or null, "validators": [those that ran],
                      "failures": [[level, validator, message]], "changes": [paths]}}

The validators run with the arguments that ParallelCluster itself gives them. One in neither list ends it
all. No AWS is asked; but with no instance types, all is asked of the cloud at AWS_ENDPOINT_URL, save
ParallelCluster's own images. `changes` is what ParallelCluster sees when a configuration is compared with
itself.
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
from pcluster.aws.aws_resources import ImageInfo, InstanceTypeInfo
from pcluster.aws.common import AWSClientError
from pcluster.config.common import ValidatorSuppressor
from pcluster.config.config_patch import ConfigPatch
from pcluster.schemas.cluster_schema import ClusterSchema
from pcluster.validators.common import FailureLevel, ValidationResult

CLUSTER = "pc-lab-1-proj-1-abcdefghij"


class Chosen(ValidatorSuppressor):
    """Lets the validators through that are asked for, and notes which ran."""

    def __init__(self, run: list[str], left_out: list[str]) -> None:
        self.run, self.left_out = run, left_out
        self.ran: set[str] = set()

    def suppress_validator(self, validator: Any) -> bool:
        if validator.type in self.left_out:
            return True
        if validator.type not in self.run:
            raise LookupError(f"{validator.type} is in none of the lists of tests/pcluster/validators.py.")
        self.ran.add(validator.type)
        return False


def fake_aws(instance_types: dict[str, Any]) -> MagicMock:
    """AWS as far as offline validators look at it: the facts of instance types, and of images."""
    aws = MagicMock(aws_region="us-east-1")
    aws.ec2.get_instance_type_info.side_effect = lambda name: InstanceTypeInfo(instance_types[name])
    aws.ec2.get_supported_architectures.side_effect = lambda name: InstanceTypeInfo(
        instance_types[name]
    ).supported_architecture()
    aws.ec2.get_subnet_avail_zone.return_value = "us-east-1a"
    aws.ec2.get_subnets_az_mapping.side_effect = lambda ids: dict.fromkeys(ids, "us-east-1a")
    aws.ec2.list_instance_types.return_value = list(instance_types)
    aws.ec2.get_official_image_id.side_effect = official_image_id
    aws.ec2.describe_image.side_effect = describe_image
    return aws


def local_cloud() -> AWSApi:
    """The AWS of the environment, with ParallelCluster's own images."""
    if not os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:"):
        raise LookupError("only a local cloud may be asked")
    aws = AWSApi()
    others = aws.ec2.describe_image
    aws.ec2.get_official_image_id = official_image_id
    aws.ec2.describe_image = lambda ami_id: (describe_image if is_official(ami_id) else others)(ami_id)
    return aws


def official_image_id(os: str, architecture: str, filters: Any = None) -> str:
    return f"official-{architecture}"


def is_official(ami_id: str) -> bool:
    return ami_id.startswith("official-")


def describe_image(ami_id: str) -> ImageInfo:
    """ParallelCluster's own go by their architecture; others are for ARM when they begin with ami-0a."""
    architecture, description = "arm64" if ami_id.startswith("ami-0a") else "x86_64", "an image of ours"
    if is_official(ami_id):
        architecture, description = ami_id.partition("-")[2], "AWS ParallelCluster AMI for alinux2023"
    return ImageInfo(
        {
            "ImageId": ami_id,
            "Architecture": architecture,
            "Description": description,
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 45}}],
        }
    )


def one_session() -> None:
    """Whoever asks for the region makes a session, which takes longer than all that is checked here."""
    session = boto3.session.Session()
    boto3.session.Session = lambda: session


def check(configuration: dict[str, Any], chosen: Chosen, *, changes: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"schema": None, "validators": [], "failures": [], "changes": []}
    try:
        cluster = ClusterSchema(cluster_name=CLUSTER).load(copy.deepcopy(configuration))
    except ValidationError as error:
        return {**result, "schema": json.dumps(error.messages, sort_keys=True, default=str)}
    cluster.source_string = json.dumps(configuration)
    try:
        failures = cluster.validate(suppressors=[chosen])
    except AWSClientError as error:  # what it asks about itself, for its validators
        failures = [ValidationResult(str(error), FailureLevel.ERROR, type(error).__name__)]
    patch = ConfigPatch(MagicMock(), configuration, configuration).changes if changes else []
    return {
        **result,
        "validators": sorted(chosen.ran),
        "failures": [[item.level.name, item.validator_type, item.message] for item in failures],
        "changes": ["/".join([*change.path, change.key]) for change in patch],
    }


def main() -> None:
    request = json.load(sys.stdin)
    os.environ["AWS_DEFAULT_REGION"] = request["region"]
    asyncio.set_event_loop(asyncio.new_event_loop())
    one_session()
    instance_types = request["instance_types"]
    AWSApi._instance = local_cloud() if instance_types is None else fake_aws(instance_types)
    gc.disable()  # a third of the time otherwise
    verdicts = {
        name: check(case, Chosen(request["run"], request["left_out"]), changes=request["changes"])
        for name, case in request["cases"].items()
    }
    json.dump(verdicts, sys.stdout)


if __name__ == "__main__":
    main()
