"""The way to AWS: one `Cloud`, built at the top of a command and passed down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from engine.aws.clock import AwsClock, own_clock
from engine.aws.failures import aws_errors
from engine.aws.retrying import try_again
from engine.errors import FieldProblem, InvalidSettings
from engine.model.secret import Secret

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_efs import EFSClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_fsx import FSxClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient


@dataclass(frozen=True)
class Credentials:
    """Fixed credentials, for those who don't use the usual chain (profile, environment, role)."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


# What a local cloud gets when nobody names credentials: real ones from a profile must not be sent to it.
_LOCAL_CREDENTIALS = Credentials("local", Secret("local"))


@dataclass(frozen=True)
class Patience:
    """How long one call may take before it counts as unanswered, and how often it is made.

    attempts   while no answer comes; answered: while AWS answers that it is busy or ill
    """

    connect_timeout_s: float
    read_timeout_s: float
    attempts: int
    answered: int


_WORK = Patience(connect_timeout_s=5, read_timeout_s=60, attempts=8, answered=8)
_LOCAL = Patience(connect_timeout_s=2, read_timeout_s=60, attempts=3, answered=3)
_PREFLIGHT = Patience(connect_timeout_s=3, read_timeout_s=10, attempts=2, answered=8)


class LogsClient(Protocol):
    """As much of boto3's CloudWatch Logs client as the engine uses."""

    def get_paginator(self, operation_name: str) -> Any: ...

    def delete_log_group(self, *, logGroupName: str) -> Any: ...

    def list_tags_for_resource(self, *, resourceArn: str) -> Any: ...

    def filter_log_events(self, **asked: Any) -> Any: ...


class TaggingClient(Protocol):
    """As much of boto3's client of the Resource Groups Tagging API as the engine uses."""

    def get_paginator(self, operation_name: str) -> Any: ...


class KmsClient(Protocol):
    """As much of boto3's KMS client as the engine uses."""

    def get_paginator(self, operation_name: str) -> Any: ...

    def describe_key(self, *, KeyId: str) -> Any: ...

    def list_resource_tags(self, *, KeyId: str) -> Any: ...


class IamClient(Protocol):
    """As much of boto3's IAM client as the engine uses."""

    def get_account_summary(self) -> Any: ...


class EcrClient(Protocol):
    """As much of boto3's ECR client as the engine uses."""

    def describe_repositories(self, *, repositoryNames: Sequence[str]) -> Any: ...

    def get_lifecycle_policy(self, *, repositoryName: str) -> Any: ...


class PricingClient(Protocol):
    """As much of boto3's Price List client as the engine uses."""

    def get_paginator(self, operation_name: str) -> Any: ...


