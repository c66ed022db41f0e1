"""Columns that line up by the cells a terminal gives each character, and that fit its width."""

from collections.abc import Sequence

from chatctl.style import PLAIN, Style

GAP = "  "
ELLIPSIS = "…"
MIN_COLUMN_CELLS = 4
MAX_CHARS_PER_CELL = 8
"""A letter with its marks, or a family of joined signs; a text with more of them is cut."""

KEPT_TAIL_CHARS = len("]:65535")


def cells(text: str) -> int:
    """How many terminal cells a clean line takes."""
    if text.isascii():
        return len(text)
    import wcwidth  # noqa: PLC0415 - its tables cost 30 ms to load

    return max(wcwidth.wcswidth(text), 0)


def cut(text: str, width: int) -> str:
    """At most `width` cells; an ellipsis stands for what is left out."""
    most = max(width, 0) * MAX_CHARS_PER_CELL
    if len(text) <= most and cells(text) <= width:
        return text
    kept, used = [], 0
    for char in text[:most]:
        used += cells(char)
        if used > width - 1:
            break
        kept.append(char)
    while kept and cells("".join(kept)) > width - 1:  # signs that are wider together
        kept.pop()
    return "".join(kept) + ELLIPSIS if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """As `cut`, with the last cells kept too: an address keeps its port."""
    if cells(text) <= width or width <= 2 * KEPT_TAIL_CHARS:
        return cut(text, width)
    tail = text[-KEPT_TAIL_CHARS:]
    return cut(text, width - cells(tail)) + tail


def pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int | None = None,
    style: Style = PLAIN,
    *,
    middle: str | None = None,
) -> str:
    """Rows of clean lines under a header. `columns` is the terminal's width; None cuts nothing.

    The column called `middle` is cut in the middle.
    """
    widths = [max(cells(line[at]) for line in (header, *rows)) for at in range(len(header))]
    if columns is not None:
        widths = _fit(widths, columns - len(GAP) * (len(widths) - 1))
    at = header.index(middle) if middle in header else -1
    rows = [[cut_middle(cell, widths[at]) if i == at else cell for i, cell in enumerate(row)] for row in rows]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([style.dim(_line(header, widths)), *lines])


def left_out(names: Sequence[str], columns: int | None, style: Style = PLAIN) -> str:
    """Stands under a table that a narrow terminal shows without some of its columns."""
    text = f"(no room for {', '.join(names)}: a wider terminal shows more, --json all)"
    return style.dim(text if columns is None else cut(text, columns))


def pairs(rows: Sequence[tuple[str, str]], style: Style = PLAIN) -> str:
    """Names and values, the values below each other."""
    width = max((cells(name) for name, _ in rows), default=0)
    return "\n".join(f"{style.dim(pad(name, width))}{GAP}{value}".rstrip() for name, value in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(pad(cut(cell, width), width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _fit(widths: list[int], room: int) -> list[int]:
    """Takes from the widest column until all fit, or none has anything left to give."""
    widths = list(widths)
    while sum(widths) > room and max(widths) > MIN_COLUMN_CELLS:
        widths[widths.index(max(widths))] -= 1
    return widths
