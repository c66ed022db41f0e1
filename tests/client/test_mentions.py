"""Where somebody is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatctl.mentions import MAX_FOUND, names, spans


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "hi ann!",
        "@ann: look",
        "(Ann)",
        "ANN?",
        "to ann, and bob",
        "who is @Ann",
        "ann's tea",
        "日 ann 本",
    ],
)
def test_name_as_a_word_is_a_mention(text: str) -> None:
    assert names(text, "ann")


@pytest.mark.parametrize(
    "text", ["", "annoyed", "joann", "bob@ann.example", "ann_b", "an n", "ann1", "@@ann"]
)
def test_name_inside_of_another_word_is_none(text: str) -> None:
    assert not names(text, "ann")


def test_name_of_signs_spaces_or_marks_is_found() -> None:
    assert names("c++ is here", "C++")
    assert names("hi ann b.", "Ann B")
    assert names("hi a\u0308nn", "\u00e4nn")
    assert not names("a.b", "a*b")
    assert not names("anything", "")


def test_places_are_told_with_their_at_sign() -> None:
    assert spans("ann and @ann", "ann") == [(0, 3), (8, 12)]


def test_flood_of_a_name_is_cut() -> None:
    assert len(spans("ann " * 1000, "ann")) == MAX_FOUND


@given(st.text(), st.text(max_size=20))
def test_any_text_and_name_do(text: str, name: str) -> None:
    for start, end in spans(text, name):
        assert 0 <= start < end <= len(text)
