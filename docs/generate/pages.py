"""All generated pages of the documentation, and what must stand in each."""

from __future__ import annotations

from pathlib import Path

from docs.generate.tables import with_tables


def pages(root: Path) -> dict[Path, str]:
    """Path of a page -> its text as the code has it now."""
    return {readme: with_tables(readme.read_text("utf-8"), readme.parent) for readme in readmes(root)}


def readmes(root: Path) -> list[Path]:
    """READMEs of every module and every hand-written root; generated roots lie one folder deeper."""
    written = [*root.glob("modules/*/*.tf"), *root.glob("workspaces/*/*.tf")]
    return sorted({path.parent / "README.md" for path in written})
