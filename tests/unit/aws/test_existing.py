"""The table of lookups knows every type of the modules, and takes over what is the project's alone."""

from __future__ import annotations

from typing import Any

import pytest

from docs.generate.terraform import read
from engine.aws.existing.search import Known, OrphanConflict, Search, Wanted
from engine.aws.existing.table import TABLE, Row
from engine.aws.session import Cloud
from engine.model import tags
from engine.operations.folders import modules_root
from engine.workspace.render import MODULES

NOWHERE = Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True)
OURS = {tags.VLAB: "lab-1", tags.PROJECT: "proj-1"}


def types_used() -> dict[str, str]:
    """Type -> a module of the workspace that uses it."""
    return {
        thing.type: name
        for name in MODULES
        for thing in read(modules_root() / name).things
        if thing.kind == "resource"
    }


def search(*known: Known) -> Search:
    return Search(NOWHERE, "123456789012", "lab-1", "proj-1", list(known))


def wanted(address: str, **values: Any) -> Wanted:
    module, _, rest = address.rpartition(".aws_")
    return Wanted(address, f"aws_{rest.partition('.')[0]}", module, values)


def test_every_type_of_the_modules_has_a_row() -> None:
    used = types_used()
    assert len(used) > 15
    assert {kind: module for kind, module in used.items() if kind not in TABLE} == {}


def test_no_row_is_for_nothing() -> None:
    assert set(TABLE) <= set(types_used())


def test_a_row_looks_or_says_why_not() -> None:
    with pytest.raises(ValueError):
        Row()
    assert [kind for kind, row in TABLE.items() if row.find is None] == [
        "aws_lambda_invocation",
        "aws_s3_object",
    ]


def test_what_something_hangs_on_hangs_on_nothing_itself() -> None:
    """Rows without `hangs_on` come first; one level is all that the order gives."""
    for row in TABLE.values():
        assert not [kind for kind in row.hangs_on if TABLE[kind].hangs_on]


def test_the_tag_of_an_address_decides() -> None:
    one = wanted('module.efs.aws_vpc_security_group_egress_rule.client["client"]')
    theirs = {**OURS, tags.PROJECT: "proj-2", tags.ADDRESS: one.tag}
    mine = {**OURS, tags.ADDRESS: one.tag}
    other = {**OURS, tags.ADDRESS: "module.efs.aws_vpc_security_group_egress_rule.this.client"}
    assert search().by_address(one, "rules", [("a", theirs), ("b", mine), ("c", other), ("d", {})]) == "b"
    assert search().by_address(one, "rules", [("a", theirs), ("c", other)]) is None


def test_two_of_the_same_address_are_a_conflict() -> None:
    one = wanted("module.subnet[0].aws_subnet.this")
    mine = {**OURS, tags.ADDRESS: "module.subnet.0.aws_subnet.this"}
    with pytest.raises(OrphanConflict, match="lab-1/proj-1 has 2 subnets") as refused:
        search().by_address(one, "subnets", [("subnet-b", mine), ("subnet-a", mine)])
    assert refused.value.details["ids"] == ["subnet-a", "subnet-b"]


@pytest.mark.parametrize("found", [{}, OURS, {**OURS, "team": "x"}])
def test_a_name_without_a_stranger_s_tags_is_ours(found: dict[str, str]) -> None:
    search().require_ours(wanted("module.bucket.aws_s3_bucket.this"), "The bucket b", found)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({tags.VLAB: "lab-1", tags.PROJECT: "proj-2"}, "is tagged for lab-1/proj-2"),
        ({tags.VLAB: "lab-2", tags.PROJECT: "proj-1"}, "is tagged for lab-2/proj-1"),
        ({"team": "x"}, "carries tags that are not the engine's"),
    ],
)
def test_a_name_with_a_stranger_s_tags_is_a_conflict(found: dict[str, str], says: str) -> None:
    with pytest.raises(OrphanConflict, match=says):
        search().require_ours(wanted("module.bucket.aws_s3_bucket.this"), "The bucket b", found)


def test_a_parent_is_looked_for_in_the_own_module_first() -> None:
    target = wanted("module.efs.aws_efs_mount_target.this[0]")
    home = Known("module.efs.aws_efs_file_system.this", "aws_efs_file_system", "fs-1")
    other = Known("module.more.aws_efs_file_system.this", "aws_efs_file_system", "fs-2")
    subnet = Known("module.subnet[0].aws_subnet.this", "aws_subnet", "subnet-1")
    assert search(other, home, subnet).parent(target, "aws_efs_file_system") == "fs-1"
    assert search(home, subnet).parent(target, "aws_subnet") == "subnet-1"
    assert search().parent(target, "aws_subnet") is None


def test_of_two_parents_none_is_guessed() -> None:
    setting = wanted("module.bucket.aws_s3_bucket_policy.this")
    known = [
        Known("module.a.aws_s3_bucket.this", "aws_s3_bucket", "a"),
        Known("module.b.aws_s3_bucket.this", "aws_s3_bucket", "b"),
    ]
    assert search(*known).parent(setting, "aws_s3_bucket") is None
