"""`make soak`: operations on many projects for some minutes, with kills and bad weather; a page with figures.

Some workers take operations up. All but one are killed at random times, with their Terraform, and a new
one takes the place of each; the one lives on, and its memory is watched. In the end what the account holds
must be what the model says, made by as many calls as there were wishes. Exit code 1 when it is not.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from engine.local.server import LocalCloud
from engine.operations.installation import base_folder
from engine.terraform.toolchain import prepare
from tests.functional.conftest import QUICK
from tests.soak.drive import Soak
from tests.soak.page import short, write_page


def main() -> int:
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"SOAK_SEED={seed}: {arguments.minutes:g} minutes, at most {arguments.operations} operations")
    terraform = str(prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ).binary)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, LocalCloud(durations=QUICK) as cloud:
        soak = Soak(
            cloud,
            Path(folder),
            terraform=terraform,
            seed=seed,
            projects=arguments.projects,
            workers=arguments.workers,
        )
        began = datetime.now(UTC)
        try:
            soak.prepare()
            soak.run(
                until=time.monotonic() + 60 * arguments.minutes,
                operations=arguments.operations,
                weather=arguments.weather,
                kill_every_s=arguments.kill_every,
            )
            soak.settle()
        finally:
            soak.end()
        problems = soak.problems()
    machine = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {sys.version.split()[0]}"
    )
    write_page(Path(arguments.report), soak, problems, began=began, machine=machine, options=vars(arguments))
    if missing := short(len(soak.done), arguments.operations):
        print(missing)
    print("\n".join(problems) or "The account holds what the model says, and nothing was made twice.")
    print(f"The report is {arguments.report}.")
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    def setting(name: str, default: str) -> str:
        return os.environ.get(f"SOAK_{name}") or default

    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=float(setting("MINUTES", "20")))
    parser.add_argument("--operations", type=int, default=int(setting("OPERATIONS", "500")))
    parser.add_argument("--projects", type=int, default=int(setting("PROJECTS", "50")))
    parser.add_argument("--workers", type=int, default=int(setting("WORKERS", "8")), help="two or more")
    parser.add_argument("--seed", type=int, default=int(setting("SEED", "0")) or None)
    parser.add_argument("--weather", type=float, default=float(setting("WEATHER", "0.02")), help="0 to 1")
    parser.add_argument(
        "--kill-every", type=float, default=float(setting("KILL_EVERY", "15")), help="seconds, of any of them"
    )
    parser.add_argument("--report", default=setting("REPORT", "soak.md"))
    arguments = parser.parse_args()
    if arguments.workers < 2:
        parser.error("--workers: one that lives on, and one at least to be killed")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
