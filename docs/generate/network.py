"""What the shared ground and a project in it look like to the network: read from Terraform's own words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generate.access import Groups, Way
from docs.generate.scope import Scope

PROJECT = Path("tests/golden/workspaces/debug-lustre")
WAYS_OUT = ("aws_internet_gateway", "aws_egress_only_internet_gateway", "aws_nat_gateway", "aws_eip")


@dataclass(frozen=True)
class Node:
    """A thing that talks or is talked to.

    role     head, queue, lustre, home, endpoints, database or function
    groups   security groups it carries
    """

    role: str
    title: str
    lines: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """One kind of infrastructure subnet: its block, and the subnet's block in each zone."""

    kind: str
    block: str
    zones: dict[str, str]


@dataclass(frozen=True)
class Network:
    vpc: str
    notes: list[str]
    main_vpc: list[str]
    project: str
    project_notes: list[str]
    ranges: list[Range]
    interface_endpoints: list[str]
    gateway_endpoints: list[str]
    providers: list[str]
    nodes: list[Node]
    ways: list[Way]


def read_network(root: Path) -> Network:
    """The defaults of workspaces/shared, and the golden workspace of a project with Lustre."""
    shared = Scope.root(root / "workspaces" / "shared", root / "modules")
    project = Scope.root(root / PROJECT, root / "modules")
    network, groups = shared.calls_of("network")[0], Groups((shared,))
    tags = project.declared.configured["aws"][0]["default_tags"][0]["tags"]
    return Network(
        vpc=str(network.input("cidr_block")),
        notes=[*_ways_out(shared), *_flow_logs(network)],
        main_vpc=[text for scope in shared.calls_of("peering") for text in _peering(scope)],
        project=f"{tags['provisioner:vlab']}/{tags['provisioner:project']}",
        project_notes=[", ".join(network.input("project_ranges")), *_kept_apart(network)],
        ranges=_ranges(network, list(shared.input("zone_letters"))),
        interface_endpoints=sorted(network.input("interface_endpoints")),
        gateway_endpoints=list(network.value(network.one("aws_vpc_endpoint", "gateway").body["for_each"])),
        providers=list(shared.input("pcluster_versions")) if shared.calls_of("pcluster-provider") else [],
        nodes=[*_shared_nodes(shared, groups), *_project_nodes(project, groups)],
        ways=[way for scope in (*_callees(project), *_callees(shared)) for way in groups.ways(scope)],
    )


def _callees(root: Scope) -> Iterator[Scope]:
    for call in root.declared.calls():
        if scope := root.call(call.name):
            yield scope


def _ways_out(shared: Scope) -> Iterator[str]:
    """That there is no way to the Internet, as long as none is declared."""
    found = [thing.type for scope in _callees(shared) for thing in scope.all(*WAYS_OUT)]
    yield f"with {', '.join(found)}" if found else "no Internet gateway, no NAT, no public address"


def _flow_logs(network: Scope) -> Iterator[str]:
    for flow_log in network.all("aws_flow_log"):
        group = network.one("aws_cloudwatch_log_group", "flow_logs")
        traffic = str(flow_log.body["traffic_type"]).lower()
        yield f"flow logs of {traffic} traffic to {network.text(network.value(group.body['name']))}"


def _peering(scope: Scope) -> list[str]:
    connection = scope.one("aws_vpc_peering_connection")
    other = [] if not scope.all("aws_vpc_peering_connection_accepter") else ["of this account or another"]
    return [connection.type.removeprefix("aws_vpc_").replace("_", " "), *other]


def _kept_apart(network: Scope) -> Iterator[str]:
    """What every project subnet gets without a resource of its own."""
    for acl in network.all("aws_default_network_acl"):
        yield f"default network ACL: {acl.name} apart from each other"
    for table in network.all("aws_route_table"):
        if "project_route_table" in str(table.body.get("tags")):
            yield f"route table: {table.name}"


def _ranges(network: Scope, letters: list[str]) -> list[Range]:
    """modules/network cuts its range by cidrsubnet, twice: for kinds, then for zones."""
    whole = ipaddress.IPv4Network(str(network.input("infrastructure_range")))
    for_kinds = _new_bits(network, "ranges", r"cidrsubnet\(var\.infrastructure_range, (\d+), index\)")
    for_zones = _new_bits(network, "subnets", r"cidrsubnet\(local\.ranges\[kind\], (\d+), index\)")
    blocks = zip(network.declared.locals["kinds"], whole.subnets(prefixlen_diff=for_kinds), strict=False)
    found = []
    for kind, block in blocks:
        subnets = block.subnets(prefixlen_diff=for_zones)
        zones = {letter: str(subnet) for letter, subnet in zip(letters, subnets, strict=False)}
        found.append(Range(kind, str(block), zones))
    return found


def _new_bits(network: Scope, local: str, pattern: str) -> int:
    found = re.search(pattern, str(network.declared.locals[local]))
    if found is None:
        raise LookupError(f"modules/network: local.{local} has no {pattern}")
    return int(found[1])


def _shared_nodes(shared: Scope, groups: Groups) -> Iterator[Node]:
    for network in shared.calls_of("network"):
        endpoint = network.one("aws_vpc_endpoint", "interface").body
        yield Node("endpoints", "", (), groups.carried(network, endpoint["security_group_ids"]))
    for scope in shared.calls_of("slurm-accounting"):
        database, function = scope.one("aws_db_instance").body, scope.one("aws_lambda_function").body
        title = f"{database['engine']} {scope.text(database['engine_version'])}"
        carried = groups.carried(scope, database["vpc_security_group_ids"])
        yield Node("database", title, (scope.text(database["identifier"]),), carried)
        carried = groups.carried(scope, function["vpc_config"])
        yield Node("function", scope.text(function["function_name"]), (str(function["runtime"]),), carried)


def _project_nodes(project: Scope, groups: Groups) -> Iterator[Node]:
    for cluster in project.calls_of("parallelcluster"):
        configuration = cluster.arguments["cluster_configuration"]
        head = configuration["HeadNode"]
        carried = groups.carried(project, head["Networking"]["AdditionalSecurityGroups"])
        yield Node("head", "head node", (head["InstanceType"],), carried)
        for queue in configuration["Scheduling"]["SlurmQueues"]:
            sizes = (
                f"{instance['InstanceType']}, {resource['MinCount']} to {resource['MaxCount']}"
                for resource in queue["ComputeResources"]
                for instance in resource["Instances"]
            )
            carried = groups.carried(project, queue["Networking"]["AdditionalSecurityGroups"])
            yield Node("queue", f"queue {queue['Name']}", tuple(sizes), carried)
    for fsx in project.calls_of("fsx"):
        lustre = fsx.one("aws_fsx_lustre_file_system").body
        size = f"{fsx.text(lustre['storage_capacity'])} GiB"
        yield Node("lustre", "Lustre", (size,), groups.carried(fsx, lustre["security_group_ids"]))
    for efs in project.calls_of("efs"):
        target = efs.one("aws_efs_mount_target").body
        yield Node("home", "EFS home", ("mount target",), groups.carried(efs, target["security_groups"]))
