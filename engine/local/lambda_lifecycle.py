"""Lambda functions beyond moto: they come up and change in steps, stand in the subnets they name, and say
whether they may start themselves.

Source: Lambda developer guide, "Lambda function states" and "Giving Lambda functions access to
resources in an Amazon VPC"; API reference, errors of CreateFunction and UpdateFunctionConfiguration,
LoggingConfig, and PutFunctionRecursionConfig.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from engine.local.patches import Patches
from engine.local.service_interfaces import place_interface, remove_interfaces
from engine.local.world import World

NETWORK_ACTION = "ec2:CreateNetworkInterface"


def install(world: World, patches: Patches) -> None:
    _patch_attributes(world, patches)
    _patch_create(world, patches)
    _patch_update(world, patches)
    _patch_delete(world, patches)
    _patch_recursion(patches)


def _patch_attributes(world: World, patches: Patches) -> None:
    from moto.awslambda.models import LambdaFunction

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        self.last_update_status = "Successful"
        self.interfaces = []
        self.recursive_loop = "Terminate"
        spec = kwargs.get("spec", args[1] if len(args) > 1 else {})
        self.logging_config = spec.get("LoggingConfig") or {}

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        configuration: dict[str, Any] = original_configuration(self, on_create)
        configuration["LastUpdateStatus"] = self.last_update_status
        configuration["LoggingConfig"] = {
            "LogFormat": "Text",
            "LogGroup": f"/aws/lambda/{self.function_name}",
            **self.logging_config,
        }
        if self.state == "Pending":
            configuration |= {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
        return configuration

    def vpc_config(self: Any) -> dict[str, Any] | None:
        wanted = self._vpc_config or {}
        if not wanted.get("SubnetIds"):
            return None
        vpc_id = world.backends.ec2(self.region).get_subnet(wanted["SubnetIds"][0]).vpc_id
        return {**wanted, "VpcId": vpc_id}

    original_init = patches.set(LambdaFunction, "__init__", init)
    original_configuration = patches.set(LambdaFunction, "get_configuration", get_configuration)
    patches.set(LambdaFunction, "vpc_config", property(vpc_config))


def _patch_create(world: World, patches: Patches) -> None:
    from moto.awslambda.models import LambdaBackend

    def create_function(self: Any, spec: dict[str, Any]) -> Any:
        _check_network(world, self.region_name, spec.get("VpcConfig"), spec.get("Role", ""))
        function = original(self, spec)
        function.state, function.last_update_status = "Pending", "InProgress"
        _place(world, function)

        def active(_: float) -> None:
            function.state, function.last_update_status = "Active", "Successful"

        world.after(world.durations.lambda_create_s, active)
        return function

    original = patches.set(LambdaBackend, "create_function", create_function)


def _patch_update(world: World, patches: Patches) -> None:
    from moto.awslambda.models import LambdaBackend

    def update_function_code(self: Any, function_name: str, qualifier: str, body: dict[str, Any]) -> Any:
        function = _ready(self.get_function(function_name, qualifier))
        original_code(self, function_name, qualifier, body)
        return _updating(world, function)

    def update_function_configuration(
        self: Any, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> Any:
        function = _ready(self.get_function(function_name, qualifier))
        network = body.get("VpcConfig")
        function.logging_config = body.get("LoggingConfig") or function.logging_config
        _check_network(world, self.region_name, network, body.get("Role") or function.role)
        original_configuration(self, function_name, qualifier, body)
        if network is not None:
            remove_interfaces(world.backends.ec2(self.region_name), function.interfaces)
            _place(world, function)
        return _updating(world, function)

    original_code = patches.set(LambdaBackend, "update_function_code", update_function_code)
    original_configuration = patches.set(
        LambdaBackend, "update_function_configuration", update_function_configuration
    )


def _patch_delete(world: World, patches: Patches) -> None:
    from moto.awslambda.models import LambdaBackend

    def delete_function(self: Any, function_name: str, qualifier: str | None = None) -> None:
        interfaces = [] if qualifier else list(self.get_function(function_name).interfaces)
        original(self, function_name, qualifier)
        ec2 = world.backends.ec2(self.region_name)
        world.after(world.durations.lambda_network_s, lambda _: remove_interfaces(ec2, interfaces))

    original = patches.set(LambdaBackend, "delete_function", delete_function)


def _patch_recursion(patches: Patches) -> None:
    """Only the setting: functions that moto holds run nothing, and so cannot start themselves."""
    from moto.awslambda import urls
    from moto.awslambda.responses import LambdaResponse

    def function_of(self: Any) -> Any:
        return self.backend.get_function(unquote(self.path.rsplit("/", 2)[-2]))

    def answer(function: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps({"RecursiveLoop": function.recursive_loop})

    def get_function_recursion_config(self: Any) -> tuple[int, dict[str, str], str]:
        return answer(function_of(self))

    def put_function_recursion_config(self: Any) -> tuple[int, dict[str, str], str]:
        function = function_of(self)
        function.recursive_loop = self._get_param("RecursiveLoop")
        return answer(function)

    path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/recursion-config/?$"
    patches.set(urls, "url_paths", {**urls.url_paths, path: LambdaResponse.dispatch})
    for call in (get_function_recursion_config, put_function_recursion_config):
        patches.set(LambdaResponse, call.__name__, call)


def _ready(function: Any) -> Any:
    if function.state == "Pending":
        raise _conflict(
            "The operation cannot be performed at this time. "
            "The function is currently in the following state: Pending"
        )
    if function.last_update_status == "InProgress":
        raise _conflict(
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {function.function_arn}"
        )
    return function


def _updating(world: World, function: Any) -> Any:
    function.last_update_status = "InProgress"

    def updated(_: float) -> None:
        function.last_update_status = "Successful"

    world.after(world.durations.lambda_update_s, updated)
    return function.get_configuration()


def _check_network(world: World, region: str, network: dict[str, Any] | None, role: str) -> None:
    """Subnets and groups exist and are of one VPC, and the role may make interfaces in them."""
    if not network or not network.get("SubnetIds"):
        return
    ec2 = world.backends.ec2(region)
    subnets = {subnet.id: subnet for subnet in ec2.describe_subnets()}
    for subnet_id in network["SubnetIds"]:
        if subnet_id not in subnets:
            raise _invalid(f"The subnet ID '{subnet_id}' does not exist")
    vpc_id = subnets[network["SubnetIds"][0]].vpc_id
    for group_id in network.get("SecurityGroupIds") or []:
        group = ec2.get_security_group_from_id(group_id)
        if group is None or group.vpc_id != vpc_id:
            raise _invalid(f"The security group '{group_id}' does not exist in {vpc_id}")
    if not any(fnmatchcase(NETWORK_ACTION, action) for action in _allowed_actions(world, role)):
        raise _invalid(
            "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
        )


def _allowed_actions(world: World, role_arn: str) -> Iterator[str]:
    """Every action that a policy of the role allows on anything at all, wildcards as they stand."""
    role = world.backends.iam().get_role_by_arn(role_arn)
    documents = [*role.policies.values(), *(policy.document for policy in role.managed_policies.values())]
    for document in documents:
        parsed = json.loads(document) if isinstance(document, str) else document
        for statement in _listed(parsed["Statement"]):
            if statement.get("Effect") == "Allow":
                yield from _listed(statement.get("Action", []))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _place(world: World, function: Any) -> None:
    network = function.vpc_config or {"SubnetIds": [], "SecurityGroupIds": []}
    function.interfaces = [
        place_interface(
            world.backends.ec2(function.region),
            subnet_id,
            network["SecurityGroupIds"],
            description=f"AWS Lambda VPC ENI-{function.function_name}",
            kind="lambda",
        )
        for subnet_id in network["SubnetIds"]
    ]


def _conflict(message: str) -> Exception:
    from moto.awslambda.exceptions import LambdaClientError

    refusal = LambdaClientError("ResourceConflictException", message)
    refusal.code = 409
    return refusal


def _invalid(message: str) -> Exception:
    from moto.awslambda.exceptions import InvalidParameterValueException

    refusal: Exception = InvalidParameterValueException(message)
    return refusal
