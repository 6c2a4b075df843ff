"""Lambda functions of the local cloud: their states, and what they hold in the VPC."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.local.server import LocalCloud
from tests.functional.local.conftest import Ground

NAME = "in-the-vpc"


def package(content: str = "def handle(event, context): ...\n") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", content)
    return packed.getvalue()


@pytest.fixture
def functions(cloud: LocalCloud) -> Any:
    return cloud.client("lambda")


@pytest.fixture
def role(cloud: LocalCloud) -> str:
    """A role that may make network interfaces."""
    iam = cloud.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"},
            }
        ],
    }
    made = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    allowed = {"Effect": "Allow", "Action": ["ec2:Create*"], "Resource": "*"}
    iam.put_role_policy(
        RoleName=NAME,
        PolicyName="network",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    return made["Arn"]


@pytest.fixture
def network(ground: Ground) -> dict[str, list[str]]:
    return {"SubnetIds": [ground.subnet()], "SecurityGroupIds": [ground.group("function")]}


def create(functions: Any, role: str, network: dict[str, list[str]]) -> dict[str, Any]:
    return functions.create_function(
        FunctionName=NAME,
        Runtime="python3.12",
        Handler="handler.handle",
        Role=role,
        Code={"ZipFile": package()},
        VpcConfig=network,
    )


def refused(code: str) -> Any:
    """The call inside must be refused with this code."""
    return pytest.raises(ClientError, check=lambda error: error.response["Error"]["Code"] == code)


def test_function_is_pending_before_it_is_active(
    cloud: LocalCloud, functions: Any, role: str, ground: Ground, network: dict[str, list[str]]
) -> None:
    made = create(functions, role, network)
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    assert made["VpcConfig"]["VpcId"] == ground.vpc
    with refused("ResourceConflictException"):
        functions.update_function_configuration(FunctionName=NAME, Timeout=9)
    cloud.advance(cloud.world.durations.lambda_create_s)
    found = functions.get_function(FunctionName=NAME)["Configuration"]
    assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")


def test_one_update_at_a_time(
    cloud: LocalCloud, functions: Any, role: str, network: dict[str, list[str]]
) -> None:
    create(functions, role, network)
    cloud.advance(cloud.world.durations.lambda_create_s)
    changed = functions.update_function_configuration(FunctionName=NAME, Timeout=9)
    assert (changed["Timeout"], changed["LastUpdateStatus"]) == (9, "InProgress")
    with refused("ResourceConflictException"):
        functions.update_function_code(FunctionName=NAME, ZipFile=package("other"))
    cloud.advance(cloud.world.durations.lambda_update_s)
    before = functions.get_function_configuration(FunctionName=NAME)
    assert before["LastUpdateStatus"] == "Successful"
    after = functions.update_function_code(FunctionName=NAME, ZipFile=package("other"))
    assert after["CodeSha256"] != before["CodeSha256"]


def test_loops_are_ended_unless_they_are_meant(
    functions: Any, role: str, network: dict[str, list[str]]
) -> None:
    create(functions, role, network)
    assert functions.get_function_recursion_config(FunctionName=NAME)["RecursiveLoop"] == "Terminate"
    changed = functions.put_function_recursion_config(FunctionName=NAME, RecursiveLoop="Allow")
    assert changed["RecursiveLoop"] == "Allow"
    assert functions.get_function_recursion_config(FunctionName=NAME)["RecursiveLoop"] == "Allow"
    with refused("ResourceNotFoundException"):
        functions.put_function_recursion_config(FunctionName="nobodys", RecursiveLoop="Allow")


def test_subnet_and_group_are_held_until_the_interfaces_are_gone(
    cloud: LocalCloud, functions: Any, role: str, ground: Ground, network: dict[str, list[str]]
) -> None:
    create(functions, role, network)
    cloud.advance(cloud.world.durations.lambda_create_s)
    functions.delete_function(FunctionName=NAME)
    with refused("DependencyViolation"):
        ground.ec2.delete_subnet(SubnetId=network["SubnetIds"][0])
    with refused("DependencyViolation"):
        ground.ec2.delete_security_group(GroupId=network["SecurityGroupIds"][0])
    cloud.advance(cloud.world.durations.lambda_network_s)
    ground.ec2.delete_security_group(GroupId=network["SecurityGroupIds"][0])
    ground.ec2.delete_subnet(SubnetId=network["SubnetIds"][0])


def test_interfaces_move_with_the_configuration(
    cloud: LocalCloud, functions: Any, role: str, ground: Ground, network: dict[str, list[str]]
) -> None:
    create(functions, role, network)
    cloud.advance(cloud.world.durations.lambda_create_s)
    other = ground.subnet("10.42.66.0/24")
    functions.update_function_configuration(FunctionName=NAME, VpcConfig=network | {"SubnetIds": [other]})
    ground.ec2.delete_subnet(SubnetId=network["SubnetIds"][0])
    with refused("DependencyViolation"):
        ground.ec2.delete_subnet(SubnetId=other)


def test_role_must_be_allowed_to_make_interfaces(
    cloud: LocalCloud, functions: Any, role: str, network: dict[str, list[str]]
) -> None:
    cloud.client("iam").delete_role_policy(RoleName=NAME, PolicyName="network")
    with refused("InvalidParameterValueException"):
        create(functions, role, network)
    assert "lambda function in-the-vpc" not in cloud.left_over()


@pytest.mark.parametrize(
    "missing", [{"SubnetIds": ["subnet-0123456789abcdef0"]}, {"SecurityGroupIds": ["sg-0123456789abcdef0"]}]
)
def test_subnets_and_groups_must_exist(
    functions: Any, role: str, network: dict[str, list[str]], missing: dict[str, list[str]]
) -> None:
    with refused("InvalidParameterValueException"):
        create(functions, role, network | missing)
