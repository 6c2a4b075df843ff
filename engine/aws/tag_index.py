"""AWS's own index of tags: who carries a tag, a page of many to an answer.

To ask each thing for its tags takes a call each, and CloudWatch Logs answers few of those a second for a
whole account. The index is told of changes a little later, and names for a while what is gone: whoever acts
on what it says bears both.
Source   Resource Groups Tagging API reference, GetResources: by region, tagged or previously tagged
"""

from __future__ import annotations

from engine.aws.existing.search import tag_map
from engine.aws.failures import aws_errors
from engine.aws.session import Cloud

# GetResources, ResourcesPerPage: at most this many.
_PAGE = 100


def carriers(cloud: Cloud, service: str, *, key: str, value: str) -> dict[str, dict[str, str]]:
    """All tags of every log group ("logs") or bucket ("s3") that carries this one, by name.

    Raises   AccessDenied, Unreachable, BackendError
    """
    with aws_errors(f"asking who is tagged {key}={value} (tag:GetResources)"):
        pages = cloud.tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": key, "Values": [value]}],
            ResourceTypeFilters=[service],
            PaginationConfig={"PageSize": _PAGE},
        )
        return {
            # arn:aws:logs:<region>:<account>:log-group:<name>, arn:aws:s3:::<name>; no name has a colon.
            one["ResourceARN"].removesuffix(":*").rpartition(":")[2]: tag_map(one["Tags"])
            for page in pages
            for one in page["ResourceTagMappingList"]
        }
