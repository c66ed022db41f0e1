"""Where the daemon is looked for, and what the terminal takes."""

import io

import pytest

from chatctl.env import Environment
from chatctl.place import locate
from tests.client.console import Screen


@pytest.mark.parametrize(
    ("home", "socket", "variables", "found", "start"),
    [
        ("/h", None, {"CHATD_HOME": "/e"}, "/h/chatd.sock", "chatd --home /h"),
        (None, None, {"CHATD_HOME": "/e"}, "/e/chatd.sock", "chatd --home /e"),
        ("/h", "/s", {}, "/s", "chatd --home /h --socket /s"),
        (None, "/s", {}, "/s", "chatd --socket /s"),
        (None, "/a b", {"CHATD_HOME": "/e"}, "/a b", "chatd --home /e --socket '/a b'"),
        (None, None, {"CHATD_SOCKET": "/es", "CHATD_HOME": "/e"}, "/es", "chatd --home /e --socket /es"),
        ("/h", None, {"CHATD_SOCKET": "/es"}, "/h/chatd.sock", "chatd --home /h"),
        ("", "", {"CHATD_SOCKET": "/es"}, "/es", "chatd --socket /es"),
        ("/a b", None, {}, "/a b/chatd.sock", "chatd --home '/a b'"),
        (None, None, {"HOME": "/u"}, "/u/.local/state/chatd/chatd.sock", "chatd"),
        (None, None, {"HOME": "/u", "XDG_STATE_HOME": "/x"}, "/x/chatd/chatd.sock", "chatd"),
        (None, None, {"HOME": "/u", "XDG_RUNTIME_DIR": "/run/1"}, "/run/1/chatd/chatd.sock", "chatd"),
    ],
)
def test_flags_win_over_the_environment_over_the_default(
    home: str | None, socket: str | None, variables: dict[str, str], found: str, start: str
) -> None:
    place = locate(home, socket, variables)
    assert (place.socket, place.start) == (found, start)


def test_lock_is_that_of_a_home_that_was_named() -> None:
    assert locate("/h", "/s", {}).lock == "/h/chatd.lock"
    assert locate("/h", None, {}).lock == "/h/chatd.lock"
    assert locate(None, None, {"HOME": "/u"}).lock == "/u/.local/share/chatd/chatd.lock"
    assert locate(None, "/s", {"HOME": "/u"}).lock is None


@pytest.mark.parametrize(
    ("variables", "colours"),
    [
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, 256),
        ({"TERM": "xterm"}, 8),
        ({"TERM": "dumb"}, 0),
        ({}, 0),
        ({"TERM": "xterm", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm", "NO_COLOR": ""}, 8),
    ],
)
def test_colours_are_those_of_the_terminal(variables: dict[str, str], colours: int) -> None:
    on_terminal = Environment(io.BytesIO(), Screen(), io.StringIO(), variables)
    assert on_terminal.colours() == colours
    assert on_terminal.colours(wanted=False) == 0
    assert Environment(io.BytesIO(), io.StringIO(), io.StringIO(), variables).colours() == 0


def test_columns_are_known_on_a_terminal_only() -> None:
    assert Environment(io.BytesIO(), Screen(), io.StringIO(), {}).columns() == 80
    assert Environment(io.BytesIO(), io.StringIO(), io.StringIO(), {}).columns() is None


def test_latin_1_does_not_take_unicode() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), "latin-1")
    assert not Environment(io.BytesIO(), latin, io.StringIO(), {}).takes_unicode()
    utf8 = io.TextIOWrapper(io.BytesIO(), "UTF-8")
    assert Environment(io.BytesIO(), utf8, io.StringIO(), {}).takes_unicode()
