"""What reaches a terminal cannot act on it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatctl.safetext import MAX_STACKED, clean_line, clean_text, escape_json, without_controls

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ZERO_WIDTHS = "\u200b\u2060\u2061\u2064\ufeff\u00ad\u034f\u180e\u3164\u115f"
NASTY = BIDI + ZERO_WIDTHS + "\x1b\x9b\n\r\ta\u200d\u200c👩می\ufe0f"
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from(NASTY))
VISIBLE = st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\u3164\u115f\u1160\uffa0")


def assert_harmless(text: str) -> None:
    for char in text:
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"), ascii(text)
        assert char not in BIDI + ZERO_WIDTHS, ascii(text)
        assert not 0xE0000 <= ord(char) <= 0xE0FFF, ascii(text)
    text.encode()  # a lone surrogate could not be written


@given(ANY_TEXT)
def test_text_of_anything_is_harmless_and_stays_so(text: str) -> None:
    cleaned = clean_text(text)
    assert_harmless(cleaned)
    assert clean_text(cleaned) == cleaned


@given(ANY_TEXT)
def test_line_of_anything_is_one_line_without_joiners(text: str) -> None:
    cleaned = clean_line(text)
    assert_harmless(cleaned)
    assert "\n" not in cleaned
    assert "\u200d" not in cleaned
    assert "\u200c" not in cleaned
    assert cleaned == cleaned.strip()
    assert clean_line(cleaned) == cleaned


@given(st.text(VISIBLE))
def test_text_of_visible_characters_is_kept(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07hi", "[2J]0;titlehi"),
        ("\x9b31mred", "31mred"),
        ("one\r\ntwo\u2028three", "one\ntwo\nthree"),
        ("safe\roverwritten", "safeoverwritten"),
        ("\tindented", "    indented"),
        ("a\u202eb", "ab"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("👨\u200d\u200d👩", "👨👩"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\u200db", "ab"),
        ("\ud800x", "x"),
        ("e\u0301" + "\u0316\u0301" * 50 + "!", "e\u0301" + "\u0316\u0301" * 2 + "\u0316!"),
        ("ก" + "็" * 50, "ก" + "็" * MAX_STACKED),
        ("Việt בְּרֵאשִׁית กี่ นี้", "Việt בְּרֵאשִׁית กี่ นี้"),
    ],
)
def test_text_is_cleaned(raw: str, shown: str) -> None:
    assert clean_text(raw) == shown


MARKS = [char for char in map(chr, range(0x110000)) if unicodedata.category(char) in ("Mn", "Me")]


def test_no_mark_of_unicode_piles_up() -> None:
    for mark in MARKS:
        assert len(clean_text("a" + mark * 50)) <= 1 + MAX_STACKED, ascii(mark)
        assert len(clean_line("a" + mark * 50)) <= 1 + MAX_STACKED, ascii(mark)


@given(st.lists(st.sampled_from(MARKS), min_size=MAX_STACKED + 1, max_size=50))
def test_marks_of_several_kinds_do_not_pile_up_either(marks: list[str]) -> None:
    assert len(clean_text("a" + "".join(marks) + "b")) <= MAX_STACKED + 2


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("  ann \n\t bob ", "ann bob"),
        ("a\u00a0\u2003b", "a b"),
        ("a \u200b b", "a b"),
        ("x\ufe0f", "x"),
        ("", ""),
    ],
)
def test_line_is_cleaned(raw: str, shown: str) -> None:
    assert clean_line(raw) == shown


@given(st.dictionaries(ANY_TEXT, ANY_TEXT), st.sampled_from([None, 2]))
def test_json_is_harmless_and_says_the_same(value: dict[str, str], indent: int | None) -> None:
    document = escape_json(json.dumps(value, ensure_ascii=False, indent=indent))
    assert_harmless(document.replace("\u200d", "").replace("\u200c", ""))
    assert "\u200d" not in document
    assert json.loads(document) == value


def test_typed_text_loses_controls_only() -> None:
    assert (
        without_controls("a\x00\x1a\x1b[1m\r\x7f\x9bb\tc\nd \u202e👩\u200d👧")
        == "a[1mb\tc\nd \u202e👩\u200d👧"
    )
