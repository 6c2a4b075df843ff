"""Data repository associations: a directory of a Lustre file system linked to a bucket or prefix.

Source: FSx API reference (CreateDataRepositoryAssociation) and User Guide, "Linking to an S3 bucket".
"""

from __future__ import annotations

import json
import re
from typing import Any

from engine.local.api_error import ApiError
from engine.local.data_movement import DataMovement
from engine.local.fsx_store import Association, FileSystem, FsxStore
from engine.local.fsx_tasks import IMPORT, Tasks
from engine.local.lustre_tree import clean_path, is_under
from engine.local.world import World, hex_id

MOST_PER_FILE_SYSTEM = 8
EVENTS = ("NEW", "CHANGED", "DELETED")
REPOSITORY = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")


class Associations:
    def __init__(self, world: World, region: str, store: FsxStore, movement: DataMovement, tasks: Tasks):
        self._world = world
        self._region = region
        self._store = store
        self._movement = movement
        self._tasks = tasks

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        file_system = self._store.file_system(request.get("FileSystemId", ""))
        token = request.get("ClientRequestToken")
        fingerprint = json.dumps(request, sort_keys=True)
        known = self._store.seen("association", token, fingerprint)
        if known and known in self._store.associations:
            return {"Association": self.describe_one(self._store.associations[known])}
        self._check_file_system(file_system)
        path, repository = self._check_paths(file_system, request)
        chunk_mib = request.get("ImportedFileChunkSize", 1024)
        if not 1 <= chunk_mib <= 512000:
            raise ApiError("BadRequest", "ImportedFileChunkSize must be 1 to 512000 MiB.")
        imports, exports = _events(request.get("S3"))
        association_id = hex_id("dra")
        association = Association(
            id=association_id,
            arn=f"arn:aws:fsx:{self._region}:{self._world.account_id}:association/{file_system.id}/{association_id}",
            file_system_id=file_system.id,
            path=path,
            repository=repository,
            batch_import=bool(request.get("BatchImportMetaDataOnCreate")),
            chunk_mib=chunk_mib,
            import_events=imports or [],
            export_events=exports or [],
            created=self._world.now(),
        )
        self._store.associations[association.id] = association
        self._store.tags[association.arn] = {
            tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or []
        }
        self._store.remember("association", token, fingerprint, association.id)
        self._work(file_system, association, self._world.durations.dra_create_s, self._created)
        return {"Association": self.describe_one(association)}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        ids = request.get("AssociationIds")
        found = (
            [self._store.association(one) for one in ids] if ids else list(self._store.associations.values())
        )
        for filter_ in request.get("Filters") or []:
            if filter_["Name"] == "file-system-id":
                found = [item for item in found if item.file_system_id in filter_["Values"]]
            elif filter_["Name"] == "data-repository-type":
                found = found if "S3" in filter_["Values"] else []
        return {"Associations": [self.describe_one(item) for item in found]}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        association = self._store.association(request.get("AssociationId", ""))
        if association.lifecycle not in ("AVAILABLE", "MISCONFIGURED"):
            raise ApiError("BadRequest", f"Association '{association.id}' is {association.lifecycle}.")
        imports, exports = _events(request.get("S3"))
        chunk_mib = request.get("ImportedFileChunkSize", association.chunk_mib)
        association.lifecycle = "UPDATING"

        def finish(association: Association) -> None:
            association.chunk_mib = chunk_mib
            if imports is not None:
                association.import_events = imports
            if exports is not None:
                association.export_events = exports
            self._settle(association)

        file_system = self._store.file_system(association.file_system_id)
        self._work(file_system, association, self._world.durations.dra_create_s, finish)
        return {"Association": self.describe_one(association)}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        association = self._store.association(request.get("AssociationId", ""))
        with_data = bool(request.get("DeleteDataInFileSystem"))
        if association.lifecycle != "DELETING":
            association.lifecycle = "DELETING"
            if association.step:
                association.step.cancel()
            file_system = self._store.file_system(association.file_system_id)

            def finish(association: Association) -> None:
                self._gone(association, with_data=with_data)

            self._work(file_system, association, self._world.durations.dra_delete_s, finish)
        return {
            "AssociationId": association.id,
            "Lifecycle": "DELETING",
            "DeleteDataInFileSystem": with_data,
        }

    def describe_one(self, association: Association) -> dict[str, Any]:
        if association.lifecycle == "AVAILABLE" and not self._movement.has_bucket(association.bucket):
            association.lifecycle = "MISCONFIGURED"
            association.failure = f"The bucket {association.bucket} does not exist or is not accessible."
        policies = {
            name: {"Events": events}
            for name, events in (
                ("AutoImportPolicy", association.import_events),
                ("AutoExportPolicy", association.export_events),
            )
            if events
        }
        answer = {
            "AssociationId": association.id,
            "ResourceARN": association.arn,
            "FileSystemId": association.file_system_id,
            "Lifecycle": association.lifecycle,
            "FileSystemPath": association.path,
            "DataRepositoryPath": association.repository,
            "BatchImportMetaDataOnCreate": association.batch_import,
            "ImportedFileChunkSize": association.chunk_mib,
            "S3": policies,
            "Tags": [
                {"Key": key, "Value": value} for key, value in self._store.tags[association.arn].items()
            ],
            "CreationTime": association.created,
        }
        if association.failure:
            answer["FailureDetails"] = {"Message": association.failure}
        return answer

    def _gone(self, association: Association, *, with_data: bool) -> None:
        if with_data:
            self._store.file_system(association.file_system_id).tree.drop_under(association.path)
        self._store.associations.pop(association.id, None)
        self._store.tags.pop(association.arn, None)

    def _work(self, file_system: FileSystem, association: Association, seconds: float, finish: Any) -> None:
        """FSx works associations of one file system one at a time; the others wait their turn."""
        due = max(self._world.now(), file_system.associations_busy_until) + seconds
        file_system.associations_busy_until = due
        association.step = self._world.agenda.at(due, lambda _: finish(association))

    def _created(self, association: Association) -> None:
        if not self._movement.has_bucket(association.bucket):
            association.lifecycle = "FAILED"
            association.failure = f"The bucket {association.bucket} does not exist or is not accessible."
            return
        self._settle(association)
        if association.batch_import:
            file_system = self._store.file_system(association.file_system_id)
            self._tasks.begin(file_system, IMPORT, [association.path], {"Enabled": False})

    def _settle(self, association: Association) -> None:
        association.lifecycle = "AVAILABLE"
        association.failure = None

    def _check_file_system(self, file_system: FileSystem) -> None:
        if file_system.lifecycle != "AVAILABLE":
            raise ApiError(
                "BadRequest",
                f"File system '{file_system.id}' is {file_system.lifecycle}: a data repository association "
                "can be created on an AVAILABLE file system only.",
            )
        if file_system.lustre["DeploymentType"] == "SCRATCH_1" or file_system.version == "2.10":
            raise ApiError(
                "UnsupportedOperation", "Associations need Lustre 2.12 or newer, and not SCRATCH_1."
            )
        if len(self._store.associations_of(file_system.id)) >= MOST_PER_FILE_SYSTEM:
            raise ApiError(
                "ServiceLimitExceeded",
                f"A file system can have at most {MOST_PER_FILE_SYSTEM} data repository associations.",
                Limit="FILE_SYSTEM_COUNT",
            )

    def _check_paths(self, file_system: FileSystem, request: dict[str, Any]) -> tuple[str, str]:
        raw, repository = request.get("FileSystemPath") or "/", request.get("DataRepositoryPath") or ""
        if not raw.startswith("/"):
            raise ApiError("BadRequest", f"FileSystemPath {raw!r} must start with '/'.")
        if not REPOSITORY.match(repository):
            raise ApiError("BadRequest", f"DataRepositoryPath {repository!r} is not s3://bucket[/prefix/].")
        path, target = clean_path(raw), repository.rstrip("/")
        for other in self._store.associations_of(file_system.id):
            if is_under(path, other.path) or is_under(other.path, path):
                raise ApiError(
                    "BadRequest", f"FileSystemPath {path} overlaps with {other.path} ({other.id})."
                )
            taken = other.repository.rstrip("/")
            if is_under(target, taken) or is_under(taken, target):
                raise ApiError(
                    "BadRequest", f"DataRepositoryPath {repository} overlaps with {other.repository}."
                )
        return path, repository


def _events(s3: dict[str, Any] | None) -> tuple[list[str] | None, list[str] | None]:
    """(auto import events, auto export events); None where the request says nothing."""
    found: list[list[str] | None] = []
    for policy in ("AutoImportPolicy", "AutoExportPolicy"):
        if s3 is None or policy not in s3:
            found.append(None)
            continue
        events = list((s3[policy] or {}).get("Events") or [])
        if not set(events) <= set(EVENTS):
            raise ApiError("BadRequest", f"{policy} events must be of {', '.join(EVENTS)}.")
        found.append(events)
    return found[0], found[1]
