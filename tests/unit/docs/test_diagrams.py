"""The diagrams say what the Terraform code says, and change with it."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from docs.generate.access import CLIENTS, Groups, Way
from docs.generate.pages import DIAGRAMS
from docs.generate.scope import Scope

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout to change: what the diagrams are read from."""
    ignored = shutil.ignore_patterns(".terraform*", "projects")
    for part in ("modules", "workspaces", "tests/golden/workspaces/debug-lustre"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    return tmp_path


def change(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text("utf-8")
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def texts(svg: str) -> list[str]:
    tree = ElementTree.fromstring(svg)
    return [node.text or "" for node in tree.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_is_fresh(name: str) -> None:
    stored = (ROOT / name).read_text("utf-8") if (ROOT / name).is_file() else ""
    assert stored == DIAGRAMS[name](ROOT), f"{name} is stale: make docs"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_stands_alone_and_speaks(name: str) -> None:
    svg = DIAGRAMS[name](ROOT)
    tree = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert tree.get("role") == "img"
    assert tree.findtext(f"{space}title") and tree.findtext(f"{space}desc")
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"href|@import|<script|<image", svg)
    width, height = float(tree.attrib["width"]), float(tree.attrib["height"])
    for node in tree.iter(f"{space}text"):
        assert 0 < float(node.attrib["x"]) < width and 0 < float(node.attrib["y"]) < height, node.text


NETWORK, SHARED = "modules/network", "workspaces/shared/variables.tf"
NAT = 'resource "aws_nat_gateway" "out" {}\n'
EXPORT = "    auto_export_policy {\n      events = local.all_events\n    }\n"
GOLDEN = "tests/golden/workspaces/debug-lustre/main.tf.json"


@pytest.mark.parametrize(
    ("diagram", "file", "old", "new", "seen"),
    [
        ("network", f"{NETWORK}/variables.tf", '"cloudformation", "ec2",', '"ecr.api", "ec2",', "ecr.api"),
        ("network", f"{NETWORK}/endpoints.tf", "    dynamodb = json", "    glacier = json", "glacier"),
        ("network", SHARED, '["a", "b"]', '["a", "b", "c"]', "zone c"),
        ("network", SHARED, '["3.16.1"]', '["3.16.1", "3.17.0"]', "provider 3.17.0"),
        ("network", SHARED, "10.42.0.0/18", "10.42.0.0/19", "database 10.42.8.0/21"),
        (
            "network",
            f"{NETWORK}/main.tf",
            'resource "aws_vpc"',
            f'{NAT}resource "aws_vpc"',
            "aws_nat_gateway",
        ),
        ("storage", "modules/fsx/main.tf", "/project/private", "/project/own", "/project/own"),
        ("storage", "modules/fsx/main.tf", EXPORT, "", "/private/: import"),
        ("storage", GOLDEN, '"MountDir": "/home"', '"MountDir": "/users"', "/users"),
    ],
)
def test_a_change_of_the_code_is_seen(
    diagram: str, file: str, old: str, new: str, seen: str, copy: Path
) -> None:
    draw = DIAGRAMS[f"docs/{diagram}.svg"]
    before = "\n".join(texts(draw(ROOT)))
    change(copy, file, old, new)
    after = "\n".join(texts(draw(copy)))
    assert seen in after
    assert not re.search(rf"^{re.escape(seen)}$", before, re.MULTILINE)


def test_a_rule_that_goes_takes_its_arrow_along(copy: Path) -> None:
    rules = copy / "modules" / "slurm-accounting" / "main.tf"
    rules.write_text(rules.read_text("utf-8").replace("aws_vpc_security_group_ingress_rule", "null_resource"))
    draw = DIAGRAMS["docs/network.svg"]
    assert "3306" in texts(draw(ROOT)) and "3306" not in texts(draw(copy))


RULES = """
locals {
  ports = {
    ssh  = { from = 22, to = 22 }
    http = { from = 8000, to = var.last }
    ftp  = { from = 21, to = 21 }
  }
  peers = { a = var.client, self = aws_security_group.this.id }
  some = {
    for pair in setproduct(["ssh", "http"], var.blocks) :
    pair[1] => { port = local.ports[pair[0]].from }
  }
  every = {
    for pair in setproduct(keys(local.peers), keys(local.ports)) :
    pair[0] => merge(local.ports[pair[1]], { peer = local.peers[pair[0]] })
  }
}
variable "last" { default = 8080 }
variable "client" {}
variable "blocks" { default = [] }
resource "aws_security_group" "this" {}
output "group" { value = aws_security_group.this.id }
"""
RULE = """
resource "aws_vpc_security_group_ingress_rule" "this" {{
  security_group_id = aws_security_group.this.id
  {}
}}
"""
FIXED = "from_port = 443\n to_port = 443\n cidr_ipv4 = var.x"
SPAN = "from_port = 1\n to_port = var.last\n referenced_security_group_id = var.client"
SOME = "for_each = local.some\n from_port = each.value.port\n to_port = each.value.port"
EVERY = (
    "for_each = local.every\n from_port = each.value.from\n to_port = each.value.to\n"
    "referenced_security_group_id = each.value.peer"
)
GROUPS = (
    "for_each = var.on ? { a = var.client } : {}\n from_port = 1\n to_port = 1\n"
    "referenced_security_group_id = each.value"
)
NOTHING = "for_each = toset(var.blocks)\n from_port = 1\n to_port = 1\n cidr_ipv4 = each.value"
ALL_PORTS = "22, 8000-8080, 21"


@pytest.mark.parametrize(
    ("rule", "ways"),
    [
        (FIXED, [Way(CLIENTS, "thing.this", "443")]),
        (SPAN, [Way("other.this", "thing.this", "1-8080")]),
        (SOME, [Way(CLIENTS, "thing.this", "22, 8000")]),
        (EVERY, [Way(source, "thing.this", ALL_PORTS) for source in ("other.this", "thing.this")]),
        (GROUPS, [Way("other.this", "thing.this", "1")]),
        (NOTHING, []),
    ],
)
def test_ways_are_read_from_rules(rule: str, ways: list[Way], tmp_path: Path) -> None:
    for module in ("thing", "other", "root"):
        (tmp_path / module).mkdir()
    for module in ("thing", "other"):
        (tmp_path / module / "main.tf").write_text(RULES)
    (tmp_path / "thing" / "rule.tf").write_text(RULE.format(rule))
    (tmp_path / "root" / "main.tf").write_text(
        'module "one" {\n  source = "../thing"\n  client = module.two.group\n}\n'
        'module "two" {\n  source = "../other"\n}\n'
    )
    root = Scope.root(tmp_path / "root", tmp_path)
    one = root.call("one")
    assert one is not None
    assert Groups((root,)).ways(one) == ways
