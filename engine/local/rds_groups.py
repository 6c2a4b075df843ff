"""RDS's subnet groups and parameter groups beyond moto: what they must hold, and what is in use.

Source: RDS API reference, errors of the actions; user guide, "Working with DB parameter groups".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.local.patches import Patches
from engine.local.rds_versions import DYNAMIC, MINOR_VERSIONS, STATIC, UNCHANGEABLE, family

PARAMETERS_PER_CALL = 20


def install(patches: Patches) -> None:
    _patch_subnet_groups(patches)
    _patch_parameter_groups(patches)
    _patch_parameters(patches)


def check_parameter_group(backend: Any, name: str | None, version: str) -> None:
    """Refuse a parameter group of another MariaDB version. Groups moto does not know it refuses itself."""
    group = backend.db_parameter_groups.get(name) if name else None
    wanted = family(version)
    if group is not None and group.family != wanted:
        raise _refusal(
            "InvalidParameterCombination",
            f"The parameter group {name} with DBParameterGroupFamily {group.family} can't be used for this "
            f"instance. Please use a parameter group with DBParameterGroupFamily {wanted}.",
        )


def _patch_subnet_groups(patches: Patches) -> None:
    from moto.rds.models import RDSBackend

    def create_subnet_group(
        self: Any, subnet_name: str, description: str, subnets: list[Any], tags: list[dict[str, str]]
    ) -> Any:
        if subnet_name.lower() in self.subnet_groups:
            raise _refusal(
                "DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists."
            )
        _check_zones(subnets)
        return original_create(self, subnet_name, description, subnets, tags)

    def modify_db_subnet_group(self: Any, subnet_name: str, description: str, subnets: list[Any]) -> Any:
        group = self.describe_db_subnet_groups(subnet_name)[0]
        _check_zones(subnets)
        kept = {subnet.id for subnet in subnets}
        for database in _members(self, group):
            for subnet_id in database.interface_subnets:
                if subnet_id not in kept:
                    raise _refusal(
                        "SubnetAlreadyInUse", f"The subnet {subnet_id} is used by {database.resource_id}."
                    )
        group.subnets = subnets
        group.description = description if description is not None else group.description
        return group

    def delete_subnet_group(self: Any, subnet_name: str) -> Any:
        group = self.describe_db_subnet_groups(subnet_name)[0]
        for database in _members(self, group):
            raise _refusal(
                "InvalidDBSubnetGroupStateFault",
                f"Cannot delete the subnet group '{subnet_name}' because at least one database instance: "
                f"{database.resource_id} is still using it.",
            )
        return original_delete(self, subnet_name)

    original_create = patches.set(RDSBackend, "create_subnet_group", create_subnet_group)
    patches.set(RDSBackend, "modify_db_subnet_group", modify_db_subnet_group)
    original_delete = patches.set(RDSBackend, "delete_subnet_group", delete_subnet_group)


def _patch_parameter_groups(patches: Patches) -> None:
    from moto.rds.exceptions import DBParameterGroupNotFoundError
    from moto.rds.models import RDSBackend

    families = {family(version) for version in MINOR_VERSIONS}

    def create_db_parameter_group(self: Any, kwargs: Any) -> Any:
        wanted = str(kwargs.get("db_parameter_group_family"))
        if wanted.startswith("mariadb") and wanted not in families:
            raise _refusal(
                "InvalidParameterValue",
                f"ParameterGroupFamily {wanted} is not a valid parameter group family",
            )
        return original_create(self, kwargs)

    def describe_db_parameter_groups(self: Any, kwargs: Any) -> list[Any]:
        found: list[Any] = original_describe(self, kwargs)
        name = kwargs.get("db_parameter_group_name")
        if name and not found:
            raise DBParameterGroupNotFoundError(name)
        return found

    def delete_db_parameter_group(self: Any, db_parameter_group_name: str) -> Any:
        if any(
            database.db_parameter_group_name == db_parameter_group_name
            for database in self.databases.values()
        ):
            raise _refusal(
                "InvalidDBParameterGroupState",
                "One or more database instances are still members of this parameter group "
                f"{db_parameter_group_name}, so the group cannot be deleted",
            )
        return original_delete(self, db_parameter_group_name)

    original_create = patches.set(RDSBackend, "create_db_parameter_group", create_db_parameter_group)
    original_describe = patches.set(RDSBackend, "describe_db_parameter_groups", describe_db_parameter_groups)
    original_delete = patches.set(RDSBackend, "delete_db_parameter_group", delete_db_parameter_group)


def _patch_parameters(patches: Patches) -> None:
    from moto.core.responses import ActionResult
    from moto.rds.models import DBParameterGroup
    from moto.rds.responses import RDSResponse

    def update_parameters(self: Any, new_parameters: Iterable[dict[str, Any]]) -> None:
        wanted = list(new_parameters)
        if self.family.startswith("mariadb"):
            _check_parameters(wanted)
        original_update(self, wanted)
        for one in wanted:
            kind = "static" if one["ParameterName"] in STATIC else "dynamic"
            self.parameters[one["ParameterName"]] |= {
                "Source": "user",
                "ApplyType": kind,
                "IsModifiable": True,
            }

    def reset_db_parameter_group(self: Any) -> Any:
        name = self.params.get("DBParameterGroupName")
        group = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})[0]
        if self.params.get("ResetAllParameters"):
            group.parameters.clear()
        for parameter in self.params.get("Parameters", []):
            group.parameters.pop(parameter["ParameterName"], None)
        return ActionResult({"DBParameterGroupName": name})

    original_update = patches.set(DBParameterGroup, "update_parameters", update_parameters)
    patches.set(RDSResponse, "reset_db_parameter_group", reset_db_parameter_group)


def _check_zones(subnets: list[Any]) -> None:
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise _refusal(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            "Current AZ coverage: 1. Add subnets to cover at least 2 AZs.",
        )


def _check_parameters(parameters: list[dict[str, Any]]) -> None:
    if len(parameters) > PARAMETERS_PER_CALL:
        raise _refusal(
            "InvalidParameterValue", f"At most {PARAMETERS_PER_CALL} parameters can be modified at once."
        )
    for parameter in parameters:
        name = parameter["ParameterName"]
        if name in UNCHANGEABLE:
            raise _refusal("InvalidParameterValue", f"The parameter {name} cannot be modified.")
        if name not in STATIC | DYNAMIC:
            raise _refusal("InvalidParameterValue", f"Could not find parameter with name: {name}")
        if name in STATIC and parameter.get("ApplyMethod") != "pending-reboot":
            raise _refusal(
                "InvalidParameterCombination", "cannot use immediate apply method for static parameter"
            )


def _members(backend: Any, group: Any) -> Iterator[Any]:
    for database in backend.databases.values():
        if getattr(database, "db_subnet_group", None) is group:
            yield database


def _refusal(code: str, message: str) -> Exception:
    from moto.rds.exceptions import RDSClientError

    refusal: Exception = RDSClientError(code, message)
    return refusal
