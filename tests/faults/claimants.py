"""Workers that want an address block of a registry at once, as threads of one process."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.aws.addresses import claim_block
from engine.aws.session import Cloud
from engine.errors import NoAddressLeft


@dataclass(frozen=True)
class Outcome:
    """cidr: the block that the project got; "" when it was told clearly that none is left."""

    project: str
    cidr: str


def claim_all(endpoint: str, table: str, ranges: Sequence[str], projects: Sequence[str]) -> list[Outcome]:
    """One thread for each project; whatever else goes wrong in one of them is raised."""
    cloud = Cloud(region="us-east-1", endpoint_url=endpoint, local=True)

    def work(project: str) -> Outcome:
        try:
            claim = claim_block(
                cloud, table, ranges=ranges, prefix_length=24, project=project, now=datetime.now(UTC)
            )
        except NoAddressLeft as full:
            assert "No address block is left" in full.message
            return Outcome(project, "")
        return Outcome(project, claim.cidr)

    with ThreadPoolExecutor(len(projects)) as pool:
        return list(pool.map(work, projects))
