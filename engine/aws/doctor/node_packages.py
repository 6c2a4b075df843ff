"""Whether the bucket that nodes fetch from holds what their images lack."""

from __future__ import annotations

from engine.aws.buckets import count_objects
from engine.aws.checks import Check, Level, Probe, Verdict, fine, run_probes, warning
from engine.aws.session import Cloud
from engine.aws.shared_ground import SUBJECT


def examine_node_packages(cloud: Cloud, *, nodes_bucket: str, os: str) -> list[Check]:
    """One Check, never an error.

    os   as in the settings; nodes look under its name (modules/node-scripts, lib/packages.py)
    """
    kind = "deb" if os.startswith("ubuntu") else "rpm"
    wanted = {name: f"packages/{os}/{name}/mount-s3.{kind}" for name in ("x86_64", "arm64")}

    def look() -> Verdict:
        there = [
            name for name, key in wanted.items() if count_objects(cloud, nodes_bucket, prefix=key, limit=1)
        ]
        if there:
            return fine(f"Mountpoint for {os} on {' and '.join(there)}")
        return warning(
            f"no Mountpoint for {os} in {nodes_bucket}",
            hint="Projects without Lustre cannot come up unless their image has it: put it to "
            f'{wanted["x86_64"]} (docs/setup.md, "Packages for the nodes").',
        )

    return run_probes(SUBJECT, [Probe("packages for nodes", look, Level.WARNING)])
