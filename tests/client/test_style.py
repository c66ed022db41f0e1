"""Colour repeats what the text says, or is not there."""

from chatctl.style import PLAIN, Style, hue_of


def test_plain_style_adds_nothing() -> None:
    assert PLAIN.nick("ann", "k3f9") == "ann"
    assert PLAIN.dim("x") == PLAIN.warning("x") == "x"


def test_nick_colour_is_stable_and_by_identity() -> None:
    style = Style(256)
    assert style.nick("ann", "aaaa") == style.nick("ann", "aaaa")
    assert style.nick("ann", "aaaa") != style.nick("ann", "qqqq")
    assert style.nick("ann", "aaaa").endswith("mann\x1b[0m")


def test_nick_colour_on_a_plain_terminal_is_one_of_six() -> None:
    assert Style(8).nick("ann", "7777") == "\x1b[35mann\x1b[0m"


def test_hue_covers_the_circle_and_never_reaches_its_end() -> None:
    assert hue_of("aaaa") == 0
    assert 0.49 < hue_of("qaaa") < 0.51
    assert hue_of("7777") < 1
    assert hue_of("") == 0
    assert hue_of("!!!!") == 0
