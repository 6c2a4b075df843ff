"""Service Quotas: AWS's defaults, the account's own values, lists in pages."""

from __future__ import annotations

import json
import urllib.request

import pytest

STANDARD = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}


def test_a_new_account_has_the_defaults(cloud) -> None:
    quotas = cloud.client("service-quotas")

    own = quotas.get_service_quota(**STANDARD)["Quota"]
    assert (own["Value"], own["Adjustable"]) == (5.0, True)
    assert own == quotas.get_aws_default_service_quota(**STANDARD)["Quota"]
    subnets = quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-407747CB")["Quota"]
    assert (subnets["QuotaName"], subnets["Value"]) == ("Subnets per VPC", 200.0)


def test_an_account_can_have_more(cloud) -> None:
    quotas = cloud.client("service-quotas")
    cloud.set_quota("ec2", "L-1216C47A", 512)
    body = json.dumps({"vpc/L-407747CB": 300}).encode()
    with urllib.request.urlopen(f"{cloud.endpoint}/_local/quotas", data=body, timeout=10):
        pass

    assert quotas.get_service_quota(**STANDARD)["Quota"]["Value"] == 512
    assert quotas.get_aws_default_service_quota(**STANDARD)["Quota"]["Value"] == 5
    listed = {
        one["QuotaCode"]: one["Value"] for one in quotas.list_service_quotas(ServiceCode="vpc")["Quotas"]
    }
    assert (listed["L-407747CB"], listed["L-29B6F2EB"]) == (300, 50)


def test_lists_come_in_pages(cloud) -> None:
    quotas = cloud.client("service-quotas")
    pages = list(
        quotas.get_paginator("list_service_quotas").paginate(
            ServiceCode="ec2", PaginationConfig={"PageSize": 4}
        )
    )

    assert [len(page["Quotas"]) for page in pages] == [4, 4, 4, 4, 3]
    defaults = quotas.list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert [one for page in pages for one in page["Quotas"]] == defaults


def test_what_there_is_not_is_refused(cloud) -> None:
    quotas = cloud.client("service-quotas")
    for call in (quotas.get_service_quota, quotas.get_aws_default_service_quota):
        with pytest.raises(quotas.exceptions.NoSuchResourceException):
            call(ServiceCode="ec2", QuotaCode="L-00000000")
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.list_service_quotas(ServiceCode="no-such")
