"""`make bench`: measure, and write docs/performance.md and .json.

python -m tests.bench                              every part, 7 repetitions: an hour on two cores
python -m tests.bench one-project registry         these parts alone
python -m tests.bench many-projects --projects 8 --repetitions 1
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

PARTS = ("one-project", "many-projects", "registry", "start-up", "profile", "container", "api")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where left out")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument(
        "--projects", type=int, action="append", metavar="N", help="numbers of projects for many-projects"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for part in arguments.parts or PARTS:
        module: ModuleType = importlib.import_module(f"tests.bench.{part.replace('-', '_')}")
        more = {"sizes": tuple(arguments.projects)} if part == "many-projects" and arguments.projects else {}
        print(f"bench: {part}", flush=True)
        module.main(arguments.repetitions, **more)


if __name__ == "__main__":
    main()
