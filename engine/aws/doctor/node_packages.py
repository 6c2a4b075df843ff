"""Whether the bucket that nodes fetch from holds what their images lack."""

from __future__ import annotations

from dataclasses import dataclass

from engine.aws.buckets import count_objects
from engine.aws.checks import Check, Level, Probe, Verdict, fine, run_probes, warning
from engine.aws.session import Cloud
from engine.aws.shared_ground import SUBJECT


@dataclass(frozen=True)
class _Package:
    """A program that the nodes' scripts install where the image has none.

    file    its package's name in the bucket, without the ending
    lacking what does not come up without it
    """

    program: str
    file: str
    lacking: str


_MOUNTPOINT = _Package("Mountpoint", "mount-s3", "Projects without Lustre")
_HAPROXY = _Package("HAProxy", "haproxy", "Clusters with Slurm's REST API, which jwks_url asks for,")


def examine_node_packages(cloud: Cloud, *, nodes_bucket: str, os: str, rest_api: bool) -> list[Check]:
    """One Check, never an error.

    os        as in the settings; nodes look under its name (modules/node-scripts, lib/packages.py)
    rest_api  whether clusters have Slurm's REST API, whose filter needs HAProxy
    """
    kind = "deb" if os.startswith("ubuntu") else "rpm"
    wanted = [_MOUNTPOINT, _HAPROXY] if rest_api else [_MOUNTPOINT]

    def key(package: _Package, architecture: str) -> str:
        return f"packages/{os}/{architecture}/{package.file}.{kind}"

    def there(package: _Package) -> list[str]:
        """The architectures that it is there for."""
        return [
            name
            for name in ("x86_64", "arm64")
            if count_objects(cloud, nodes_bucket, prefix=key(package, name), limit=1)
        ]

    def look() -> Verdict:
        found = {package: there(package) for package in wanted}
        missing = [package for package, names in found.items() if not names]
        if not missing:
            return fine(
                ", ".join(f"{one.program} for {os} on {' and '.join(names)}" for one, names in found.items())
            )
        hints = [
            f"{one.lacking} cannot come up unless their image has it: put it to {key(one, 'x86_64')}"
            for one in missing
        ]
        return warning(
            f"no {' and no '.join(one.program for one in missing)} for {os} in {nodes_bucket}",
            hint=f'{". ".join(hints)} (docs/setup.md, "Packages for the nodes").',
        )

    return run_probes(SUBJECT, [Probe("packages for nodes", look, Level.WARNING)])
