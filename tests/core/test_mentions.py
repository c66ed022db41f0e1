"""Whether a text names somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import BadName
from chatcore.mentions import names
from chatcore.names import username


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ann", "ann"),
        ("@ann", "ann"),
        ("ANN!", "ann"),
        ("hi, Ann: tea?", "ann"),
        ("(ann)", "ann"),
        ("ask ann", "Ann"),
        ("for ann\nand bob", "ann"),
        ("ask ann lee about it", "Ann Lee"),
        ("STRASSE wins", "straße"),
        ("ｆｕｌｌ width", "full"),
        ("@zoë", "zoe\u0308"),
        ("see a.b", "a.b"),
        ("is it c++?", "c++"),
        ("[x] did it", "[x]"),
        ("今日は@健太さん", "健太"),
        ("健太さん", "健太"),
    ],
)
def test_name_is_found_as_a_word(text: str, name: str) -> None:
    assert names(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "ann"),
        ("annual", "ann"),
        ("joann", "ann"),
        ("bob@ann", "ann"),
        ("mail bob@ann.example", "ann"),
        ("ann_lee", "ann"),
        ("ann2", "ann"),
        ("ask lee", "Ann Lee"),
        ("zoe", "zoë"),
        ("axb", "a.b"),
    ],
)
def test_part_of_something_else_is_no_name(text: str, name: str) -> None:
    assert not names(text, name)


@given(st.text(max_size=40), st.text(min_size=1, max_size=8))
def test_any_text_and_any_username_have_an_answer(text: str, name: str) -> None:
    try:
        name = username(name)
    except BadName:
        return
    assert names(text, name) in (True, False)
    assert names(f"{text} {name} {text}", name) or names(f"@{name}", name)
