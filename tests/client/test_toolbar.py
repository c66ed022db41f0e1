"""The line below the prompt."""

import re

import pytest

from chatctl.repl.toolbar import RoomState, State, toolbar
from chatctl.repl.unread import Count
from chatctl.style import PLAIN, Style
from chatctl.table import cells

ROOMS = [
    RoomState("lobby", Count(), current=True),
    RoomState("tea", Count(messages=5)),
    RoomState("rust", Count(messages=2, mentions=1)),
]


def state(**fields: object) -> State:
    return State(**{"rooms": ROOMS, "peers": 4, "lag_ms": 12.3, "last": "delivered to 2", **fields})  # type: ignore[arg-type]  # a test's own fields


def test_rooms_news_peers_lag_and_the_last_message_are_shown() -> None:
    line = toolbar(state(), PLAIN, 80)
    assert line.startswith("1:*lobby  2:tea 5  3:rust 2 @1  ")
    assert line.endswith("4 peers 12 ms  delivered to 2")
    assert len(line) == 80


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"peers": 0}, "no peers"),
        ({"peers": 1, "lag_ms": None}, "1 peer "),
        ({"lag_ms": 2340.0}, "4 peers 2.3 s"),
        ({"away": True}, "daemon away"),
    ],
)
def test_state_of_the_network_is_told(fields: dict[str, object], shown: str) -> None:
    assert shown in toolbar(state(**fields), PLAIN, 80)


def test_last_message_goes_first_where_the_terminal_is_narrow() -> None:
    line = toolbar(state(), PLAIN, 50)
    assert "delivered" not in line
    assert "3:rust 2 @1" in line


def test_rooms_without_news_go_before_the_others() -> None:
    quiet = [RoomState(f"quiet{number}", Count()) for number in range(20)]
    rooms = [*quiet, RoomState("here", Count(), current=True), RoomState("named", Count(1, 1))]
    line = toolbar(state(rooms=rooms), PLAIN, 60)
    assert "*here" in line
    assert "named 1 @1" in line
    assert "1:quiet0" in line
    assert "quiet19" not in line
    assert "  >  " in line


@pytest.mark.parametrize("columns", [1, 5, 10, 20, 33, 40, 79, 200])
@pytest.mark.parametrize("style", [PLAIN, Style(8)])
def test_line_never_outgrows_the_terminal(columns: int, style: Style) -> None:
    rooms = [*ROOMS, RoomState("日本語", Count(1)), RoomState("x\x1b[2J", Count())]
    line = toolbar(state(rooms=rooms, last="refused"), style, columns)
    text = re.sub(r"\x1b\[[0-9;]*m", "", line)
    assert cells(text) <= columns
    assert "\x1b" not in text
