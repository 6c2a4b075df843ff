"""moto's backends by service: the in-process side of what clients see over HTTP.

Imported late, because importing moto takes a second and the command line must start fast.
Everything is `Any` on purpose: moto's models are not a contract, and the tests pin what we use.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import botocore.session

# moto otherwise makes 1,300 images in each new account, which is half of the time its start takes.
os.environ.setdefault("MOTO_AMIS_PATH", str(Path(__file__).parent / "data" / "images.json"))

# Every session of boto3 reads the models of services for itself, and moto makes some to learn where EC2 is,
# a quarter of a second each. Here they share what one has read, as the clients of one session do.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

ACCOUNT_ID = "123456789012"
"""moto's account; credentials of any kind lead here."""


class Backends:
    def __init__(self, account_id: str = ACCOUNT_ID):
        self.account_id = account_id

    def ec2(self, region: str) -> Any:
        from moto.ec2.models import ec2_backends

        return ec2_backends[self.account_id][region]

    def ecr(self, region: str) -> Any:
        from moto.ecr.models import ecr_backends

        return ecr_backends[self.account_id][region]

    def efs(self, region: str) -> Any:
        from moto.efs.models import efs_backends

        return efs_backends[self.account_id][region]

    def s3(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[self.account_id]["aws"]

    def dynamodb(self, region: str) -> Any:
        from moto.dynamodb.models import dynamodb_backends

        return dynamodb_backends[self.account_id][region]

    def cloudformation(self, region: str) -> Any:
        from moto.cloudformation.models import cloudformation_backends

        return cloudformation_backends[self.account_id][region]

    def kms(self, region: str) -> Any:
        from moto.kms.models import kms_backends

        return kms_backends[self.account_id][region]

    def logs(self, region: str) -> Any:
        from moto.logs.models import logs_backends

        return logs_backends[self.account_id][region]

    def secrets(self, region: str) -> Any:
        from moto.secretsmanager.models import secretsmanager_backends

        return secretsmanager_backends[self.account_id][region]

    def rds(self, region: str) -> Any:
        from moto.rds.models import rds_backends

        return rds_backends[self.account_id][region]

    def iam(self) -> Any:
        from moto.iam.models import iam_backends

        return iam_backends[self.account_id]["aws"]

    def queues(self, region: str) -> Any:
        from moto.sqs.models import sqs_backends

        return sqs_backends[self.account_id][region]

    def rest_apis(self, region: str) -> Any:
        from moto.apigateway.models import apigateway_backends

        return apigateway_backends[self.account_id][region]

    def events(self, region: str) -> Any:
        from moto.events.models import events_backends

        return events_backends[self.account_id][region]

    def lambdas(self, region: str) -> Any:
        from moto.awslambda.models import lambda_backends

        return lambda_backends[self.account_id][region]

    def cloudwatch(self, region: str) -> Any:
        from moto.cloudwatch.models import cloudwatch_backends

        return cloudwatch_backends[self.account_id][region]

    def sns(self, region: str) -> Any:
        from moto.sns.models import sns_backends

        return sns_backends[self.account_id][region]

    @staticmethod
    def reset() -> None:
        """Empty every backend of every service."""
        from moto.moto_api._internal.models import moto_api_backend

        moto_api_backend.reset()
