"""What the tests expect of the Slurm that they run, where releases differ: the one place for it.

SLURM_SUITE names the Debian whose Slurm it is: trixie's, unless it says otherwise (`make setup-slurm`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

SUITE = os.environ.get("SLURM_SUITE", "trixie")


@dataclass(frozen=True)
class Release:
    """slurm         the release; of a Debian that is not out yet, the oldest that the tests have seen
    api           a version of slurmrestd's paths that it has
    claim_field   whether it reads a token's user from a claim of our choice: without that, no REST API
    """

    slurm: tuple[int, int]
    api: str
    claim_field: bool = True


RELEASES = {
    "bookworm": Release(slurm=(22, 5), api="v0.0.38", claim_field=False),
    "trixie": Release(slurm=(24, 11), api="v0.0.42"),
    "forky": Release(slurm=(26, 5), api="v0.0.42"),
}
RELEASE = RELEASES[SUITE]
