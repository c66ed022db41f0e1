"""Columns line up by cells, and fit."""

import pytest

from chatctl.table import MAX_CHARS_PER_CELL, cells, cut, cut_middle, pairs, table


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("👩", 2), ("", 0)]
)
def test_cells_are_what_a_terminal_gives(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 4, "日…"), ("abc", 0, "")]
)
def test_cut_fits(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert cells(cut(text, width)) <= width


@pytest.mark.parametrize("text", ["\u0941" * 16_384, "a" + "\u0301" * 16_384, "日\u0301\u0302" * 5000])
def test_cut_of_a_long_text_looks_at_little_of_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(part: str) -> int:
        nonlocal looked
        looked += len(part)
        return cells(part)

    monkeypatch.setattr("chatctl.table.cells", counted)
    shown = cut(text, 60)
    assert len(shown) <= 60 * MAX_CHARS_PER_CELL + 1
    assert shown.endswith("…")
    assert looked <= 3 * 60 * MAX_CHARS_PER_CELL


@pytest.mark.parametrize("text", ["❤\ufe0f" * 9, "👨\u200d👩\u200d👧" * 9, "🇩🇪" * 9])
def test_cut_of_joined_signs_fits(text: str) -> None:
    for width in range(1, 12):
        assert cells(cut(text, width)) <= width


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (27, "[2001:db8:85a3::8a2]:8080"),
        (20, "[2001:db8:85…2]:8080"),
        (15, "[2001:d…2]:8080"),
        (14, "[2001:db8:85a…"),
    ],
)
def test_cut_in_the_middle_keeps_a_port_where_there_is_room(width: int, shown: str) -> None:
    assert cut_middle("[2001:db8:85a3::8a2]:8080", width) == shown


def test_columns_line_up_under_wide_characters() -> None:
    lines = table(["NICK", "X"], [["日本語", "1"], ["bo", "2"]]).splitlines()
    assert lines == ["NICK    X", "日本語  1", "bo      2"]


@pytest.mark.parametrize("columns", [30, 40, 60])
def test_table_fits_its_terminal(columns: int) -> None:
    rows = [["a-rather-long-nick", "x" * 40, "y"], ["b", "日本語" * 9, "z" * 8]]
    for line in table(["ONE", "TWO", "THREE"], rows, columns).splitlines():
        assert cells(line) <= columns


def test_table_for_a_pipe_cuts_nothing() -> None:
    assert "x" * 300 in table(["ONE"], [["x" * 300]])


def test_pairs_put_values_below_each_other() -> None:
    assert pairs([("a", "1"), ("long", ""), ("b", "2")]) == "a     1\nlong\nb     2"
    assert pairs([]) == ""
