"""RDS instances beyond moto: they take their time, stand in a subnet, and are not deleted lightly.

Source: RDS API reference, CreateDBInstance, ModifyDBInstance, DeleteDBInstance; user guide, "Viewing DB
instance status" and "Using the schedule modifications setting".
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Iterator, Mapping
from typing import Any

from engine.local.patches import Patches
from engine.local.rds_groups import check_parameter_group
from engine.local.rds_versions import full_version
from engine.local.service_interfaces import place_interface, remove_interfaces
from engine.local.world import World

DEFAULT_AUTHORITY = "rds-ca-rsa2048-g1"
# Changes that interrupt the database: without ApplyImmediately they wait for the maintenance window,
# which never comes here.
DEFERRED = {
    "allocated_storage": "AllocatedStorage",
    "db_instance_class": "DBInstanceClass",
    "engine_version": "EngineVersion",
    "iops": "Iops",
    "multi_az": "MultiAZ",
    "storage_type": "StorageType",
}


def install(world: World, patches: Patches) -> None:
    _patch_attributes(patches)
    _patch_master_secret(patches)
    _patch_create(world, patches)
    _patch_modify(world, patches)
    _patch_delete(world, patches)


def _patch_attributes(patches: Patches) -> None:
    from moto.rds.models import DBInstance

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.dbi_resource_id = "db-" + "".join(
            secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26)
        )
        for name in (
            "database_insights_mode",
            "enable_performance_insights",
            "performance_insights_kms_key_id",
            "performance_insights_retention_period",
        ):
            setattr(self, name, kwargs.get(name))
        self.ca_certificate_identifier = kwargs.get("ca_certificate_identifier") or DEFAULT_AUTHORITY
        self.pending_modified_values = {}
        self.interfaces = []
        self.interface_subnets = []

    def endpoint(self: Any) -> dict[str, Any] | None:
        return None if self.status == "creating" else {"Address": self.address, "Port": self.port}

    def performance_insights_enabled(self: Any) -> bool:
        return bool(self.enable_performance_insights)

    original = patches.set(DBInstance, "__init__", init)
    patches.set(DBInstance, "endpoint", property(endpoint))
    patches.set(DBInstance, "performance_insights_enabled", property(performance_insights_enabled))


def _patch_master_secret(patches: Patches) -> None:
    from moto.rds.models import MasterUserSecret

    def _generate_secret_string(self: Any) -> str:
        # moto gives every database the same password, and the name admin.
        return json.dumps({"username": self.resource.master_username, "password": secrets.token_urlsafe(24)})

    patches.set(MasterUserSecret, "_generate_secret_string", _generate_secret_string)


def _patch_create(world: World, patches: Patches) -> None:
    from moto.rds.models import RDSBackend

    def create_db_instance(self: Any, db_kwargs: Any) -> Any:
        if db_kwargs.get("engine") == "mariadb":
            _resolve_version(db_kwargs)
        _check_password(db_kwargs)
        _check_groups(world, self, db_kwargs)
        database = original(self, db_kwargs)
        _place(world, database)
        _pass_through(world, database, "creating", world.durations.rds_create_s)
        return database

    original = patches.set(RDSBackend, "create_db_instance", create_db_instance)


def _patch_modify(world: World, patches: Patches) -> None:
    from moto.rds.models import RDSBackend

    def modify_db_instance(self: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
        database = self.describe_db_instances(db_instance_identifier)[0]
        if database.status != "available":
            raise _refusal("InvalidDBInstanceState", "Database instance is not in available state.")
        if database.engine == "mariadb":
            _resolve_version(db_kwargs)
            version = db_kwargs.get("engine_version") or database.engine_version
            check_parameter_group(self, db_kwargs.get("db_parameter_group_name"), version)
        now, later = _split(database, db_kwargs)
        original(self, db_instance_identifier, now)
        database.pending_modified_values = later
        _follow_groups(world, database)
        _pass_through(world, database, "modifying", world.durations.rds_modify_s)
        return database

    original = patches.set(RDSBackend, "modify_db_instance", modify_db_instance)


def _patch_delete(world: World, patches: Patches) -> None:
    from moto.rds.models import RDSBackend

    def delete_db_instance(
        self: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> Any:
        database = self.describe_db_instances(db_instance_identifier)[0]
        _check_deletion(database, final_db_snapshot_identifier, bool(skip_final_snapshot))
        if final_db_snapshot_identifier:
            self.create_db_snapshot(database.resource_id, final_db_snapshot_identifier)

        def gone(_: float) -> None:
            original(
                self,
                database.resource_id,
                skip_final_snapshot=True,
                delete_automated_backups=delete_automated_backups,
            )
            remove_interfaces(_ec2(world, self), database.interfaces)

        database.status = "deleting"
        world.after(world.durations.rds_delete_s, gone)
        return database

    original = patches.set(RDSBackend, "delete_db_instance", delete_db_instance)


def _resolve_version(db_kwargs: Any) -> None:
    """11.4 becomes the newest 11.4 on offer; a version that RDS does not have is refused."""
    if not db_kwargs.get("engine_version"):
        return
    version = full_version(db_kwargs["engine_version"])
    if version is None:
        raise _refusal(
            "InvalidParameterCombination", f"Cannot find version {db_kwargs['engine_version']} for mariadb"
        )
    db_kwargs["engine_version"] = version


def _check_password(db_kwargs: Any) -> None:
    if db_kwargs.get("manage_master_user_password") and db_kwargs.get("master_user_password"):
        raise _refusal(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword.",
        )


def _check_groups(world: World, backend: Any, db_kwargs: Any) -> None:
    """The parameter group fits the version, the security groups are in the VPC of the subnets."""
    if db_kwargs.get("engine") == "mariadb" and db_kwargs.get("engine_version"):
        check_parameter_group(backend, db_kwargs.get("db_parameter_group_name"), db_kwargs["engine_version"])
    if not db_kwargs.get("db_subnet_group_name"):
        return
    vpc_id = backend.describe_db_subnet_groups(db_kwargs["db_subnet_group_name"])[0].vpc_id
    for group_id in db_kwargs.get("vpc_security_group_ids") or []:
        group = _ec2(world, backend).get_security_group_from_id(group_id)
        if group is None:
            raise _refusal(
                "InvalidParameterValue", f"Invalid security group , groupId= {group_id}, groupName=."
            )
        if group.vpc_id != vpc_id:
            raise _refusal(
                "InvalidParameterCombination",
                "The DB instance and EC2 security group are in different VPCs. "
                f"The DB instance is in {vpc_id} and the EC2 security group is in {group.vpc_id}",
            )


def _check_deletion(database: Any, snapshot: str | None, skip_snapshot: bool) -> None:
    if database.status == "deleting":
        raise _refusal("InvalidDBInstanceState", f"Instance {database.resource_id} is already being deleted.")
    if database.deletion_protection:
        raise _refusal(
            "InvalidParameterCombination",
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        )
    if snapshot and skip_snapshot:
        raise _refusal(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is true.",
        )
    if not snapshot and not skip_snapshot:
        raise _refusal(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )
    if snapshot and database.status != "available":
        raise _refusal(
            "InvalidDBInstanceState",
            f"Cannot create a snapshot because the database instance {database.resource_id} is not "
            "currently in the available state.",
        )


def _split(database: Any, db_kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a change sets now, and what then waits for the maintenance window, by API name."""
    wanted = {name: value for name, value in dict(db_kwargs).items() if value is not None}
    waiting = {name: database.pending_modified_values.get(api) for name, api in DEFERRED.items()}
    if wanted.get("apply_immediately"):
        return {name: value for name, value in waiting.items() if value is not None} | wanted, {}
    for name in DEFERRED:
        if name in wanted:
            value = wanted.pop(name)
            waiting[name] = value if value != getattr(database, name) else None
    return wanted, {DEFERRED[name]: value for name, value in waiting.items() if value is not None}


