"""What a typed line means."""

import pytest

from chatctl.repl.lines import Call, Say, parse


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", Say("hello")),
        (" /indented", Say(" /indented")),
        ("//x", Say("/x")),
        ("///x", Say("//x")),
        ("/quit", Call("quit", "")),
        ("/JOIN  #Tea ", Call("join", "#Tea")),
        ("/", Call("", "")),
        ("", None),
        ("  \n", None),
    ],
)
def test_line_is_parsed(line: str, meaning: Say | Call | None) -> None:
    assert parse(line) == meaning
