"""A terminal's screen as SVG: what stands in pyte's cells, with its colours, in windows side by side.

Pure: screens in, text out. Each run of text is told its width, so that it lines up in any fixed-width font.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyte

FACE = 'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace"'
CELL, LINE, FONT = 8.4, 19.0, 14
MARGIN, BAR, GAP = 12.0, 30.0, 16.0

INK, PAPER, FRAME, FAINT = "#d8dee9", "#1c2129", "#2b323d", "#8a94a6"
COLOURS = {
    "black": "#1c2129",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#d9b36c",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d8dee9",
    "dim": FAINT,
}
"""By pyte's names; whatever has a number of its own is six hex digits there."""

DIM, NORMAL = 2, 22
EXTENDED = {38: 2, 48: 2}
"""SGR numbers with a colour behind them: `38;5;N`, of which N may look like another number."""


class DimScreen(pyte.HistoryScreen):
    """Pyte leaves out SGR 2, and much of what we print is dim: here it is a colour."""

    def select_graphic_rendition(self, *attrs: int, **kwargs: Any) -> None:
        super().select_graphic_rendition(*attrs, **kwargs)
        pending = list(attrs)
        while pending:
            number = pending.pop(0)
            if number in EXTENDED:
                del pending[: EXTENDED[number]]
            elif number == DIM and self.cursor.attrs.fg == "default":
                self.cursor.attrs = self.cursor.attrs._replace(fg="dim")
            elif number == NORMAL and self.cursor.attrs.fg == "dim":
                self.cursor.attrs = self.cursor.attrs._replace(fg="default")


@dataclass(frozen=True, slots=True)
class _Look:
    ink: str
    paper: str
    bold: bool
    italic: bool
    line: bool


def svg(windows: Sequence[tuple[str, pyte.Screen]]) -> str:
    """Titles and their screens, from left to right."""
    widths = [screen.columns * CELL + 2 * MARGIN for _, screen in windows]
    height = max(screen.lines for _, screen in windows) * LINE + BAR + 2 * MARGIN
    width = sum(widths) + GAP * (len(windows) - 1)
    box = f'viewBox="0 0 {width:g} {height:g}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {box} {FACE} font-size="{FONT}">']
    left = 0.0
    for (title, screen), own in zip(windows, widths, strict=True):
        parts += [f'<g transform="translate({left:g} 0)">', *_window(title, screen, own, height), "</g>"]
        left += own + GAP
    return "\n".join([*parts, "</svg>", ""])


def _window(title: str, screen: pyte.Screen, width: float, height: float) -> Iterator[str]:
    yield f'<rect width="{width:g}" height="{height:g}" rx="9" fill="{FRAME}"/>'
    yield f'<rect y="{BAR:g}" width="{width:g}" height="{height - BAR - 9:g}" fill="{PAPER}"/>'
    yield f'<rect y="{height - 20:g}" width="{width:g}" height="20" rx="9" fill="{PAPER}"/>'
    for number, colour in enumerate(("#e06c75", "#d9b36c", "#98c379")):
        yield f'<circle cx="{18 + 18 * number}" cy="{BAR / 2:g}" r="5.5" fill="{colour}"/>'
    yield (
        f'<text x="{width / 2:g}" y="{BAR / 2 + 5:g}" fill="{FAINT}" text-anchor="middle">'
        f"{escape(title)}</text>"
    )
    yield f'<g transform="translate({MARGIN:g} {BAR + MARGIN:g})">'
    for y in range(screen.lines):
        yield from _row(screen, y)
    yield "</g>"


def _row(screen: pyte.Screen, y: int) -> Iterator[str]:
    # The second half of a wide character is an empty cell.
    cells = [(x, screen.buffer[y][x]) for x in range(screen.columns)]
    for look, group in groupby(cells, key=lambda cell: _look(cell[1])):
        run = list(group)
        text = "".join(char.data for _, char in run)
        left, wide = run[0][0] * CELL, len(run) * CELL
        if look.paper != PAPER:
            yield (
                f'<rect x="{left:.1f}" y="{y * LINE:g}" width="{wide:.1f}" height="{LINE:g}" '
                f"fill={quoteattr(look.paper)}/>"
            )
        if not text.strip() and not look.line:
            continue
        yield _text(text, run[0][0], len(run), y, look)


def _text(text: str, x: int, cells: int, y: int, look: _Look) -> str:
    # Spaces around a run need no place in the picture; a font may give them another width.
    lead = len(text) - len(text.lstrip(" "))
    cells -= lead + len(text) - len(text.rstrip(" "))
    x, text = x + lead, text.strip(" ")
    extra = ' font-weight="bold"' if look.bold else ""
    extra += ' font-style="italic"' if look.italic else ""
    extra += ' text-decoration="underline"' if look.line else ""
    return (
        f'<text x="{x * CELL:.1f}" y="{y * LINE + 14:g}" textLength="{cells * CELL:.1f}" '
        f'lengthAdjust="spacingAndGlyphs" fill={quoteattr(look.ink)}{extra} xml:space="preserve">'
        f"{escape(text)}</text>"
    )


def _look(char: Any) -> _Look:
    ink, paper = _colour(char.fg, INK), _colour(char.bg, PAPER)
    if char.reverse:
        ink, paper = paper, ink
    return _Look(ink, paper, char.bold, char.italics, char.underscore)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    found = COLOURS.get(name.removeprefix("bright"))
    return found or f"#{name}"