class Cloud:
    """Typed boto3 clients of one region, made when first used and then kept; safe to share by threads.

    region              "us-east-1"
    endpoint_url        None: the public AWS endpoints (or those that the AWS configuration names)
    credentials         None: the usual chain of boto3
    local               the endpoint is a local cloud: an endpoint is required, the credential chain and
                        the instance metadata service are never asked, and few attempts are made
    s3_use_path_style   bucket in the path, not in the host name; always so for a local cloud
    attempts            how often a call is made that meets a passing failure (model/passing.py)
    clock               this machine's own, UTC and aware
    Raises              InvalidSettings when a local cloud has no endpoint; AccessDenied for a broken profile
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        credentials: Credentials | None = None,
        local: bool = False,
        s3_use_path_style: bool = False,
        patience: Patience | None = None,
        attempts: int | None = None,
        clock: Callable[[], datetime] = own_clock,
        _maker: _ClientMaker | None = None,
    ) -> None:
        if local and not endpoint_url:
            raise InvalidSettings(
                "The local cloud has no endpoint.",
                [FieldProblem("endpoint_url", "is not set", example="http://127.0.0.1:5000")],
                hint="Start it with `provisioner local up`.",
            )
        self.region = region
        self.endpoint_url = endpoint_url
        self.local = local
        self._credentials = credentials or (_LOCAL_CREDENTIALS if local else None)
        self._path_style = s3_use_path_style or local
        self._patience = patience or (_LOCAL if local else _WORK)
        if attempts is not None:
            self._patience = replace(self._patience, attempts=attempts, answered=attempts)
        self._clients: dict[str, Any] = {}
        self._maker = _maker or _ClientMaker(region, AwsClock(clock))

    def __repr__(self) -> str:
        return f"Cloud(region={self.region!r}, endpoint_url={self.endpoint_url!r}, local={self.local})"

    def impatient(self) -> Cloud:
        """The same cloud with short time limits, and two attempts where no answer comes, for checks that a
        person waits for."""
        patience = replace(_PREFLIGHT, answered=self._patience.answered)
        if self._patience == patience:
            return self
        return Cloud(
            region=self.region,
            endpoint_url=self.endpoint_url,
            credentials=self._credentials,
            local=self.local,
            s3_use_path_style=self._path_style,
            patience=patience,
            _maker=self._maker,
        )

    def now(self) -> datetime:
        """The time by AWS's clock, once it has answered: what others read is written by it. UTC, aware."""
        return self._maker.clock.now()

    @property
    def cloudformation(self) -> CloudFormationClient:
        return self._client("cloudformation")  # type: ignore[no-any-return]

    @property
    def dynamodb(self) -> DynamoDBClient:
        return self._client("dynamodb")  # type: ignore[no-any-return]

    @property
    def ec2(self) -> EC2Client:
        return self._client("ec2")  # type: ignore[no-any-return]

    @property
    def ecr(self) -> EcrClient:
        return self._client("ecr")  # type: ignore[no-any-return]

    @property
    def efs(self) -> EFSClient:
        return self._client("efs")  # type: ignore[no-any-return]

    @property
    def events(self) -> EventBridgeClient:
        return self._client("events")  # type: ignore[no-any-return]

    @property
    def fsx(self) -> FSxClient:
        return self._client("fsx")  # type: ignore[no-any-return]

    @property
    def iam(self) -> IamClient:
        """One for the whole account, whatever the region."""
        return self._client("iam")  # type: ignore[no-any-return]

    @property
    def kms(self) -> KmsClient:
        return self._client("kms")  # type: ignore[no-any-return]

    @property
    def lambdas(self) -> LambdaClient:
        return self._client("lambda")  # type: ignore[no-any-return]

    @property
    def logs(self) -> LogsClient:
        return self._client("logs")  # type: ignore[no-any-return]

    @property
    def pricing(self) -> PricingClient:
        """Answers in us-east-1 and two other regions alone, for all regions."""
        return self._client("pricing")  # type: ignore[no-any-return]

    @property
    def rds(self) -> RDSClient:
        return self._client("rds")  # type: ignore[no-any-return]

    @property
    def s3(self) -> S3Client:
        return self._client("s3")  # type: ignore[no-any-return]

    @property
    def secretsmanager(self) -> SecretsManagerClient:
        return self._client("secretsmanager")  # type: ignore[no-any-return]

    @property
    def service_quotas(self) -> ServiceQuotasClient:
        return self._client("service-quotas")  # type: ignore[no-any-return]

    @property
    def sqs(self) -> SQSClient:
        return self._client("sqs")  # type: ignore[no-any-return]

    @property
    def sts(self) -> STSClient:
        return self._client("sts")  # type: ignore[no-any-return]

    @property
    def tagging(self) -> TaggingClient:
        return self._client("resourcegroupstaggingapi")  # type: ignore[no-any-return]

    def _client(self, service: str) -> Any:
        with self._maker.lock:
            if service not in self._clients:
                with aws_errors(f"signing in to use {service}"):
                    self._clients[service] = self._make_client(service)
            return self._clients[service]

    def _make_client(self, service: str) -> Any:
        keys: dict[str, str | None] = {}
        if self._credentials is not None:
            token = self._credentials.session_token
            keys = {
                "aws_access_key_id": self._credentials.access_key_id,
                "aws_secret_access_key": self._credentials.secret_access_key.reveal(),
                "aws_session_token": token.reveal() if token else None,
            }
        client = self._maker.make(service, endpoint_url=self.endpoint_url, config=self._config(), **keys)
        try_again(client, self._patience.answered)
        return client

    def _config(self) -> Config:
        return Config(
            connect_timeout=self._patience.connect_timeout_s,
            read_timeout=self._patience.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": self._patience.attempts},
            s3={"addressing_style": "path"} if self._path_style else {},
            max_pool_connections=32,
            user_agent_extra="parallelcluster-provisioner",
        )


class _ClientMaker:
    """One boto3 session, made when first needed. Clouds that differ in patience only share it, since it
    holds the service models, which take a third of a second to read.

    lock    hold it while making a client: sessions are not safe for threads, clients are
    clock   learns from the answers of every client that is made here
    """

    def __init__(self, region: str, clock: AwsClock) -> None:
        self.lock = threading.Lock()
        self.clock = clock
        self._region = region
        self._session: boto3.session.Session | None = None

    def make(self, service: str, **options: Any) -> Any:
        if self._session is None:
            _keep_bodies_out_of_logs()
            self._session = boto3.session.Session(region_name=self._region)
        # The service is a variable here; boto3-stubs knows clients by literal names only.
        make: Any = self._session.client
        client = make(service, region_name=self._region, **options)
        self.clock.listen_to(client)
        return client


def _keep_bodies_out_of_logs() -> None:
    """Hold botocore's own logging at INFO: at DEBUG it writes request and response bodies, and among
    those are private keys. A level set on purpose on that logger is left alone."""
    botocore_logger = logging.getLogger("botocore")
    if botocore_logger.level == logging.NOTSET:
        botocore_logger.setLevel(logging.INFO)
