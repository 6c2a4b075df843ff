"""How tools are pointed at a local cloud."""

from __future__ import annotations

from functools import cache
from typing import Any


def environment_for(endpoint: str, region: str, account_id: str) -> dict[str, str]:
    """Environment variables for boto3, Terraform and the engine; the credentials mean nothing."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PROVISIONER_CLOUD": "local",
        "PROVISIONER_ENDPOINT_URL": endpoint,
        "PROVISIONER_ACCOUNT_ID": account_id,
    }


def client_for(endpoint: str, service: str, region: str) -> Any:
    """A boto3 client of a local cloud."""
    return _session().client(service, region_name=region, endpoint_url=endpoint)


@cache
def _session() -> Any:
    """One session for all clients: it parses each service's model once, which is most of the cost."""
    import boto3

    return boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")
