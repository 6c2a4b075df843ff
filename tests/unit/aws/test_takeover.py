"""What keeps something from becoming a project's is told apart from credentials that have expired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from engine.aws.session import Cloud
from engine.aws.takeover import bucket_reasons
from engine.errors import CredentialsExpired


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True)


@pytest.fixture
def s3(cloud: Cloud) -> Iterator[Stubber]:
    with Stubber(cloud.s3) as stub:
        yield stub


def reasons(cloud: Cloud) -> list[str]:
    return list(bucket_reasons(cloud, "theirs", project="lab-1/proj-1", account_id="123456789012"))


def test_a_bucket_that_may_not_be_looked_at_is_told(cloud: Cloud, s3: Stubber) -> None:
    s3.add_client_error("head_bucket", service_error_code="403", http_status_code=403)
    assert reasons(cloud) == [
        "the bucket theirs is of another account, or these credentials may not look at it"
    ]


@pytest.mark.parametrize("code", ["400", "ExpiredToken"])
def test_expired_credentials_say_nothing_of_the_bucket(cloud: Cloud, s3: Stubber, code: str) -> None:
    s3.add_client_error("head_bucket", service_error_code=code, http_status_code=400)
    with pytest.raises(CredentialsExpired):
        reasons(cloud)
