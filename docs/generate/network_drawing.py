"""docs/network.svg: boxes for what read_network found, and an arrow for every way that a rule opens."""

from __future__ import annotations

from dataclasses import dataclass, field

from docs.generate.access import CLIENTS, GATEWAYS
from docs.generate.network import Network, Node, Range
from docs.generate.svg import LINE, Box, Drawing, Point

DESCRIPTION = (
    "Boxes: the main VPC, the shared VPC in its account, subnets of projects, shared subnets by zone. "
    "Arrows: who may open connections to whom, with TCP ports, as the rules of the security groups have it."
)
LEGEND = (
    "Arrow: security groups let these connections be opened, to these TCP ports. "
    "Dashed: what all nodes of a cluster may do starts at its edge."
)
NODES = "nodes"
"""The box around all nodes of a cluster: what each of them may do starts at its edge."""


def draw_network(network: Network) -> str:
    sheet = _Sheet(network)
    sheet.draw()
    return sheet.drawing.render()


@dataclass
class _Sheet:
    """places   role, NODES, CLIENTS or GATEWAYS -> where it was drawn"""

    network: Network
    drawing: Drawing = field(default_factory=lambda: Drawing("Network", DESCRIPTION, 1350, 760))
    places: dict[str, Box] = field(default_factory=dict)

    def draw(self) -> None:
        self.drawing.box("account", Box(276, 20, 1054, 690), "AWS account, one region")
        vpc = Box(296, 58, 860, 632)
        self.drawing.box("vpc", vpc, f"VPC {self.network.vpc}", ["; ".join(self.network.notes)])
        self._projects(Box(316, 116, 820, 284))
        self._infrastructure(Box(316, 460, 820, 196))
        self._main_vpc()
        self._beside(vpc)
        for pair, ports in self._pairs().items():
            self._way(*pair, ports)
        self.drawing.note(20, 740, LEGEND)

    def _projects(self, outer: Box) -> None:
        self.drawing.box("range", outer, "subnets of projects", ["; ".join(self.network.project_notes)])
        inner = Box(outer.x + 20, outer.y + 52, 660, 214)
        self.drawing.box("range", inner, f"subnet of {self.network.project}")
        cluster = self._of("queue", "head")
        nodes = Box(inner.x + 24, inner.y + 34, 216, 20 + 76 * len(cluster))
        self.places[NODES] = self.drawing.box("group", nodes)
        for row, node in enumerate(cluster):
            self._node(node, Box(nodes.x + 16, nodes.y + 14 + 76 * row, 184, 60))
        for row, node in enumerate(self._of("lustre", "home")):
            self._node(node, Box(inner.right - 200, nodes.y + 14 + 76 * row, 176, 60))

    def _infrastructure(self, area: Box) -> None:
        """A column for each kind of subnet; the endpoints, which are many, get the widest."""
        wide, gap, others = 290.0, 10.0, max(1, len(self.network.ranges) - 1)
        width = (area.width - wide - gap * others) / others
        x = area.x
        for range_ in self.network.ranges:
            box = Box(x, area.y, wide if range_.kind == "endpoints" else width, area.height)
            self._range(range_, box)
            x = box.right + gap

    def _range(self, range_: Range, box: Box) -> None:
        self.drawing.box("range", box, f"{range_.kind} {range_.block}")
        width = (box.width - 20) / max(1, len(range_.zones))
        for column, (letter, block) in enumerate(range_.zones.items()):
            zone = Box(box.x + 10 + column * width, box.y + 32, width - 4, box.height - 40)
            self.drawing.box("range", zone, "", [f"zone {letter}", block])
        inside = Box(box.x + 18, box.y + 78, box.width - 40, box.height - 94)
        for node in self.network.nodes:
            if range_.kind.startswith(node.role):
                self._node(node, inside if not node.title else Box(inside.x, inside.y, inside.width, 62))
        if range_.kind == "endpoints":
            self._endpoint_names(inside)

    def _endpoint_names(self, box: Box) -> None:
        names = self.network.interface_endpoints
        rows = -(-len(names) // 2)
        for index, name in enumerate(names):
            column, row = divmod(index, rows)
            self.drawing.note(box.x + 12 + column * box.width / 2, box.y + 18 + 16 * row, name)

    def _main_vpc(self) -> None:
        if self.network.main_vpc and "head" in self.places:
            level = self.places["head"].middle
            self.drawing.box("account", Box(20, level - 104, 196, 160), "main VPC", self.network.main_vpc)
            clients = Box(36, level - 36, 164, 72)
            lines = ["Workflow Service,", "provisioner"]
            self.places[CLIENTS] = self.drawing.box("thing", clients, "workflow clients", lines)

    def _beside(self, vpc: Box) -> None:
        level = self.places[NODES].bottom - 10
        gateways = Box(vpc.right - 46, level - 58, 170, 30 + LINE * len(self.network.gateway_endpoints))
        self.places[GATEWAYS] = self.drawing.box(
            "thing", gateways, "gateway endpoints", self.network.gateway_endpoints
        )
        for row, version in enumerate(self.network.providers):
            box = Box(vpc.right + 16, 150 + 74 * row, 146, 62)
            self.drawing.box("thing", box, f"provider {version}", ["makes the clusters"])

    def _node(self, node: Node, box: Box) -> None:
        self.places[_place(node)] = self.drawing.box("thing", box, node.title, list(node.lines))

    def _of(self, *roles: str) -> list[Node]:
        return [node for role in roles for node in self.network.nodes if node.role == role]

    def _pairs(self) -> dict[tuple[str, str], str]:
        """(who, whom) -> ports, for everything that is drawn."""
        found: dict[tuple[str, str], str] = {}
        for way in self.network.ways:
            for source in self._carriers(way.source):
                for target in self._carriers(way.target):
                    if source != target:
                        found[source, target] = way.ports
        return found

    def _carriers(self, group: str) -> list[str]:
        if group in (CLIENTS, GATEWAYS):
            return [group]
        carriers = [_place(node) for node in self.network.nodes if group in node.groups]
        cluster = [_place(node) for node in self._of("queue", "head")]
        if set(cluster) <= set(carriers):
            return [NODES, *(place for place in carriers if place not in cluster)]
        return carriers

    def _way(self, source: str, target: str, ports: str) -> None:
        if source not in self.places or target not in self.places:
            return
        both = (target, source) in self._pairs()
        if not both or self.places[source].x < self.places[target].x:
            points, label = self._route(source, target)
            self.drawing.way(points, ports, at=label, both=both)

    def _route(self, source: str, target: str) -> tuple[list[Point], Point]:
        """Points of an arrow and the place of its label, by where the two boxes are."""
        a, b = self.places[source], self.places[target]
        if (source, target) == (CLIENTS, "head"):
            return [(a.right, b.middle), (b.x, b.middle)], (246, b.middle)
        if (source, target) == (NODES, GATEWAYS):
            level = a.bottom - 10
            return [(a.right, level), (b.x, level)], (b.x - 40, level)
        if target == GATEWAYS:
            x = min(a.right, b.right) - 16
            return [(x, a.y), (x, b.bottom)], (x + 18, (a.y + b.bottom) / 2)
        if b.x >= a.right and a.y <= b.middle <= a.bottom:
            return [(a.right, b.middle), (b.x, b.middle)], ((a.right + b.x) / 2, b.middle)
        if b.y == a.y:
            return self._within_row(a, b)
        if b.x < a.right:
            x = min(a.right, b.right) - 8
            return [(x, a.bottom), (x, b.y)], (x + 18, b.y - 88)
        x, down, lane = a.x + 40, b.right - 8, b.y - 110
        return [(x, a.bottom), (x, lane), (down, lane), (down, b.y)], (down - 120, lane)

    def _within_row(self, a: Box, b: Box) -> tuple[list[Point], Point]:
        """To the next box straight, to one further away below those between."""
        if a.x - b.right < 80:
            return [(a.x, a.middle), (b.right, a.middle)], ((a.x + b.right) / 2, a.middle)
        lane = max(a.bottom, b.bottom) + 34
        points = [(a.centre, a.bottom), (a.centre, lane), (b.centre, lane), (b.centre, b.bottom)]
        return points, ((a.centre + b.centre) / 2, lane)


def _place(node: Node) -> str:
    return node.title if node.role == "queue" else node.role
