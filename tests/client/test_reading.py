"""`history` and `search` on the command line and in the chat."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from chatcore.api import MAX_HISTORY, SearchPage
from chatctl import render
from chatctl.commands import reading
from chatctl.failures import BadUsage, RpcRefused
from chatctl.limits import MAX_PAGE
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
    assert console.chatctl("history", "tea", "--all") == 0
    assert shown(console) == list(range(COUNT))
    assert console.chatctl("history", "tea", "--all", "--json") == 0
    texts = [json.loads(line)["text"] for line in console.out.splitlines()]
    assert texts == [f"Straße number {number}" for number in range(COUNT)]
    assert console.chatctl("history", "tea", "-n", "11") == 0
    assert shown(console) == list(range(1, COUNT))
    assert console.chatctl("history", "tea", "-n", "7", "--after", "2020-01-01") == 0
    assert shown(console) == list(range(7))


class Row:
    """A daemon that tells of a long row of messages that are not shown, behind the second message."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def call(self, _: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(params)
        if params["after"] == 0 and params["limit"] > 2:
            data = {"kind": reading.MUCH_NOT_SHOWN, "found": 2, "upto": "b" * 64}
            raise RpcRefused(1023, "a very long row", data["kind"], "", data)  # type: ignore[arg-type]  # a str
        if params["after"] == "b" * 64:
            data = {"kind": reading.MUCH_NOT_SHOWN, "found": 0, "upto": "c" * 64}
            raise RpcRefused(1023, "a very long row", data["kind"], "", data)  # type: ignore[arg-type]  # a str
        return [{"id": "1"}, {"id": "2"}] if params["after"] == 0 else [{"id": "3"}]


def test_pages_go_on_behind_a_long_row_that_is_not_shown(console: Console) -> None:
    row = Row()
    told = SimpleNamespace(rpc=lambda: row)
    found = list(reading.pages(told, {"after": 0}, 5))  # type: ignore[arg-type]  # all that it uses of it
    assert found == [[{"id": "1"}, {"id": "2"}], [{"id": "3"}]]
    assert [params["after"] for params in row.asked] == [0, 0, "b" * 64, "c" * 64]


def test_every_limit_may_be_more_than_a_page(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PAGE", 5)
    assert console.chatctl("search", "number", "-n", "11") == 0
    assert shown(console) == list(range(COUNT - 1, 0, -1))
    assert "--before" in console.error
    assert console.chatctl("search", "number", "-n", "1000000", "--json") == 0
    page = json.loads(console.out)
    assert (len(page["messages"]), page["next"]) == (COUNT, None)
    assert console.chatctl("tail", "--room", "tea", "-n", "11") == 0
    assert shown(console) == list(range(1, COUNT))
    assert console.chatctl("pins", "--room", "tea", "-n", "1000000") == 0


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
        ("170000000000:34", "170000000000:34"),
    ],
)
def test_moment_is_an_id_or_a_time_here(text: str, value: object) -> None:
    wanted = int(value.timestamp() * 1000) if isinstance(value, datetime) else value
    assert moment(text, ZONE) == wanted


@pytest.mark.parametrize(("text", "hour"), [("15:02", 15), ("0:02", 0), ("9:02", 9)])
def test_hour_alone_is_one_of_today(text: str, hour: int) -> None:
    now = datetime(2026, 3, 1, 18, 30, 5, 7, ZONE)
    assert moment(text, ZONE, now) == datetime(2026, 3, 1, hour, 2, tzinfo=ZONE).timestamp() * 1000


@pytest.mark.parametrize("text", ["24:00", "7:60"])
def test_hour_there_is_not_goes_to_the_daemon_as_no_hour(text: str) -> None:
    with pytest.raises(BadUsage, match="neither a message id nor a time"):
        moment(text)


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


@pytest.mark.parametrize("word", ["می", "خواهم", "نمی", "x"])
def test_found_text_keeps_the_joiners_that_a_history_shows(word: str) -> None:
    text = "می\u200cخواهم x\u200dy 👨\u200d👩 \ufe07"
    lines = render.found([message(1, text)["data"]], word, Nicks(), Style(8), zone=UTC)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", lines[0])
    assert bare.endswith("bob: می\u200cخواهم xy 👨\u200d👩 ")


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


def test_page_is_as_large_as_the_daemon_gives() -> None:
    assert MAX_PAGE == MAX_HISTORY
