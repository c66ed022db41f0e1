"""What is pasted."""

import pytest

from chatctl.repl.pasting import MAX_PASTE_CHARS, Pending, TooMuch, pasted


@pytest.mark.parametrize(("data", "text"), [("word", "word"), ("line\r\n", "line"), ("\n\n", ""), ("", "")])
def test_one_line_goes_into_the_line(data: str, text: str) -> None:
    assert pasted(data, "a", "b") == text


@pytest.mark.parametrize("data", ["one\ntwo\n", "one\r\ntwo", "\rone\rtwo\r\r"])
def test_several_lines_are_asked_about(data: str) -> None:
    pending = pasted(data, "see: ", "!")
    assert pending == Pending("see: ", "one\ntwo", "!")
    assert isinstance(pending, Pending)
    assert pending.text == "see: one\ntwo!"
    assert pending.question.startswith("2 lines pasted: send them as one message?")


def test_file_dropped_by_mistake_is_refused() -> None:
    with pytest.raises(TooMuch):
        pasted("x" * (MAX_PASTE_CHARS + 1), "", "")


def test_second_paste_before_the_answer_stands_behind_the_first() -> None:
    pending = pasted("one\ntwo", "see: ", "!")
    assert isinstance(pending, Pending)
    assert pending.and_then("three\r\nfour\r\n") == Pending("see: ", "one\ntwo\nthree\nfour", "!")
    with pytest.raises(TooMuch):
        pending.and_then("x" * MAX_PASTE_CHARS)
