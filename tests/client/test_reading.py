"""`history` and `search` on the command line and in the chat."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chatcore.api import MAX_HISTORY, SearchPage
from chatctl import render
from chatctl.commands import reading
from chatctl.failures import BadUsage
from chatctl.moments import moment
from chatctl.nicks import Nicks
from chatctl.style import Style
from tests.client.console import Console
from tests.client.fakechatd import message
from tests.support.daemon import Daemon

COUNT = 12
UNTIL_2096 = 4_000_000_000_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("reading") / "node") as running:
        running.call("room.join", room="tea")
        for number in range(COUNT):
            running.call("message.send", room="tea", text=f"Straße number {number}")
        yield running


def shown(console: Console) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in console.out.splitlines()]


# history


def test_history_takes_the_room_with_and_without_a_flag(console: Console) -> None:
    assert console.chatctl("history", "tea", "-n", "2") == 0
    assert shown(console) == [10, 11]
    assert console.chatctl("history", "--room", "#Tea", "-n", "2") == 0
    assert shown(console) == [10, 11]
    assert console.chatctl("history", "tea", "--room", "tea") == 3
    assert "two rooms" in console.error


def test_history_goes_back_and_on_from_a_message(console: Console) -> None:
    console.chatctl("history", "tea", "--json")
    messages = json.loads(console.out)
    assert console.chatctl("history", "tea", "--before", messages[5]["id"], "-n", "2") == 0
    assert shown(console) == [3, 4]
    assert console.chatctl("history", "tea", "--after", messages[5]["id"][:10], "-n", "2") == 0
    assert shown(console) == [6, 7]
    assert console.chatctl("history", "tea", "--after", str(messages[5]["time_ms"]), "-n", "1") == 0
    assert shown(console) == [5]
    assert console.chatctl("history", "tea", "--before", "2020-01-01") == 0
    assert console.out == ""
    assert console.chatctl("history", "tea", "--after", "2020-01-01", "--before", str(UNTIL_2096)) == 0
    assert shown(console) == list(range(COUNT))


def test_history_all_goes_through_every_page(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PAGE", 5)
    monkeypatch.setattr(reading.pages, "__defaults__", (5,))
    assert console.chatctl("history", "tea", "--all") == 0
    assert shown(console) == list(range(COUNT))
    assert console.chatctl("history", "tea", "--all", "--json") == 0
    texts = [json.loads(line)["text"] for line in console.out.splitlines()]
    assert texts == [f"Straße number {number}" for number in range(COUNT)]
    assert console.chatctl("history", "tea", "-n", "11") == 0
    assert shown(console) == list(range(1, COUNT))
    assert console.chatctl("history", "tea", "-n", "7", "--after", "2020-01-01") == 0
    assert shown(console) == list(range(7))


def test_history_of_more_than_a_page_is_one_document(console: Console) -> None:
    assert console.chatctl("history", "tea", "-n", str(10 * MAX_HISTORY), "--json") == 0
    assert len(json.loads(console.out)) == COUNT


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--all", "-n", "5"], 3, "--all shows everything"),
        (["--before", "yesterdayish"], 3, "neither a message id nor a time"),
        (["--before", "ab" * 32], 1, "there is no message abab"),
        (["--before", "2020-01-01", "--after", "2021-01-01"], 1, "`before` is earlier than `after`; swap"),
        (["--all", "--room", "nowhere"], 1, "not in #nowhere"),
        (["-n", "0"], 3, ""),
    ],
)
def test_history_says_what_is_wrong(console: Console, arguments: list[str], status: int, says: str) -> None:
    assert console.chatctl("history", *arguments) == status
    assert says in console.error


ZONE = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=ZONE)),
        ("2026-03-01 18:30", datetime(2026, 3, 1, 18, 30, tzinfo=ZONE)),
        ("2026-03-01T18:30:00Z", datetime(2026, 3, 1, 18, 30, tzinfo=UTC)),
        ("1772535600000", 1_772_535_600_000),
        ("1772535600", "1772535600"),
        ("3f9a0c81d2", "3f9a0c81d2"),
        ("12:34", "12:34"),
    ],
)
def test_moment_is_an_id_or_a_time_here(text: str, value: object) -> None:
    wanted = int(value.timestamp() * 1000) if isinstance(value, datetime) else value
    assert moment(text, ZONE) == wanted


@pytest.mark.parametrize("text", ["", "soon", "3f9a", "3F9A0C81D2", "2026-13-01", "f" * 65, "-5"])
def test_moment_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(BadUsage, match="neither a message id nor a time"):
        moment(text)


# search


def test_search_shows_the_newest_first_and_how_to_go_on(console: Console) -> None:
    assert console.chatctl("search", "STRASSE", "num*", "-n", "5") == 0
    assert shown(console) == [11, 10, 9, 8, 7]
    assert "#tea ann" in console.out
    place = re.search(r"the same with --before (\S+)$", console.error)
    assert place
    assert console.chatctl("search", "strasse", "num*", "--before", place[1]) == 0
    assert shown(console) == [6, 5, 4, 3, 2, 1, 0]
    assert console.err == ""


def test_search_in_one_room_by_one_person(console: Console) -> None:
    assert console.chatctl("search", "number", "3", "--room", "tea", "--author", "ann") == 0
    assert shown(console) == [3]
    assert "#tea" not in console.out
    assert console.chatctl("search", "number", "3", "--room", "lobby") == 0
    assert console.error == "chatctl: nothing found"
    assert console.chatctl("search", "number", "--after", str(UNTIL_2096)) == 0
    assert console.out == ""


def test_search_json_is_the_daemon_s_document(console: Console) -> None:
    assert console.chatctl("search", "3", "--json") == 0
    page = json.loads(console.out)
    assert [found["text"] for found in page["messages"]] == ["Straße number 3"]
    assert page["next"] is None


def test_search_marks_what_it_found_on_a_terminal_only(console: Console) -> None:
    console.terminal, console.variables = True, {"TERM": "xterm"}
    assert console.chatctl("search", "strasse", "3") == 0
    assert "\x1b[1;4mStraße\x1b[0m number \x1b[1;4m3\x1b[0m" in console.out
    assert console.chatctl("search", "strasse", "3", "--no-color") == 0
    assert "\x1b" not in console.out
    assert "\ue000" not in console.out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 3, "missing argument"),
        (["!!"], 1, "there is no word to search for"),
        ([""], 1, "there is no word to search for"),
        (["\x00\x1b"], 1, "there is no word to search for"),
        (["caf\udce9"], 3, "not valid UTF-8"),
        (["x", "--room", "nowhere"], 1, "not in #nowhere"),
        (["x", "-n", "1001"], 1, "'limit' must be 1 to 1000"),
        (["word"] * 10_000, 1, "at most 1024 are taken"),
    ],
)
def test_search_says_what_is_wrong(console: Console, arguments: list[str], status: int, says: str) -> None:
    assert console.chatctl("search", *arguments) == status
    assert says.lower() in console.error.lower()


def test_found_text_cannot_reach_the_terminal() -> None:
    shown = message(1, "\x1b[31mtea\ue001 \ue000ti\u0301me\n\u202etea")["data"]
    lines = render.found([shown], "tea time", Nicks(), Style(8), zone=UTC)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", lines[0])
    assert bare == "2026-03-03 11:00:00 #lobby bob: [31mtea tíme\n    tea".replace("í", "i\u0301")
    assert lines[0].count("\x1b[1;4m") == 2


def test_search_notes_say_what_was_not_looked_at() -> None:
    shown = message(1)["data"]
    page: SearchPage = {"messages": [], "next": None, "incomplete": True, "unindexed": 1234}
    assert render.search_notes(page) == [
        "nothing found",
        "1,234 messages are not indexed yet and were not searched; try again",
    ]
    page = {"messages": [shown], "next": None, "incomplete": True, "unindexed": 0}
    (note,) = render.search_notes(page)
    assert note.startswith("older messages may be missing")
