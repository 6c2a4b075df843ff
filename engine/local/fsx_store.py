"""What FSx remembers in one region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.local.agenda import Entry
from engine.local.api_error import ApiError
from engine.local.lustre_tree import LustreTree

Tags = dict[str, str]


@dataclass
class FileSystem:
    id: str
    arn: str
    owner: str
    created: float
    capacity_gib: int
    storage_type: str
    subnet_id: str
    vpc_id: str
    security_group_ids: list[str]
    interface_ids: list[str]
    dns_name: str
    kms_key_id: str
    version: str
    lustre: dict[str, Any]
    lifecycle: str = "CREATING"
    failure: str = ""
    actions: list[dict[str, Any]] = field(default_factory=list)
    tree: LustreTree = field(default_factory=LustreTree)
    associations_busy_until: float = 0.0
    tasks_busy_until: float = 0.0


@dataclass
class Association:
    id: str
    arn: str
    file_system_id: str
    path: str
    repository: str
    batch_import: bool
    chunk_mib: int
    import_events: list[str]
    export_events: list[str]
    created: float
    lifecycle: str = "CREATING"
    failure: str | None = None
    step: Entry | None = None

    @property
    def bucket(self) -> str:
        return self.repository.removeprefix("s3://").split("/", 1)[0]

    @property
    def prefix(self) -> str:
        """Key prefix below the bucket, "" or ending in "/"."""
        prefix = self.repository.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{prefix}/" if prefix else ""

    def key_of(self, path: str) -> str:
        return self.prefix + path[len(self.path.rstrip("/")) :].lstrip("/")

    def path_of(self, key: str) -> str:
        return self.path.rstrip("/") + "/" + key.removeprefix(self.prefix)


@dataclass
class Task:
    id: str
    arn: str
    type: str
    file_system_id: str
    paths: list[str]
    report: dict[str, Any]
    created: float
    lifecycle: str = "PENDING"
    started: float | None = None
    ended: float | None = None
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    failure: str | None = None
    steps: list[Entry] = field(default_factory=list)


class FsxStore:
    """File systems, associations, tasks, their tags, and the idempotency tokens seen."""

    def __init__(self) -> None:
        self.file_systems: dict[str, FileSystem] = {}
        self.associations: dict[str, Association] = {}
        self.tasks: dict[str, Task] = {}
        self.tags: dict[str, Tags] = {}
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}

    def file_system(self, file_system_id: str) -> FileSystem:
        """Raises FileSystemNotFound."""
        found = self.file_systems.get(file_system_id)
        if found is None:
            raise ApiError("FileSystemNotFound", f"File system '{file_system_id}' does not exist.")
        return found

    def association(self, association_id: str) -> Association:
        """Raises DataRepositoryAssociationNotFound."""
        found = self.associations.get(association_id)
        if found is None:
            raise ApiError(
                "DataRepositoryAssociationNotFound",
                f"Data repository association '{association_id}' does not exist.",
            )
        return found

    def associations_of(self, file_system_id: str) -> list[Association]:
        return [item for item in self.associations.values() if item.file_system_id == file_system_id]

    def tasks_of(self, file_system_id: str) -> list[Task]:
        return [item for item in self.tasks.values() if item.file_system_id == file_system_id]

    def seen(self, kind: str, token: str | None, fingerprint: str) -> str | None:
        """The id an idempotency token already made; IncompatibleParameterError when it asked for
        something else then."""
        if not token or (kind, token) not in self._tokens:
            return None
        known_id, known_fingerprint = self._tokens[kind, token]
        if known_fingerprint != fingerprint:
            raise ApiError(
                "IncompatibleParameterError",
                "The client request token was used before with different parameters.",
                Parameter="ClientRequestToken",
            )
        return known_id

    def remember(self, kind: str, token: str | None, fingerprint: str, made_id: str) -> None:
        if token:
            self._tokens[kind, token] = (made_id, fingerprint)
