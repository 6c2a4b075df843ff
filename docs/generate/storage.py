"""Where a project's data lies, who reaches it, and what stays when the project is parked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.generate.network import PROJECT
from docs.generate.scope import Scope, references
from docs.generate.terraform import Thing


@dataclass(frozen=True)
class Store:
    """Something that holds data.

    key     the call's name in the project's workspace, or the data source's: "bucket", "public"
    kept    Terraform refuses to destroy it
    hourly  it goes when the project is parked
    """

    key: str
    title: str
    lines: tuple[str, ...]
    kept: bool
    hourly: bool


@dataclass(frozen=True)
class Mount:
    """A store as the nodes see it."""

    path: str
    store: str


@dataclass(frozen=True)
class Link:
    """A folder of Lustre that mirrors a place in a bucket, by itself in the directions that are on."""

    path: str
    place: str
    store: str
    imports: bool
    exports: bool


@dataclass(frozen=True)
class Storage:
    project: str
    nodes: list[str]
    stores: list[Store]
    mounts: list[Mount]
    links: list[Link]
    read: list[str]
    database: str


def read_storage(root: Path) -> Storage:
    """The golden workspace of a project with Lustre, and the database of workspaces/shared."""
    shared = Scope.root(root / "workspaces" / "shared", root / "modules")
    project = Scope.root(root / PROJECT, root / "modules")
    tags = project.declared.configured["aws"][0]["default_tags"][0]["tags"]
    configuration = project.calls_of("parallelcluster")[0].arguments["cluster_configuration"]
    scheduling = configuration["Scheduling"]
    return Storage(
        project=f"{tags['provisioner:vlab']}/{tags['provisioner:project']}",
        nodes=["head node", *(f"queue {queue['Name']}" for queue in scheduling["SlurmQueues"])],
        stores=[*_stores(project), *_found(project), *_shared_database(shared)],
        mounts=list(_mounts(configuration)),
        links=list(_links(project)),
        read=list(_readable(configuration)),
        database=str(scheduling["SlurmSettings"].get("Database", {}).get("DatabaseName", "")),
    )


def _stores(project: Scope) -> Iterator[Store]:
    kinds = {
        "aws_s3_bucket": "S3 bucket",
        "aws_efs_file_system": "EFS file system",
        "aws_fsx_lustre_file_system": "FSx for Lustre",
    }
    for call in project.declared.calls():
        scope = project.call(call.name)
        for thing in scope.all(*kinds) if scope else []:
            hourly = "parked" in str(call.body.get("count", ""))
            lines = tuple(_told(scope, thing)) if scope else ()
            yield Store(call.name, kinds[thing.type], lines, _protected(thing), hourly)


def _told(scope: Scope, thing: Thing) -> Iterator[str]:
    """What a person would ask about a store, as its arguments say it."""
    name = thing.body.get("bucket") or thing.body.get("creation_token")
    if name:
        yield scope.text(name)
    if "storage_capacity" in thing.body:
        throughput = scope.text(thing.body["per_unit_storage_throughput"])
        yield f"{scope.text(thing.body['storage_capacity'])} GiB, {throughput} MB/s per TiB"
    for versioning in scope.all("aws_s3_bucket_versioning"):
        if versioning.body["versioning_configuration"][0]["status"] == "Enabled":
            yield "all versions kept"
    for backup in scope.all("aws_efs_backup_policy"):
        if backup.body["backup_policy"][0]["status"] == "ENABLED":
            yield "backed up"


def _protected(thing: Thing) -> bool:
    return any(block.get("prevent_destroy") is True for block in thing.body.get("lifecycle", []))


def _found(project: Scope) -> Iterator[Store]:
    """Buckets that are not the project's own."""
    for thing in project.all("aws_s3_bucket"):
        if thing.kind == "data":
            yield Store(thing.name, f"{thing.name} S3 bucket", (str(thing.body["bucket"]),), False, False)


def _shared_database(shared: Scope) -> Iterator[Store]:
    for scope in shared.calls_of("slurm-accounting"):
        database = scope.one("aws_db_instance").body
        lines = [scope.text(database["identifier"])]
        if database.get("storage_encrypted"):
            lines.append("encrypted")
        title = f"{database['engine']} {scope.text(database['engine_version'])}"
        yield Store("accounting", title, tuple(lines), "deletion_protection" in database, False)


def _mounts(configuration: dict[str, Any]) -> Iterator[Mount]:
    for storage in configuration["SharedStorage"]:
        for store in _called(storage):
            yield Mount(storage["MountDir"], store)


def _links(project: Scope) -> Iterator[Link]:
    for fsx in project.calls_of("fsx"):
        for association in fsx.all("aws_fsx_data_repository_association"):
            place = fsx.text(association.body["data_repository_path"])
            policies = association.body["s3"][0]
            for store in _called(place):
                prefix = place.rpartition("}")[2]
                yield Link(
                    str(association.body["file_system_path"]),
                    prefix if prefix != "/" else "all of it",
                    store,
                    imports="auto_import_policy" in policies,
                    exports="auto_export_policy" in policies,
                )


def _readable(configuration: dict[str, Any]) -> Iterator[str]:
    """Buckets that nodes read over S3 itself."""
    for access in configuration["HeadNode"]["Iam"].get("S3Access", []):
        yield from _called(access)


def _called(value: Any) -> Iterator[str]:
    """The stores that a value refers to: the name of a module's call, or of a data source."""
    for reference in references(value):
        kind, name, *rest = reference.split(".")
        if kind == "module":
            yield name
        elif kind == "data":
            yield rest[0]
