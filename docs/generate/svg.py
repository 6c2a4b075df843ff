"""Just enough SVG for our diagrams: boxes in boxes, texts, and arrows with labels.

The drawing carries its own colours for light and dark screens, and a title and a description for those who
do not see it. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

# Class -> fill and stroke on light screens, and on dark ones. Written out for each, since not every viewer
# knows CSS variables.
_COLOURS = {
    ".paper": (("#ffffff", "none"), ("#0d1117", "none")),
    ".account": (("#f6f8fa", "#8c959f"), ("#151b23", "#656c76")),
    ".vpc": (("#f6f2fd", "#8250df"), ("#1c1630", "#a371f7")),
    ".range": (("#eaf6ec", "#2da44e"), ("#11261a", "#3fb950")),
    ".thing": (("#ffffff", "#8c959f"), ("#0d1117", "#656c76")),
    ".kept": (("#fff5da", "#bf8700"), ("#2d240d", "#d29922")),
    ".group": (("none", "#59636e"), ("none", "#9198a1")),
    ".way": (("none", "#0969da"), ("none", "#58a6ff")),
    ".tip": (("#0969da", "none"), ("#58a6ff", "none")),
    "text": (("#1f2328", "none"), ("#e6edf3", "none")),
    ".small": (("#59636e", "none"), ("#9198a1", "none")),
    ".label": (("#0969da", "#ffffff"), ("#58a6ff", "#0d1117")),
}
_SHAPES = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
.title { font-weight: 600 }
.small { font-size: 11.5px }
.label { font-size: 11.5px; font-weight: 600; paint-order: stroke; stroke-width: 4px; stroke-linejoin: round }
.vpc { stroke-width: 1.5 }
.way { stroke-width: 1.6 }
.group { stroke-dasharray: 5 4 }
"""
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>'
)
Point = tuple[float, float]
LINE = 17
"""From one line of text to the next."""


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def centre(self) -> float:
        return self.x + self.width / 2


@dataclass
class Drawing:
    title: str
    description: str
    width: float
    height: float
    _parts: list[str] = field(default_factory=list)
    _above: list[str] = field(default_factory=list)

    def box(self, kind: str, box: Box, title: str = "", lines: list[str] | None = None) -> Box:
        """kind: account, vpc, range, thing, kept or group. What lies on top is drawn later."""
        place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
        self._parts.append(f'<rect class="{kind}" {place} rx="6"/>')
        if title:
            self._text("title", box.x + 12, box.y + 21, title)
        for number, line in enumerate(lines or [], 1 if title else 0):
            self._text("small", box.x + 12, box.y + 21 + LINE * number, line)
        return box

    def way(self, points: list[Point], label: str, *, at: Point, both: bool = False) -> None:
        """An arrow along the points, both ways when asked, and its label, which stands on `at`."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        begin = ' marker-start="url(#tip)"' if both else ""
        self._parts.append(f'<polyline class="way" points="{path}" marker-end="url(#tip)"{begin}/>')
        place = f'text-anchor="middle" x="{at[0]:g}" y="{at[1] - 5:g}"'
        self._above.append(_tag("text", label, f'class="label" {place}'))

    def note(self, x: float, y: float, text: str) -> None:
        self._text("small", x, y, text)

    def render(self) -> str:
        size = f'width="{self.width:g}" height="{self.height:g}"'
        view = f'viewBox="0 0 {self.width:g} {self.height:g}" {size}'
        named = 'role="img" aria-labelledby="title description"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {view} {named}>',
                _tag("title", self.title, 'id="title"'),
                _tag("desc", self.description, 'id="description"'),
                f"<style>{_SHAPES}{_colours(0)}",
                f"@media (prefers-color-scheme: dark) {{\n{_colours(1)}\n}}</style>",
                _TIP,
                f'<rect class="paper" {size}/>',
                *self._parts,
                *self._above,
                "</svg>",
                "",
            ]
        )

    def _text(self, kind: str, x: float, y: float, text: str) -> None:
        self._parts.append(_tag("text", text, f'class="{kind}" x="{x:g}" y="{y:g}"'))


def _tag(name: str, text: str, attributes: str) -> str:
    return f"<{name} {attributes}>{escape(text, quote=False)}</{name}>"


def _colours(screen: int) -> str:
    """Rules for light (0) or dark (1) screens."""
    pairs = ((name, both[screen]) for name, both in _COLOURS.items())
    return "\n".join(f"{name} {{ fill: {fill}; stroke: {stroke} }}" for name, (fill, stroke) in pairs)
