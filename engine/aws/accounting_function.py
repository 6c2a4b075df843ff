"""The accounting function from outside: is it there, wake it up, and ask it for something.

Terraform asks it for databases and users (modules/accounting). The engine itself asks for what is no
resource: another password.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import AccountingError, AccountingUnavailable

ACTIVE, INACTIVE, PENDING = "Active", "Inactive", "Pending"
_POLL_S = 2.0
_PATIENCE_S = 300.0


def function_state(cloud: Cloud, name: str) -> str | None:
    """Lambda's word: Active, Inactive (see `wake`), Pending, Failed; None when there is no such function."""
    with aws_errors(f"looking for the accounting function {name}"):
        try:
            return cloud.lambdas.get_function_configuration(FunctionName=name).get("State", ACTIVE)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise


def wake(
    cloud: Cloud, name: str, *, sleep: Callable[[float], None] = time.sleep, patience_s: float = _PATIENCE_S
) -> bool:
    """Bring a function back that was idle for two weeks; False when it was awake.

    Lambda takes the network interfaces of such a function away. The next call fails and has them made
    anew, which takes a minute or two: better now than in the middle of an apply.

    Raises   AccountingUnavailable when it does not come back
    Source   Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC"
    """
    if function_state(cloud, name) not in (INACTIVE, PENDING):
        return False
    deadline = time.monotonic() + patience_s
    while (state := function_state(cloud, name)) != ACTIVE:
        if state not in (INACTIVE, PENDING) or time.monotonic() >= deadline:
            raise AccountingUnavailable(
                f"The accounting function {name} is {state or 'gone'}.",
                hint="Look at it in the Lambda console; `provisioner doctor` checks it.",
            )
        if state == INACTIVE:
            _knock(cloud, name)
        sleep(_POLL_S)
    return True


def rotate_password(cloud: Cloud, name: str, *, database: str, user: str, secret_arn: str) -> None:
    """Give a project's database user another password, which its secret then holds.

    Interrupted, or called again after a failure, it finishes what was begun.
    Raises   AccountingError, AccountingUnavailable, AccessDenied, Unreachable
    """
    _invoke(
        cloud,
        name,
        {
            "resource": "user",
            "action": "rotate",
            "database": database,
            "user": user,
            "secret_arn": secret_arn,
        },
    )


def _knock(cloud: Cloud, name: str) -> None:
    """A call that is meant to fail: the function is not there yet, and would refuse an empty event."""
    with aws_errors(f"waking the accounting function {name}"):
        try:
            cloud.lambdas.invoke(FunctionName=name, Payload=b"{}")
        except ClientError as error:
            if error_code(error) not in ("ResourceNotReadyException", "ResourceConflictException"):
                raise


def _invoke(cloud: Cloud, name: str, event: Mapping[str, Any]) -> None:
    with aws_errors(f"calling the accounting function {name}"):
        answer = cloud.lambdas.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        content = answer["Payload"].read()
    if "FunctionError" in answer:
        raise _failure(name, content)


def _failure(name: str, content: bytes) -> AccountingError:
    """What the function raised; its text begins with a code of engine.errors, unless Lambda ended it."""
    try:
        said = str(json.loads(content)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        said = "it does not say why"
    kind = AccountingUnavailable if said.startswith(AccountingUnavailable.code) else AccountingError
    return kind(
        f"The accounting function {name} failed: {said}",
        hint=f"Run this again. More is in its log group /aws/lambda/{name}.",
    )
