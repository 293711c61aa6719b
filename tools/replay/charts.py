"""Small bar charts as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT, FOOT, HEAD, LEFT = 640, 220, 26, 14, 8


def bars(labels: Sequence[str], values: Sequence[int], shown: Sequence[str], colour: str) -> Markup:
    """One bar per label, each with its value above it as `shown` writes it."""
    top = max([*values, 1])
    room = (WIDTH - 2 * LEFT) / max(len(labels), 1)
    parts = []
    for place, (label, value, text) in enumerate(zip(labels, values, shown, strict=True)):
        tall = round((HEIGHT - FOOT - HEAD) * value / top, 1)
        x, y, middle = LEFT + place * room, HEIGHT - FOOT - tall, LEFT + (place + 0.5) * room
        parts.append(
            f'<rect x="{x + room * 0.14:.1f}" y="{y:.1f}" width="{room * 0.72:.1f}" height="{tall}" rx="2"'
            f' fill="{escape(colour)}"><title>{escape(label)}: {escape(text)}</title></rect>'
            f'<text x="{middle:.1f}" y="{y - 3:.1f}" class="v">{escape(text)}</text>'
            f'<text x="{middle:.1f}" y="{HEIGHT - 8}" class="l">{escape(label)}</text>'
        )
    axis = f'<line x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}" class="a"/>'
    # Every part was made here from numbers and escaped text.
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{axis}{"".join(parts)}</svg>')
