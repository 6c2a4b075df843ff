"""What the rules of a security group let in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef, SecurityGroupTypeDef

ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
# EC2 API, IpPermission: "-1" is every protocol, and then ports don't count; "6" is TCP by its number.
_EVERYTHING = "-1"
_TCP = frozenset({"tcp", "6"})


def lets_in(group: SecurityGroupTypeDef, port: int, *, source_group: str, ranges: Sequence[str] = ()) -> bool:
    """Whether TCP connections to the port are let in from who carries `source_group`.

    ranges   where those who carry it live: rules that name all of these blocks count as well
    """
    return any(
        _opens(permission, port) and (source_group in _groups(permission) or _covers(permission, ranges))
        for permission in group.get("IpPermissions", [])
    )


def describe(permission: IpPermissionOutputTypeDef) -> str:
    """ "tcp 22", "tcp 8000-8090", "all traffic", "icmp" """
    protocol = permission.get("IpProtocol", _EVERYTHING)
    if protocol == _EVERYTHING:
        return "all traffic"
    name = "tcp" if protocol in _TCP else protocol
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if first == -1:
        return name
    return f"{name} {first}" if first == last else f"{name} {first}-{last}"


def sources(permission: IpPermissionOutputTypeDef) -> Iterator[str]:
    """Blocks, groups and prefix lists that a rule names."""
    yield from _blocks(permission)
    yield from (range_.get("CidrIpv6", "") for range_ in permission.get("Ipv6Ranges", []))
    yield from _groups(permission)
    yield from (prefix_list.get("PrefixListId", "") for prefix_list in permission.get("PrefixListIds", []))


def count_rules(permissions: Sequence[IpPermissionOutputTypeDef]) -> int:
    """Rules as the quota counts them: one for each source."""
    return sum(len(list(sources(permission))) for permission in permissions)


def _opens(permission: IpPermissionOutputTypeDef, port: int) -> bool:
    protocol = permission.get("IpProtocol", _EVERYTHING)
    if protocol == _EVERYTHING:
        return True
    return protocol in _TCP and permission.get("FromPort", -1) <= port <= permission.get("ToPort", -1)


def _groups(permission: IpPermissionOutputTypeDef) -> list[str]:
    return [pair.get("GroupId", "") for pair in permission.get("UserIdGroupPairs", [])]


def _blocks(permission: IpPermissionOutputTypeDef) -> list[str]:
    return [range_.get("CidrIp", "") for range_ in permission.get("IpRanges", [])]


def _covers(permission: IpPermissionOutputTypeDef, ranges: Sequence[str]) -> bool:
    blocks = [IPv4Network(block, strict=False) for block in _blocks(permission)]
    return bool(ranges) and all(
        any(IPv4Network(text).subnet_of(block) for block in blocks) for text in ranges
    )
