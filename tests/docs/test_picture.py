"""The README's picture: what stands on the screens, in its place and colour, from a real talk."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pyte

from tests.docs import picture
from tests.docs.screenshot import CELL, FAINT, INK, LINE, DimScreen, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*lines: str, columns: int = 20) -> ET.Element:
    """The picture of one window on which these were printed."""
    screen = DimScreen(columns, 4, history=10)
    pyte.Stream(screen).feed("\r\n".join(lines))
    root = ET.fromstring(svg([("title", screen)]))  # noqa: S314 - our own
    group = root.findall(f"{SVG}g")[-1].find(f"{SVG}g")
    assert group is not None
    return group


def texts(group: ET.Element) -> list[tuple[str | None, str | None]]:
    return [(text.text, text.get("fill")) for text in group.iter(f"{SVG}text")]


def test_text_is_drawn_in_its_cell_and_as_wide_as_it_was() -> None:
    (text,) = drawn("", "  日本 ok").iter(f"{SVG}text")
    assert text.text == "日本 ok"
    assert text.get("x") == f"{2 * CELL:.1f}"
    assert text.get("y") == f"{LINE + 14:g}"
    assert text.get("textLength") == f"{7 * CELL:.1f}"


def test_colours_of_every_kind_are_kept() -> None:
    line = "\x1b[31mred\x1b[0m \x1b[38;5;172morange\x1b[0m plain \x1b[2mdim\x1b[0m"
    assert texts(drawn(line, columns=40)) == [
        ("red", "#e06c75"),
        ("orange", "#d78700"),
        ("plain", INK),
        ("dim", FAINT),
    ]


def test_dim_ends_and_is_not_seen_in_a_colour_number() -> None:
    assert texts(drawn("\x1b[2ma\x1b[22mb", columns=40)) == [("a", FAINT), ("b", INK)]
    assert texts(drawn("\x1b[48;5;2mx", columns=40)) == [("x", INK)]


def test_reverse_has_paper_behind_it() -> None:
    group = drawn("\x1b[7m bar \x1b[0m")
    (behind,) = group.iter(f"{SVG}rect")
    assert behind.get("fill") == INK
    assert behind.get("width") == f"{5 * CELL:.1f}"


def test_markup_in_a_text_stays_text() -> None:
    assert texts(drawn("<b>&amp;</b>")) == [("<b>&amp;</b>", INK)]


def test_picture_shows_both_sides_of_a_real_talk(tmp_path: Path) -> None:
    root = ET.fromstring(picture.take(tmp_path))  # noqa: S314 - our own
    for window in root.findall(f"{SVG}g"):
        shown = "".join(text.text or "" for text in window.iter(f"{SVG}text")).replace(" ", "")
        assert "hibob!" in shown  # a mention is drawn apart, and so are spaces
        assert "none:mynodetalkstoyours" in shown
        assert str(tmp_path) not in shown


def test_picture_of_the_readme_is_one_that_this_makes() -> None:
    root = ET.fromstring(Path(__file__).parents[2].joinpath(picture.PICTURE).read_text())  # noqa: S314 - our own
    assert len(root.findall(f"{SVG}g")) == 2
