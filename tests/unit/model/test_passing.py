"""The one list of what is tried again, and that all who decide by it do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from engine.aws.failures import translate
from engine.errors import CredentialsExpired
from engine.model.passing import PASSING, Passing, Why, codes, pattern
from engine.terraform.diagnostics import from_text
from engine.terraform.failures import error_for

ANSWERS = [one for one in PASSING if one.why is not Why.LOST and " " not in one.code]


def named(one: Passing) -> str:
    return one.code


def test_each_is_there_once_and_says_where_it_comes_from() -> None:
    assert len(codes()) == len(PASSING)
    assert all(one.source for one in PASSING)
    assert {one.why for one in PASSING} == set(Why)


def test_nothing_of_botocore_s_is_missing() -> None:
    botocore = {
        *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    }

    # With CloudFormation and Lambda this is a quota that is used up, which does not pass.
    assert botocore - codes() == {"LimitExceededException"}


@pytest.mark.parametrize("one", ANSWERS, ids=named)
def test_an_answer_of_aws_that_passes(one: Passing) -> None:
    error = ClientError({"Error": {"Code": one.code, "Message": "m"}}, "DoIt")

    assert translate(error, doing="trying").retryable


@pytest.mark.parametrize("one", PASSING, ids=named)
def test_a_terraform_that_failed_for_it_is_run_again(one: Passing) -> None:
    # As AWS provider 5.100.0 words it; what was lost has no code.
    told = f"https response error StatusCode: 400, RequestID: x, api error {one.code}: because"
    if one.why is Why.LOST:
        told = (
            f'Put "http://127.0.0.1:1/b": dial tcp 127.0.0.1:1{"" if one.code[0] == ":" else ": "}{one.code}'
        )
    text = f"Error: creating EC2 Subnet: operation error EC2: CreateSubnet, {told} \n"

    error = error_for("apply", 1, from_text(text), project="lab/p", log_path=Path("log"))

    assert error.retryable, (type(error), text)


def test_s3_gives_no_reason_to_head_where_credentials_have_expired() -> None:
    answer = ClientError({"Error": {"Code": "400", "Message": "Bad Request"}}, "HeadBucket")
    told = (
        'Error: error loading state: Unable to access object "p/terraform.tfstate" in S3 bucket "b": '
        "operation error S3: HeadObject, https response error StatusCode: 400, RequestID: , HostID: , "
        "api error BadRequest: \n"
    )

    ours = translate(answer, doing="trying")
    terraform_s = error_for("apply", 1, from_text(told), project="lab/p", log_path=Path("log"))

    for error in (ours, terraform_s):
        assert isinstance(error, CredentialsExpired) and error.retryable
    assert "have expired" in ours.message


def test_a_code_is_no_part_of_another_word() -> None:
    found = re.compile(pattern())

    assert found.search("api error Throttling: slow down")
    assert not found.search("api error NotThrottlingAtAll: no")
    assert not found.search("api error LimitExceededException: quota")
