"""Hooks of schemathesis: every request is signed as callers sign, over what is really sent."""

from __future__ import annotations

import os
import uuid
from typing import Any

import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class SigV4(requests.auth.AuthBase):
    """Signs host, date, body and a nonce: two alike requests of one second are two, not a replay."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        headers = {"X-Request-Nonce": uuid.uuid4().hex}
        unsigned: Any = AWSRequest(
            method=request.method, url=request.url, data=request.body or b"", headers=headers
        )
        SigV4Auth(keys, "execute-api", "us-east-1").add_auth(unsigned)
        request.headers.update(dict(unsigned.headers.items()))
        return request


schemathesis.auth.set_from_requests(SigV4())
