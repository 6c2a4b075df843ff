"""Write the generated pages anew: `python -m docs.generate` in the repository's root, or `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generate.pages import pages

ROOT = Path(__file__).parents[2]


def main() -> int:
    for path, text in pages(ROOT).items():
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
