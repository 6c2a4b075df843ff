"""The FSx API of the local cloud: operations by name, one store per region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.local.api_error import ApiError
from engine.local.data_movement import DataMovement
from engine.local.fsx_associations import Associations
from engine.local.fsx_file_systems import FileSystems
from engine.local.fsx_store import FsxStore
from engine.local.fsx_tasks import Tasks
from engine.local.world import World

Operation = Callable[[dict[str, Any]], dict[str, Any]]


class _Region:
    def __init__(self, world: World, region: str):
        self.store = FsxStore()
        self.movement = DataMovement(world, self.store)
        file_systems = FileSystems(world, region, self.store)
        tasks = Tasks(world, region, self.store, self.movement)
        associations = Associations(world, region, self.store, self.movement, tasks)
        self.operations: dict[str, Operation] = {
            "CreateFileSystem": file_systems.create,
            "DescribeFileSystems": file_systems.describe,
            "UpdateFileSystem": file_systems.update,
            "DeleteFileSystem": file_systems.delete,
            "CreateDataRepositoryAssociation": associations.create,
            "DescribeDataRepositoryAssociations": associations.describe,
            "UpdateDataRepositoryAssociation": associations.update,
            "DeleteDataRepositoryAssociation": associations.delete,
            "CreateDataRepositoryTask": tasks.create,
            "DescribeDataRepositoryTasks": tasks.describe,
            "CancelDataRepositoryTask": tasks.cancel,
            "DescribeBackups": lambda _: {"Backups": []},
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def _tags(self, arn: str) -> dict[str, str]:
        if arn not in self.store.tags:
            raise ApiError("ResourceNotFound", f"Resource '{arn}' does not exist.", ResourceARN=arn)
        return self.store.tags[arn]

    def _list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags(request["ResourceARN"])
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tag(self, request: dict[str, Any]) -> dict[str, Any]:
        self._tags(request["ResourceARN"]).update(
            {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or []}
        )
        return {}

    def _untag(self, request: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags(request["ResourceARN"])
        for key in request.get("TagKeys") or []:
            tags.pop(key, None)
        return {}


class FsxApi:
    def __init__(self, world: World):
        self._world = world
        self._regions: dict[str, _Region] = {}
        world.watchers.append(self._watch)

    def call(self, region: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation. Shapes are botocore's; times are epoch seconds.

        Raises   ApiError
        """
        handler = self._region(region).operations.get(operation)
        if handler is None:
            raise ApiError("UnsupportedOperation", f"The local cloud does not know fsx:{operation}.")
        return handler(request)

    def store(self, region: str) -> FsxStore:
        return self._region(region).store

    def movement(self, region: str) -> DataMovement:
        return self._region(region).movement

    def _region(self, region: str) -> _Region:
        if region not in self._regions:
            self._regions[region] = _Region(self._world, region)
        return self._regions[region]

    def _watch(self, now: float) -> None:
        for region in self._regions.values():
            region.movement.auto_export(now)
