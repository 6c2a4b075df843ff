from __future__ import annotations

import pytest

from engine.local.calls import Calls, call_name


def request(service, method="POST", path="/", query="", target=None, headers=None, form=False):
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{service}/aws4_request, ...",
        **(headers or {}),
    }
    if target:
        environ["HTTP_X_AMZ_TARGET"] = target
    if form:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded; charset=utf-8"
    return environ


@pytest.mark.parametrize(
    ("environ", "body", "expected"),
    [
        (request("ec2", form=True), b"Action=CreateSubnet&VpcId=vpc-1", ("ec2", "CreateSubnet")),
        (request("dynamodb", target="DynamoDB_20120810.PutItem"), b"{}", ("dynamodb", "PutItem")),
        (request("s3", "PUT", "/bucket"), b"", ("s3", "CreateBucket")),
        (request("s3", "PUT", "/bucket/a/b"), b"", ("s3", "PutObject")),
        (request("s3", "PUT", "/b/k", headers={"HTTP_X_AMZ_COPY_SOURCE": "x"}), b"", ("s3", "CopyObject")),
        (request("s3", "PUT", "/b/k", "partNumber=1&uploadId=u"), b"", ("s3", "UploadPart")),
        (request("s3", "PUT", "/bucket", "versioning"), b"", ("s3", "PutBucketVersioning")),
        (
            request("elasticfilesystem", "PUT", "/2015-02-01/file-systems/fs-1/backup-policy"),
            b"",
            ("efs", "PutBackupPolicy"),
        ),
        ({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, b"", None),
    ],
)
def test_the_operation_of_a_request(environ, body, expected):
    assert call_name(environ, body) == expected


def test_listeners_hear_what_is_asked_even_what_has_no_name():
    heard = []
    calls = Calls()
    calls.listeners.append(heard.append)
    read = request("s3", "GET", "/bucket/key", "versionId=1", headers={"HTTP_X_AMZ_TAGGING": "a=b"})
    for environ in (read, request("s3", "PATCH", "/bucket"), {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}):
        calls.hear(call_name(environ, b""), environ, b"")
    assert [(one.service, one.operation) for one in heard] == [("s3", "GetObject"), ("s3", "?")]
    assert (heard[0].path, heard[0].query, heard[0].headers) == (
        "/bucket/key",
        {"versionId": "1"},
        {"x-amz-tagging": "a=b"},
    )
    assert heard[0].signer == "k"
    assert calls.to_dict() == {}


def test_only_changing_calls_are_counted():
    calls = Calls()
    for operation in ("CreateSubnet", "CreateSubnet", "DescribeSubnets", "GetItem", "ListBuckets"):
        calls.record("x", operation)
    assert calls.to_dict() == {"x:CreateSubnet": 2}
