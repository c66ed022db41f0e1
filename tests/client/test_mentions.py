"""Where somebody's name is marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.mentions import names
from chatctl.mentions import MAX_FOUND, spans


@pytest.mark.parametrize(
    ("text", "name", "places"),
    [
        ("ann and @ann", "ann", [(0, 3), (8, 12)]),
        ("(ANN)", "Ann", [(1, 4)]),
        ("annoyed joann bob@ann.example ann_b ann1", "ann", []),
        ("c++ is here", "C++", [(0, 3)]),
        ("a.b", "a*b", []),
        ("hi a\u0308nn", "\u00e4nn", [(3, 7)]),
        ("今日は@健太さん", "健太", [(4, 6)]),
        ("anything", "", []),
    ],
)
def test_places_are_found(text: str, name: str, places: list[tuple[int, int]]) -> None:
    assert spans(text, name) == places
    assert not name or names(text, name) is bool(places)


def test_flood_of_a_name_is_cut() -> None:
    assert len(spans("ann " * 1000, "ann")) == MAX_FOUND


@given(st.text(), st.text(max_size=20))
def test_any_text_and_name_do(text: str, name: str) -> None:
    for start, end in spans(text, name):
        assert 0 <= start < end <= len(text)
