"""AWS quotas that stop projects: which they are, and what they are in this account.

Codes and default values
  vpc   VPC user guide, "Amazon VPC quotas", and PrivateLink guide, "AWS PrivateLink quotas": their links to
        Service Quotas hold the codes
  ec2   EC2 user guide, "On-Demand Instances", section "On-Demand Instance quotas", and "Spot Instance
        quotas": likewise; AWS general reference, "Amazon EC2 endpoints and quotas"
  fsx, elasticfilesystem, cloudformation
        what ListServiceQuotas answers, in two published listings of accounts that agree; AWS's guides name
        these quotas without their codes
  iam   likewise; values and use are GetAccountSummary's (IAM API reference), since Service Quotas shows
        those of a global service in one region alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.aws.failures import aws_errors
from engine.aws.session import Cloud

# Service Quotas API, ListServiceQuotas: at most this many a page.
_PAGE = 100


@dataclass(frozen=True)
class Quota:
    """One quota, per region of an account; those of iam for all of it.

    name      as Service Quotas shows it
    default   AWS's value for a new account
    """

    service: str
    code: str
    name: str
    default: float


INTERFACE_ENDPOINTS = Quota("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50)
SUBNETS = Quota("vpc", "L-407747CB", "Subnets per VPC", 200)
SECURITY_GROUPS = Quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500)
GROUPS_PER_INTERFACE = Quota("vpc", "L-2AFB9258", "Security groups per network interface", 5)
RULES_PER_GROUP = Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60)
RULES_PER_ACL = Quota("vpc", "L-2AEEBF1A", "Rules per network ACL", 20)
LUSTRE_CAPACITY = Quota("fsx", "L-8F1B9C74", "Lustre Persistent_2 storage capacity", 100800)  # GiB
LUSTRE_FILE_SYSTEMS = Quota("fsx", "L-FD6F2F22", "Lustre Persistent_2 file systems", 100)
EFS_FILE_SYSTEMS = Quota("elasticfilesystem", "L-848C634D", "File systems per account", 1000)
STACKS = Quota("cloudformation", "L-0485CB21", "Stack count", 2000)
ROLES = Quota("iam", "L-FE177D64", "Roles per account", 1000)
INSTANCE_PROFILES = Quota("iam", "L-6E65F664", "Instance profiles per account", 1000)


def _on_demand(code: str, families: str, default: float) -> Quota:
    return Quota("ec2", code, f"Running On-Demand {families} instances", default)


VCPUS: Mapping[str, Quota] = {
    "Standard": _on_demand("L-1216C47A", "Standard (A, C, D, H, I, M, R, T, Z)", 5),
    "DL": _on_demand("L-6E869C2A", "DL", 0),
    "F": _on_demand("L-74FC7D96", "F", 0),
    "G and VT": _on_demand("L-DB2E81BA", "G and VT", 0),
    "HPC": _on_demand("L-F7808C92", "HPC", 0),
    "High Memory": _on_demand("L-43DA4232", "High Memory", 0),
    "Inf": _on_demand("L-1945791B", "Inf", 0),
    "P": _on_demand("L-417A185B", "P", 0),
    "Trn": _on_demand("L-2C3B7624", "Trn", 0),
    "X": _on_demand("L-7295265B", "X", 0),
}
"""Instance family -> quota of the vCPUs that run On-Demand."""


def _spot(code: str, families: str, default: float) -> Quota:
    return Quota("ec2", code, f"All {families} Spot Instance Requests", default)


SPOT_VCPUS: Mapping[str, Quota] = {
    "Standard": _spot("L-34B43A08", "Standard (A, C, D, H, I, M, R, T, Z)", 5),
    "DL": _spot("L-85EED4F7", "DL", 0),
    "F": _spot("L-88CF9481", "F", 0),
    "G and VT": _spot("L-3819A6DF", "G and VT", 0),
    "Inf": _spot("L-B5D1601B", "Inf", 0),
    "P4, P3 and P2": _spot("L-7212CCBC", "P4, P3 and P2", 0),
    "P5": _spot("L-C4BD4855", "P5", 0),
    "Trn": _spot("L-6B0D517C", "Trn", 0),
    "X": _spot("L-E3A00192", "X", 0),
}
"""Instance family -> quota of its vCPUs as spot instances. A family that is not here is not sold as such, or
AWS does not say by which quota: P6."""

SERVICES = ("vpc", "ec2", "fsx", "elasticfilesystem", "cloudformation")
"""Those that are asked for their quotas with `read_quotas`; iam is not."""

_IAM = {ROLES: "Roles", INSTANCE_PROFILES: "InstanceProfiles"}

_FAMILIES = {
    "dl": "DL",
    "f": "F",
    "g": "G and VT",
    "gr": "G and VT",
    "vt": "G and VT",
    "hpc": "HPC",
    "u": "High Memory",
    "inf": "Inf",
    "p": "P",
    "trn": "Trn",
    "x": "X",
}


def family_of(instance_type: str, *, spot: bool = False) -> str:
    """Which of the quotas of vCPUs an instance type counts toward: "hpc7a.96xlarge" -> "HPC".

    spot   as a spot instance, where P is more than one: "p4d.24xlarge" -> "P4, P3 and P2"
    """
    if spot and (p := re.match(r"p([0-9]+)", instance_type)):
        return "P4, P3 and P2" if p[1] in ("2", "3", "4") else f"P{p[1]}"
    letters = re.match(r"[a-z]*", instance_type)
    return _FAMILIES.get(letters[0] if letters else "", "Standard")


def read_quotas(cloud: Cloud, service: str) -> Mapping[str, float]:
    """Code -> the account's own value, for every quota of a service that has one.

    One list instead of a question for each: five of those a second are answered, ten of these (Service
    Quotas user guide, "Service quotas for Service Quotas").
    Raises   AccessDenied, Unreachable, BackendError
    """
    with aws_errors(f"asking for the quotas of {service} (servicequotas:ListServiceQuotas)"):
        pages = cloud.service_quotas.get_paginator("list_service_quotas").paginate(
            ServiceCode=service, PaginationConfig={"PageSize": _PAGE}
        )
        return {
            quota["QuotaCode"]: quota["Value"]
            for page in pages
            for quota in page["Quotas"]
            # One that AWS could not look up just now carries the reason instead of a value.
            if "Value" in quota
        }


@dataclass(frozen=True)
class IamSummary:
    """What is used of IAM's quotas, and the account's own values, by code."""

    used: Mapping[str, int]
    limits: Mapping[str, float]


def read_iam_summary(cloud: Cloud) -> IamSummary:
    """Counts of the whole account, whoever made what, and in one answer.

    Raises   AccessDenied, Unreachable, BackendError
    """
    with aws_errors("asking for the account's IAM quotas (iam:GetAccountSummary)"):
        summary = cloud.iam.get_account_summary()["SummaryMap"]
    return IamSummary(
        used={quota.code: summary[name] for quota, name in _IAM.items()},
        limits={quota.code: summary[f"{name}Quota"] for quota, name in _IAM.items()},
    )
