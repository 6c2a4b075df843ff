"""docs/storage.svg: the stores of a project, what mounts them, and what copies what by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from docs.generate.storage import Link, Storage, Store
from docs.generate.svg import Box, Drawing

DESCRIPTION = (
    "Boxes: the nodes of a project, its Lustre file system, its home, its bucket, the shared bucket and the "
    "accounting database. Arrows: where nodes mount or read them, and what Lustre imports and exports."
)
LEGEND = (
    "Amber: protected from deletion. "
    "Arrow: nodes mount, read or write; between Lustre and S3, who copies to whom."
)
HOURLY = "goes when the project is parked"
KEPT = "protected from deletion"


def draw_storage(storage: Storage) -> str:
    sheet = _Sheet(storage)
    sheet.draw()
    return sheet.drawing.render()


@dataclass
class _Sheet:
    """places   key of a store, or path of a link in Lustre -> where it was drawn"""

    storage: Storage
    drawing: Drawing = field(default_factory=lambda: Drawing("Storage", DESCRIPTION, 1380, 530))
    places: dict[str, Box] = field(default_factory=dict)

    def draw(self) -> None:
        self.drawing.box("range", Box(20, 20, 1000, 450), f"project {self.storage.project}")
        self.drawing.box("account", Box(1046, 20, 314, 450), "shared by all projects")
        nodes = Box(44, 90, 180, 300)
        self.nodes = self.drawing.box("group", nodes, "nodes", self.storage.nodes)
        self._lustre(Box(310, 90, 240, 74 + 54 * len(self.storage.links)))
        self._store("efs", Box(310, 300, 240, 90))
        self._store("bucket", Box(720, 192, 280, 92))
        self._store("public", Box(1062, 118, 282, 76))
        self._store("accounting", Box(1062, 350, 282, 96))
        self._mounts()
        for link in self.storage.links:
            self._link(link)
        self._reads()
        self.drawing.note(20, 506, LEGEND)

    def _find(self, key: str) -> Store | None:
        return next((store for store in self.storage.stores if store.key == key), None)

    def _store(self, key: str, box: Box) -> None:
        if store := self._find(key):
            told = [KEPT] if store.kept else [HOURLY] if store.hourly else []
            kind = "kept" if store.kept else "thing"
            self.places[key] = self.drawing.box(kind, box, store.title, [*store.lines, *told])

    def _lustre(self, box: Box) -> None:
        self._store("fsx", box)
        for row, link in enumerate(self.storage.links):
            inside = Box(box.x + 14, box.y + 66 + 54 * row, box.width - 28, 42)
            self.places[link.path] = self.drawing.box("thing", inside, link.path)

    def _mounts(self) -> None:
        for mount in self.storage.mounts:
            if store := self.places.get(mount.store):
                level = store.y + 32
                middle = (self.nodes.right + store.x) / 2
                points = [(self.nodes.right, level), (store.x, level)]
                self.drawing.way(points, mount.path, at=(middle, level), both=True)

    def _link(self, link: Link) -> None:
        """Imports come to Lustre, exports go to the bucket."""
        folder, bucket = self.places[link.path], self.places.get(link.store)
        if bucket is None:
            return
        level = min(max(folder.middle, bucket.y + 12), bucket.bottom - 12)
        ends = [(bucket.x, level), (folder.right, level)]
        words = [word for word, on in (("import", link.imports), ("export", link.exports)) if on]
        points = ends if link.imports else ends[::-1]
        label = f"{link.place}: {', '.join(words) or 'nothing by itself'}"
        self.drawing.way(points, label, at=(630, level), both=len(words) == 2)

    def _reads(self) -> None:
        """Around the project's stores: above to what is shared, below to its own bucket and the database."""
        nodes = self.nodes
        if "public" in self.storage.read and (public := self.places.get("public")):
            begin, end = nodes.centre, public.centre
            points = [(begin, nodes.y), (begin, 66), (end, 66), (end, public.y)]
            self.drawing.way(points, "read over S3", at=(630, 66))
        if "bucket" in self.storage.read and (bucket := self.places.get("bucket")):
            x = nodes.right - 40
            points = [(x, nodes.bottom), (x, 410), (bucket.centre, 410), (bucket.centre, bucket.bottom)]
            self.drawing.way(points, "read over S3", at=(630, 410))
        if self.storage.database and (database := self.places.get("accounting")):
            x = nodes.x + 40
            points = [(x, nodes.bottom), (x, 436), (database.x, 436)]
            self.drawing.way(points, f"database {self.storage.database}", at=(630, 436))
