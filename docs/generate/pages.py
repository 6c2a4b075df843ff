"""All generated pages of the documentation, and what must stand in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs.generate.errors import error_page
from docs.generate.network import read_network
from docs.generate.network_drawing import draw_network
from docs.generate.storage import read_storage
from docs.generate.storage_drawing import draw_storage
from docs.generate.tables import with_tables
from engine.service import openapi

DIAGRAMS: dict[str, Callable[[Path], str]] = {
    "docs/network.svg": lambda root: draw_network(read_network(root)),
    "docs/storage.svg": lambda root: draw_storage(read_storage(root)),
}


def pages(root: Path) -> dict[Path, str]:
    """Path of a page -> its text as the code has it now."""
    tables = {readme: with_tables(readme.read_text("utf-8"), readme.parent) for readme in readmes(root)}
    written = {
        root / "docs" / "openapi.json": openapi.text(),
        root / "docs" / "errors.md": error_page(),
    }
    return tables | written | {root / name: draw(root) for name, draw in DIAGRAMS.items()}


def readmes(root: Path) -> list[Path]:
    """READMEs of every module and every hand-written root; generated roots lie one folder deeper."""
    written = [*root.glob("modules/*/*.tf"), *root.glob("workspaces/*/*.tf")]
    files = {path.parent / "README.md" for path in written}
    return sorted(path for path in files if path.is_file())
