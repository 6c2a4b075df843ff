"""Pictures of a review as inline SVG: the workspace's graph, one module's, and the cluster.

Text and positions only; colours come from the page's style sheet by class (`a-create`, `a-delete`, ...), so
that the pictures follow the reader's light or dark mode. Every text goes through Markup.format, which
escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from engine.review.graph import Graph, Group, layers
from engine.review.model import ClusterSides
from engine.review.notation import printable
from engine.review.outline import SYMBOLS
from engine.review.shape import ClusterShape, Nodes, QueueShape

_SIGNS = {action.value: symbol for action, symbol in SYMBOLS.items()} | {"no-change": "=", "look-up": "?"}
_BOX_WIDTH, _BOX_HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 216, 58, 20, 46, 8
_PER_ROW = 4
_MOST_SQUARES = 24


@dataclass(frozen=True)
class _Box:
    """A node on its place."""

    key: str
    x: float
    y: float
    width: float
    height: float


def draw_overview(graph: Graph, anchors: dict[str, str]) -> Markup:
    """Modules as boxes, each above those that build on it; a box leads to its own picture.

    anchors   group -> id of the element to go to
    """
    groups = {group.name: group for group in graph.groups}
    boxes, width, height = _placed(layers(list(groups), graph.edges))
    parts = [_edge(boxes[a], boxes[b], a, b) for a, b in graph.edges]
    parts += [_group_box(groups[box.key], box, anchors[box.key]) for box in boxes.values()]
    label = f"Modules of the workspace and what they build on: {', '.join(groups)}"
    # Not an image to assistive technology: images hold no links.
    return _svg(width, height, label, parts, role="group")


def draw_group(group: Group) -> Markup:
    """The resources of one module, each below what it depends on in the same module."""
    nodes = {node.key: node for node in group.nodes}
    boxes, width, height = _placed(layers(list(nodes), group.edges))
    parts = [_edge(boxes[a], boxes[b], a, b) for a, b in group.edges]
    for box in boxes.values():
        node = nodes[box.key]
        title = f"{node.key}: {node.action}" + (f", {node.count} instances" if node.count > 1 else "")
        times = f" ×{node.count}" if node.count > 1 else ""
        mark = " ◆" if node.holds_data else ""
        kind = node.type.removeprefix("aws_")
        parts.append(
            Markup(
                '<g class="node a-{}" data-key="{}"><title>{}</title>'
                '<rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
                '<text class="strong" x="{}" y="{}">{}</text><text class="small" x="{}" y="{}">{}</text></g>'
            ).format(
                *(node.action, box.key, printable(title)),
                *(_n(box.x), _n(box.y), _n(box.width), _n(box.height)),
                *(_n(box.x + 10), _n(box.y + 24), _fit(f"{_SIGNS[node.action]} {kind}{mark}", 28)),
                *(_n(box.x + 10), _n(box.y + 43), _fit(f"{node.name}{times}", 30)),
            )
        )
    return _svg(width, height, f"Resources of {group.name}", parts)


def draw_cluster(sides: ClusterSides) -> Markup:
    """Head node, queues with their nodes, and storage; what is new, gone or other is marked in words."""
    shape = sides.after or sides.before
    if shape is None:
        return Markup("")
    width, y = 760.0, float(_MARGIN)
    parts: list[Markup] = []
    head, tall = _head(sides, shape, y)
    parts += head
    y += tall + 16
    for queue, mark in _queues(sides):
        drawn, tall = _queue(queue, mark, y, width)
        parts += drawn
        y += tall + 12
    drawn, tall = _storage(shape, y + 4, width)
    parts += drawn
    label = f"Cluster: head node {shape.head_node_type}, {len(shape.queues)} queues"
    return _svg(width, y + tall + _MARGIN, label, parts)


def _placed(rows: Sequence[Sequence[str]]) -> tuple[dict[str, _Box], float, float]:
    """Boxes by key, and the size of all; a layer that is too wide takes several rows."""
    lines: list[Sequence[str]] = []
    for row in rows:
        parts = -(-len(row) // _PER_ROW)
        size = -(-len(row) // parts) if parts else 1
        lines += [row[start : start + size] for start in range(0, len(row), size)]
    most = max((len(line) for line in lines), default=1)
    width = most * _BOX_WIDTH + (most - 1) * _GAP_X + 2 * _MARGIN
    boxes: dict[str, _Box] = {}
    for index, line in enumerate(lines):
        free = width - (len(line) * _BOX_WIDTH + (len(line) - 1) * _GAP_X)
        for place, key in enumerate(line):
            x = free / 2 + place * (_BOX_WIDTH + _GAP_X)
            boxes[key] = _Box(key, x, _MARGIN + index * (_BOX_HEIGHT + _GAP_Y), _BOX_WIDTH, _BOX_HEIGHT)
    height = len(lines) * (_BOX_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    return boxes, width, max(height, 2 * _MARGIN)


def _edge(dependent: _Box, dependency: _Box, key: str, other: str) -> Markup:
    x1, y1 = dependency.x + dependency.width / 2, dependency.y + dependency.height
    x2, y2 = dependent.x + dependent.width / 2, dependent.y
    if dependent.y <= dependency.y:  # in one row, or a circle: around the side
        y1, y2 = dependency.y + dependency.height, dependent.y + dependent.height
        bend = max(y1, y2) + _GAP_Y * 0.7
        path = f"M{_n(x1)} {_n(y1)}C{_n(x1)} {_n(bend)} {_n(x2)} {_n(bend)} {_n(x2)} {_n(y2)}"
    else:
        bend = max((y2 - y1) * 0.5, 18)
        path = f"M{_n(x1)} {_n(y1)}C{_n(x1)} {_n(y1 + bend)} {_n(x2)} {_n(y2 - bend)} {_n(x2)} {_n(y2 - 5)}"
    return Markup('<path class="edge" d="{}" marker-end="url(#tip)" data-from="{}" data-to="{}"/>').format(
        path, key, other
    )


def _group_box(group: Group, box: _Box, anchor: str) -> Markup:
    total = sum(count for _, count in group.counts)
    said = ", ".join(f"{count} {action}" for action, count in group.counts)
    bars, x, inner = [], box.x + 10, box.width - 20
    for action, count in group.counts:
        wide = inner * count / total
        bars.append(
            Markup('<rect class="bar a-{}" x="{}" y="{}" width="{}" height="7"/>').format(
                action, _n(x), _n(box.y + 42), _n(max(wide - 1, 1))
            )
        )
        x += wide
    gravest = group.counts[0][0] if group.counts else "no-change"
    return Markup(
        '<a href="#{}" class="node a-{}" data-key="{}" aria-label="{}"><title>{}</title>'
        '<rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text class="strong" x="{}" y="{}">{}</text>{}'
        '<text class="small end" x="{}" y="{}">{}</text></a>'
    ).format(
        *(anchor, gravest, box.key, f"{group.name}: {said}", f"{group.name}: {said}"),
        *(_n(box.x), _n(box.y), _n(box.width), _n(box.height)),
        *(_n(box.x + 10), _n(box.y + 27), _fit(group.name, 21), Markup("").join(bars)),
        *(_n(box.x + box.width - 10), _n(box.y + 27), str(total)),
    )


def _head(sides: ClusterSides, shape: ClusterShape, y: float) -> tuple[list[Markup], float]:
    said = f"{shape.head_node_type or 'unknown type'} · disk {_size(shape.head_node_disk.gib)}"
    before = sides.before
    if sides.after is None:
        mark = "gone"
    elif before is None:
        mark = "new"
    elif (before.head_node_type, before.head_node_disk) != (shape.head_node_type, shape.head_node_disk):
        mark = f"was {before.head_node_type}, disk {_size(before.head_node_disk.gib)}"
    else:
        mark = ""
    card = _card(8, y, 360, 56, _class_of(mark), "Head node", said, mark)
    return [card], 56


def _queues(sides: ClusterSides) -> Iterator[tuple[QueueShape, str]]:
    old = {queue.name: queue for queue in sides.before.queues} if sides.before else {}
    new = {queue.name: queue for queue in sides.after.queues} if sides.after else {}
    for name, queue in new.items():
        yield queue, "new" if name not in old else ("changed" if old[name] != queue else "")
    for name, queue in old.items():
        if name not in new:
            yield queue, "gone"


def _queue(queue: QueueShape, mark: str, y: float, width: float) -> tuple[list[Markup], float]:
    traits = ["spot" if queue.spot else "on demand"]
    traits += ["placement group"] if queue.placement_group else []
    traits += [f"disk {_size(queue.disk.gib)}"]
    height = 44 + 44 * len(queue.nodes)
    parts = [
        _card(8, y, width - 16, height, _class_of(mark), f"Queue {queue.name}", " · ".join(traits), mark)
    ]
    for index, nodes in enumerate(queue.nodes):
        parts += _nodes(nodes, y + 52 + 44 * index)
    return parts, height


def _nodes(nodes: Nodes, y: float) -> Iterable[Markup]:
    types = " or ".join(nodes.instance_types) or "unknown type"
    efa = " · EFA" if nodes.efa else ""
    range_ = f"{nodes.least} to {nodes.most}" if nodes.least != nodes.most else f"{nodes.most}"
    yield Markup('<text class="small" x="24" y="{}">{}</text>').format(_n(y + 8), _fit(types + efa, 44))
    yield Markup('<text class="small muted" x="24" y="{}">{}</text>').format(
        _n(y + 23), _fit(f"{nodes.name}: {range_} nodes", 44)
    )
    shown = min(nodes.most, _MOST_SQUARES)
    for index in range(shown):
        kind = "standing" if index < nodes.least else "may"
        yield Markup('<rect class="{}" x="{}" y="{}" width="11" height="16" rx="2"/>').format(
            kind, _n(334 + index * 14), _n(y + 3)
        )
    if nodes.most > shown:
        yield Markup('<text class="small" x="{}" y="{}">+{}</text>').format(
            _n(338 + shown * 14), _n(y + 16), nodes.most - shown
        )


def _storage(shape: ClusterShape, y: float, width: float) -> tuple[list[Markup], float]:
    parts, x = [], 8.0
    tall = 0.0
    for mount in shape.mounts:
        if x + 240 > width:
            x, y, tall = 8.0, y + 64, tall + 64
        parts.append(_card(x, y, 236, 52, "store", mount.place, f"{mount.type} · {mount.name}", ""))
        x += 246
    return parts, tall + (52 if shape.mounts else 0)


def _card(
    x: float, y: float, width: float, height: float, kind: str, title: str, said: str, mark: str
) -> Markup:
    long = int((width - 20) / 7.4)
    return Markup(
        '<g class="card {}"><rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text class="strong" x="{}" y="{}">{}</text><text class="small muted" x="{}" y="{}">{}</text>{}</g>'
    ).format(
        *(kind, _n(x), _n(y), _n(width), _n(height)),
        *(_n(x + 12), _n(y + 22), _fit(title, long), _n(x + 12), _n(y + 40), _fit(said, long)),
        Markup('<text class="small end" x="{}" y="{}">{}</text>').format(
            _n(x + width - 12), _n(y + 22), _fit(mark, 34)
        )
        if mark
        else "",
    )


def _class_of(mark: str) -> str:
    return {"": "a-no-change", "new": "a-create", "gone": "a-delete"}.get(mark, "a-update")


def _size(gib: int | None) -> str:
    return f"{gib} GiB" if gib is not None else "as in the image"


def _svg(width: float, height: float, label: str, parts: Iterable[Markup], *, role: str = "img") -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}" role="{}" '
        'aria-label="{}">{}</svg>'
    ).format(_n(width), _n(height), _n(width), _n(height), role, printable(label), Markup("").join(parts))


def _fit(text: str, characters: int) -> str:
    text = printable(text)
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _n(value: float) -> str:
    """A coordinate without digits that nobody sees."""
    return f"{value:.1f}".removesuffix(".0")
