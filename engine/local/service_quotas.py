"""Service Quotas: AWS's default values for the quotas that stop clusters, and values a test sets.

moto knows the defaults of `vpc` only and two of the calls. Those of IAM are asked for elsewhere
(GetAccountSummary), which moto answers with its defaults. An account's own value is answered where one was
set or AWS shows one, else the default, as for a new account.
Source: Service Quotas API reference; the values as in data/service_quotas.yaml.
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World
from engine.model.data_files import read_data

_PAGE = 100
_OF_IAM = {"L-FE177D64": "RolesQuota", "L-6E65F664": "InstanceProfilesQuota"}
_NAMES = {
    "cloudformation": "AWS CloudFormation",
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "elasticfilesystem": "Amazon Elastic File System (EFS)",
    "fsx": "Amazon FSx",
}


def install(world: World, patches: Patches) -> None:
    from moto.iam.models import AccountSummary
    from moto.servicequotas.exceptions import NoSuchResource
    from moto.servicequotas.models import ServiceQuotasBackend
    from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS
    from moto.servicequotas.responses import ServiceQuotasResponse

    summary_of = AccountSummary.__dict__["summary_map"].fget

    def summary_map(self: Any) -> dict[str, Any]:
        own = {
            name: int(world.quotas[f"iam/{code}"])
            for code, name in _OF_IAM.items()
            if f"iam/{code}" in world.quotas
        }
        return {**summary_of(self), **own}

    patches.set(AccountSummary, "summary_map", property(summary_map))
    known = _known(world) | {"vpc": [*VPC_DEFAULT_QUOTAS]}

    def defaults(service_code: str) -> list[dict[str, Any]]:
        if service_code not in known:
            raise NoSuchResource()
        return known[service_code]

    def applied(service_code: str) -> list[dict[str, Any]]:
        return [
            quota | {"Value": world.quotas.get(f"{service_code}/{quota['QuotaCode']}", quota["Value"])}
            for quota in defaults(service_code)
        ]

    def one(quotas: list[dict[str, Any]], code: str) -> dict[str, Any]:
        for quota in quotas:
            if quota["QuotaCode"] == code:
                return quota
        raise NoSuchResource()

    def page(quotas: list[dict[str, Any]], params: dict[str, Any]) -> str:
        begin = int(params.get("NextToken") or 0)
        end = begin + int(params.get("MaxResults") or _PAGE)
        answer: dict[str, Any] = {"Quotas": quotas[begin:end]}
        return json.dumps(answer | ({"NextToken": str(end)} if end < len(quotas) else {}))

    def list_service_quotas(self: Any) -> str:
        params = json.loads(self.body)
        return page(applied(params["ServiceCode"]), params)

    def list_aws_default_service_quotas(self: Any) -> str:
        params = json.loads(self.body)
        return page(defaults(params["ServiceCode"]), params)

    def get_aws_default_service_quota(self: Any) -> str:
        params = json.loads(self.body)
        return json.dumps({"Quota": one(defaults(params["ServiceCode"]), params["QuotaCode"])})

    def get_service_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:  # noqa: ARG001
        return one(applied(service_code), quota_code)

    patches.set(ServiceQuotasBackend, "get_service_quota", get_service_quota)
    for call in (list_service_quotas, list_aws_default_service_quotas, get_aws_default_service_quota):
        patches.set(ServiceQuotasResponse, call.__name__, call)


def _known(world: World) -> dict[str, list[dict[str, Any]]]:
    return {
        service: [
            {
                "ServiceCode": service,
                "ServiceName": _NAMES[service],
                "QuotaArn": f"arn:aws:servicequotas:{world.region}:{world.account_id}:{service}/{code}",
                "QuotaCode": code,
                "QuotaName": name,
                "Value": float(value),
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
            for code, (name, value) in quotas.items()
        ]
        for service, quotas in read_data("service_quotas.yaml", package="engine.local").items()
    }
