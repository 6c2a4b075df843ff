"""The interface endpoints through which nodes reach AWS, since there is no other way.

Which ones ParallelCluster needs: its user guide, "AWS ParallelCluster in a single subnet with no internet
access", and what its nodes call (secretsmanager for the database's password, monitoring for metrics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.aws.checks import Check, Level, NotLookedFor, Probe, Verdict, fine, run_probes, warning
from engine.aws.doctor.network import is_available
from engine.aws.doctor.network_reading import Network
from engine.aws.doctor.rules import lets_in
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef, VpcEndpointTypeDef

SUBJECT = "endpoints"
HTTPS_PORT = 443
NEEDED = {
    "cloudformation": "nodes read what their stack says and signal it",
    "ec2": "the head node starts and looks at compute nodes",
    "logs": "nodes send their logs",
    "secretsmanager": "the head node reads the database's password",
    "monitoring": "the head node sends its metrics",
}
USEFUL = {
    "ssm": "Session Manager needs it",
    "ssmmessages": "Session Manager needs it",
    "elasticfilesystem": "jobs that ask EFS's API, with credentials of their own, need it; mounts do without",
    "fsx": "jobs that ask FSx's API, with credentials of their own, need it; mounts do without",
    "sts": "jobs that take on a role, with credentials of their own, need it",
}


@dataclass(frozen=True)
class Surroundings:
    """What an endpoint is judged by.

    zone          where projects live
    ranges        blocks in which projects live
    zones         subnet id -> availability zone
    groups        security group id -> group
    access_group  id of the group nodes carry; None when it is not known
    """

    region: str
    zone: str
    ranges: Sequence[str]
    zones: Mapping[str, str]
    groups: Mapping[str, SecurityGroupTypeDef]
    access_group: str | None


def examine_endpoints(
    network: Network, *, region: str, availability_zone: str, address_ranges: Sequence[str]
) -> list[Check]:
    """One Check for each service, never an error."""

    def judge(service: str) -> Verdict:
        surroundings = Surroundings(
            region=region,
            zone=availability_zone,
            ranges=address_ranges,
            zones={subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in network.subnets()},
            groups={group["GroupId"]: group for group in network.security_groups()},
            access_group=_access_group(network),
        )
        return judge_endpoint(service, network.endpoints(), surroundings)

    return run_probes(SUBJECT, [_probe(service, judge) for service in (*NEEDED, *USEFUL)])


def judge_endpoint(
    service: str, endpoints: Iterable[VpcEndpointTypeDef], surroundings: Surroundings
) -> Verdict:
    """The best endpoint of the service: what is wrong with it is a failure only where nodes need it."""
    found = [endpoint for endpoint in endpoints if _is_interface_of(endpoint, service, surroundings.region)]
    if not found:
        return _bad(service, "is not in the VPC", f"Create it with private DNS on: {_why(service)}.")
    severity = [Level.OK, Level.WARNING, Level.FAILED]
    verdicts = [_judge_one(service, endpoint, surroundings) for endpoint in found]
    return min(verdicts, key=lambda verdict: severity.index(verdict.level))


def missing_services(endpoints: Sequence[VpcEndpointTypeDef], region: str) -> list[str]:
    """Services without an interface endpoint."""
    return [
        service
        for service in (*NEEDED, *USEFUL)
        if not any(_is_interface_of(endpoint, service, region) for endpoint in endpoints)
    ]


def _probe(service: str, judge: Callable[[str], Verdict]) -> Probe:
    worst = Level.FAILED if service in NEEDED else Level.WARNING
    return Probe(f"interface endpoint {service}", lambda: judge(service), worst)


def _judge_one(service: str, endpoint: VpcEndpointTypeDef, surroundings: Surroundings) -> Verdict:
    id_ = endpoint["VpcEndpointId"]
    if not is_available(endpoint):
        return _bad(
            service, f"{id_} is {endpoint['State']}", "Wait until it is available, or create it anew."
        )
    if not endpoint["PrivateDnsEnabled"]:
        return _bad(
            service,
            f"{id_} has private DNS off: nodes look for the service's public name",
            "Switch on private DNS of the endpoint.",
        )
    access = surroundings.access_group
    groups = [group["GroupId"] for group in endpoint["Groups"]]
    if access is not None and not any(
        lets_in(surroundings.groups[group], HTTPS_PORT, source_group=access, ranges=surroundings.ranges)
        for group in groups
        if group in surroundings.groups
    ):
        return _bad(
            service,
            f"{id_}: none of its security groups ({', '.join(groups) or 'none'}) lets "
            f"{tags.SHARED_ENDPOINT_ACCESS} in on {HTTPS_PORT}",
            f"Let TCP {HTTPS_PORT} in from the security group {access}.",
        )
    zones = sorted({surroundings.zones.get(subnet, "?") for subnet in endpoint["SubnetIds"]})
    if surroundings.zone not in zones:
        return warning(
            f"{id_} is in {', '.join(zones)}, projects live in {surroundings.zone}",
            f"Add a subnet of {surroundings.zone} to the endpoint: traffic between zones costs, and fails "
            "with the other zone.",
        )
    return fine(f"{id_} in {', '.join(zones)}")


def _bad(service: str, found: str, hint: str) -> Verdict:
    return Verdict(Level.FAILED if service in NEEDED else Level.WARNING, found, hint)


def _why(service: str) -> str:
    return NEEDED.get(service) or USEFUL[service]


def _is_interface_of(endpoint: VpcEndpointTypeDef, service: str, region: str) -> bool:
    # In China some services have the prefix cn.com.amazonaws, others com.amazonaws.
    name = endpoint["ServiceName"]
    return endpoint["VpcEndpointType"] == "Interface" and name.endswith(f".{region}.{service}")


def _access_group(network: Network) -> str | None:
    try:
        return network.group(tags.SHARED_ENDPOINT_ACCESS)["GroupId"]
    except NotLookedFor:
        return None
