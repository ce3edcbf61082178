"""A flame graph as SVG: no script, nothing fetched; the whole name of a frame is its tooltip. Pure."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape

WIDTH = 1200
ROW = 17
LETTER = 6.6
"""Width of a letter, in the units of the graph."""
LEAST_WIDTH = 0.6
"""Narrower frames are left out: they could not be seen."""
MAX_DEPTH = 80


@dataclass(slots=True)
class Node:
    """A frame under those that called it; ``weight`` is what it and all below it took."""

    name: str
    weight: float = 0.0
    below: "dict[str, Node]" = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many rows it takes."""
        return 1 + max((one.depth for one in self.below.values()), default=0)


def tree(stacks: Iterable[tuple[Iterable[str], float]], name: str) -> Node:
    """Return the tree of stacks (outermost frame first) with their weights."""
    root = Node(name)
    for frames, weight in stacks:
        node = root
        node.weight += weight
        for frame in list(frames)[:MAX_DEPTH]:
            node = node.below.setdefault(frame, Node(frame))
            node.weight += weight
    return root


def svg(root: Node, unit: str) -> str:
    """Return the graph, the root at its top; ``unit`` is what weights are told in."""
    height = root.depth * ROW
    head = f'<svg viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg" role="img" class="flame">'
    scale = WIDTH / root.weight if root.weight else 0.0
    return "\n".join([head, *_boxes(root, (0.0, 0), scale, unit), "</svg>"])


def _boxes(node: Node, place: tuple[float, int], scale: float, unit: str) -> Iterator[str]:
    x, row = place
    width = node.weight * scale
    if width < LEAST_WIDTH:
        return
    letters = int((width - 4) / LETTER)
    label = node.name if len(node.name) <= letters else f"{node.name[: letters - 1]}…" if letters > 3 else ""
    y = row * ROW
    yield (
        f'<g><title>{escape(node.name)}: {node.weight:.2f} {unit}</title><rect x="{x:.1f}" y="{y}" '
        f'width="{width:.1f}" height="{ROW - 1}" fill="{_colour(node.name)}"/>'
        f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(label)}</text></g>'
    )
    for one in sorted(node.below.values(), key=lambda below: -below.weight):
        yield from _boxes(one, (x, row + 1), scale, unit)
        x += one.weight * scale


def _colour(name: str) -> str:
    """Return a warm colour that a name always has."""
    mark = zlib.crc32(name.encode())
    return f"hsl({10 + mark % 45} 85% {66 + mark // 64 % 12}%)"