def _place(world: World, database: Any) -> None:
    """An interface in the instance's zone, and one for the standby in another."""
    group = getattr(database, "db_subnet_group", None)
    if group is None:
        return
    for subnet in _subnets(group.subnets, 2 if database.multi_az else 1):
        database.interface_subnets.append(subnet["SubnetIdentifier"])
        database.interfaces.append(
            place_interface(
                _ec2(world, database.backend),
                subnet["SubnetIdentifier"],
                database.vpc_security_group_ids,
                description="RDSNetworkInterface",
            )
        )


def _subnets(subnets: list[Mapping[str, Any]], zones: int) -> Iterator[Mapping[str, Any]]:
    """The first subnet of each of so many zones."""
    by_zone: dict[str, Mapping[str, Any]] = {}
    for subnet in subnets:
        by_zone.setdefault(subnet["SubnetAvailabilityZone"]["Name"], subnet)
    yield from list(by_zone.values())[:zones]


def _follow_groups(world: World, database: Any) -> None:
    """The interfaces carry the groups that the instance now has."""
    ec2 = _ec2(world, database.backend)
    groups = [ec2.get_security_group_from_id(one) for one in database.vpc_security_group_ids]
    for interface_id in database.interfaces:
        ec2.enis[interface_id]._group_set = groups


def _pass_through(world: World, database: Any, status: str, seconds: float) -> None:
    database.status = status

    def available(_: float) -> None:
        if database.status == status:
            database.status = "available"

    world.after(seconds, available)


def _ec2(world: World, backend: Any) -> Any:
    return world.backends.ec2(backend.region_name)


def _refusal(code: str, message: str) -> Exception:
    from moto.rds.exceptions import RDSClientError

    refusal: Exception = RDSClientError(code, message)
    return refusal
