"""Bytes between a Lustre file system and S3: import, export, and the automatic kinds of both."""

from __future__ import annotations

from typing import Any

from engine.local.fsx_store import Association, FileSystem, FsxStore
from engine.local.lustre_tree import LustreFile, clean_path, is_under
from engine.local.world import World


class DataMovement:
    def __init__(self, world: World, store: FsxStore):
        self._world = world
        self._store = store

    def has_bucket(self, bucket: str) -> bool:
        return bucket in self._world.backends.s3().buckets

    def owner_of(self, file_system: FileSystem, path: str) -> Association | None:
        """The usable association a path lies under."""
        for association in self._store.associations_of(file_system.id):
            if association.lifecycle in ("AVAILABLE", "UPDATING") and is_under(path, association.path):
                return association
        return None

    def read(self, file_system: FileSystem, path: str) -> bytes | None:
        """A file's bytes, fetched from S3 on first use; None when there is no such file."""
        path = clean_path(path)
        self.auto_import(file_system)
        file = file_system.tree.get(path)
        if file is None:
            return None
        if file.content is None:
            association = self.owner_of(file_system, path)
            key = self._object(association, path) if association else None
            if key is None:
                return None
            file.content = bytes(key.value)
        return file.content

    def import_metadata(self, association: Association, below: str = "/") -> int:
        """Make the repository's objects visible as files; gives how many there are."""
        tree = self._store.file_system(association.file_system_id).tree
        count = 0
        for name, key in self._objects(association):
            path = association.path_of(name)
            if is_under(path, below):
                tree.place(path, key.size, key.etag)
                count += 1
        return count

    def export(self, file_system: FileSystem, paths: list[str]) -> tuple[int, int, str | None]:
        """Write what changed at or under the paths to S3.

        Returns  (files written, files failed, the last failure's text)
        """
        done, failed, failure = 0, 0, None
        for path, file in list(file_system.tree.under("/")):
            if file.changed_at is None or not any(is_under(path, wanted) for wanted in paths):
                continue
            association = self.owner_of(file_system, path)
            if association is None:
                continue
            if self._write(association, path, file):
                done += 1
            else:
                failed, failure = (
                    failed + 1,
                    f"The bucket {association.bucket} does not exist or is not accessible.",
                )
        return done, failed, failure

    def auto_import(self, file_system: FileSystem) -> None:
        """What S3 events would have brought in by now."""
        for association in self._store.associations_of(file_system.id):
            if association.lifecycle != "AVAILABLE" or not self.has_bucket(association.bucket):
                continue
            events, tree = association.import_events, file_system.tree
            objects = dict(self._objects(association)) if events else {}
            for name, key in objects.items():
                known = tree.get(association.path_of(name))
                if ("CHANGED" if known else "NEW") in events:
                    tree.place(association.path_of(name), key.size, key.etag)
            if "DELETED" in events:
                for path, file in list(tree.under(association.path)):
                    if file.etag and file.changed_at is None and association.key_of(path) not in objects:
                        tree.forget(path)

    def auto_export(self, now: float) -> None:
        """Export what was changed long enough ago under associations that export by themselves."""
        oldest = now - self._world.durations.auto_export_s
        for association in list(self._store.associations.values()):
            events = association.export_events
            if not events or association.lifecycle != "AVAILABLE" or not self.has_bucket(association.bucket):
                continue
            tree = self._store.file_system(association.file_system_id).tree
            for path, file in list(tree.under(association.path)):
                event = "CHANGED" if self._object(association, path) else "NEW"
                if file.changed_at is not None and file.changed_at <= oldest and event in events:
                    self._write(association, path, file)
            for path, at in tree.removed_under(association.path):
                if at <= oldest and "DELETED" in events:
                    self._world.backends.s3().delete_object(association.bucket, association.key_of(path))
                    tree.removal_done(path)

    def _write(self, association: Association, path: str, file: LustreFile) -> bool:
        if not self.has_bucket(association.bucket):
            return False
        key = self._world.backends.s3().put_object(
            association.bucket, association.key_of(path), file.content or b""
        )
        file.etag, file.changed_at = key.etag, None
        return True

    def _objects(self, association: Association) -> list[tuple[str, Any]]:
        if not self.has_bucket(association.bucket):
            return []
        keys = self._world.backends.s3().buckets[association.bucket].keys
        return [
            (name, keys[name])
            for name in list(keys)
            if name.startswith(association.prefix) and not name.endswith("/") and hasattr(keys[name], "etag")
        ]

    def _object(self, association: Association, path: str) -> Any:
        return dict(self._objects(association)).get(association.key_of(path))
