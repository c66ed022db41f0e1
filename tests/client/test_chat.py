"""One chat over a scripted daemon: lines in, calls out, lines on a screen."""

import asyncio
import contextlib
import dataclasses
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatctl.failures import BadUsage, ClientFailure, DaemonUnreachable, ExitStatus, RpcRefused, TimedOut
from chatctl.invocation import Invocation
from chatctl.place import Place
from chatctl.repl import root
from chatctl.repl.chat import Chat
from chatctl.repl.commands import COMMANDS
from chatctl.repl.memory import Memory
from chatctl.repl.settings import ChatSettings
from chatctl.repl.unread import IDLE_S
from chatctl.stream import Stream
from chatctl.style import PLAIN
from tests.client.console import Console, Keyboard
from tests.client.fakechatd import (
    DEADLINE_S,
    OTHER_ID,
    PEER_ID,
    FakeChatd,
    Json,
    Refusal,
    fake_chatd,
    message,
    snapshot,
)

NOT_IN_ROOM = {
    "code": 1006,
    "message": "this node is not in #x",
    "data": {"kind": "not_in_room", "hint": "join it first: chatctl join '#x'"},
}


class FakeScreen:
    def __init__(self, *, one_room: bool = True, folds: bool = True) -> None:
        self.lines: list[str] = []
        self.columns: int | None = 80
        self.one_room = one_room
        self.folds = folds
        self.refreshed = 0
        self.rang = 0
        self._changed = asyncio.Event()

    def show(self, text: str) -> None:
        self.lines.append(text)
        self._changed.set()

    def clear(self) -> None:
        self.lines.clear()

    def bell(self) -> None:
        self.rang += 1
        self._changed.set()

    def refresh(self) -> None:
        self.refreshed += 1
        self._changed.set()

    async def wait_for(self, text: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while text not in "\n".join(self.lines):
                self._changed.clear()
                await self._changed.wait()


class Daemon:
    """Answers as chatd would, from what it holds."""

    def __init__(self) -> None:
        self.history: list[Json] = []
        self.found: Json = {}
        self.named: list[Json] = []
        self.state = "sent"
        self.changed = True
        self.error: Json | None = None

    def answer(self, method: str, params: Json) -> Any:
        if self.error is not None:
            return None
        match method:
            case "message.history":
                return self.history[-params["limit"] :]
            case "message.search":
                return self.found
            case "message.send":
                return {"id": "sent", "room": params["room"], "state": self.state}
            case "room.join" | "room.leave":
                return {"room": params["room"].removeprefix("#"), "changed": self.changed}
            case "identity.show":
                return snapshot()["identity"]
            case "message.pin" | "message.unpin":
                return {
                    "id": params["id"],
                    "room": "lobby",
                    "pinned": method == "message.pin",
                    "changed": True,
                }
            case "message.pins":
                return self.history
            case "peer.block" | "peer.unblock" | "peer.alias":
                alias = params.get("alias") or None
                return {
                    "peer_id": OTHER_ID,
                    "username": "bob",
                    "alias": alias,
                    "blocked": method == "peer.block",
                    "changed": self.changed,
                }
            case "peer.aliases":
                return self.named
            case "node.stats":
                return {"messages_sent": 3}
            case _:
                return []


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeChatd]:
    async with fake_chatd(tmp_path / "s") as running:
        running.snapshot = snapshot(rooms=("lobby", "tea"))
        yield running


@pytest.fixture
def daemon(fake: FakeChatd) -> Daemon:
    daemon = Daemon()
    fake.answer = daemon.answer
    return daemon


@pytest.fixture
def screen() -> FakeScreen:
    return FakeScreen()


@pytest.fixture
async def chat(fake: FakeChatd, daemon: Daemon, screen: FakeScreen) -> AsyncIterator[Chat]:
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen)
        watching = asyncio.create_task(chat.watch())
        yield chat
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def test_text_is_sent_to_the_room_we_talk_in(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    await chat.take("hello")
    await chat.take("/join tea")
    await chat.take("//tea?")
    sent = [params for method, params in fake.calls if method == "message.send"]
    assert len({params.pop("client_id") for params in sent}) == 2
    assert sent == [{"text": "hello", "room": "lobby"}, {"text": "/tea?", "room": "tea"}]
    assert screen.lines == []  # each shows when its event comes back


async def test_blank_line_is_nothing(chat: Chat, fake: FakeChatd) -> None:
    await chat.take("   ")
    assert [method for method, _ in fake.calls] == ["events.subscribe"]


async def test_being_alone_is_told_once(chat: Chat, daemon: Daemon, screen: FakeScreen) -> None:
    daemon.state = "queued"
    await chat.take("anyone?")
    await chat.take("no?")
    assert screen.lines == ["-- nobody in #lobby is connected; it goes out once somebody is"]
    daemon.state = "sent"
    await chat.take("oh, hello")
    daemon.state = "queued"
    await chat.take("gone again?")
    assert len(screen.lines) == 2


async def test_message_is_shown_once_though_it_is_in_the_history_too(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    daemon.history = [message(1, "old")["data"], message(2, "at the same time")["data"]]
    await chat.start()
    await fake.push(message(2, "at the same time"), message(3, "new"))
    await screen.wait_for(": new")
    assert [line.rpartition(": ")[2] for line in screen.lines if not line.startswith("--")] == [
        "old",
        "at the same time",
        "new",
    ]


async def test_own_message_is_heard_when_its_event_comes(chat: Chat, fake: FakeChatd) -> None:
    await chat.take("hello")
    await fake.push(message(1, id="sent", author=PEER_ID))
    async with asyncio.timeout(DEADLINE_S):
        await chat.echoes.all_heard()


async def test_history_of_a_room_is_shown_at_the_first_visit(
    chat: Chat, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.start()
    daemon.history = [message(1, "read me", room="tea")["data"]]
    daemon.changed = False
    for room in ("tea", "lobby", "tea"):
        await chat.take(f"/join {room}")
    assert sum("read me" in line for line in screen.lines) == 1
    await chat.take("/history 1")
    assert sum("read me" in line for line in screen.lines) == 2


async def test_every_command_answers(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    for name in ("help", "peers", "rooms", "stats", "id"):
        screen.lines.clear()
        await chat.take(f"/{name}")
        assert screen.lines, name
    await chat.take("/leave tea")
    await chat.take("/clear")
    assert screen.lines == []
    assert not chat.over
    await chat.take("/quit")
    assert chat.over


async def test_help_lists_every_command(chat: Chat, screen: FakeScreen) -> None:
    await chat.take("/help")
    for command in COMMANDS.values():
        assert command.usage in screen.lines[0]


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("/jion x", "there is no command /jion", "did you mean /join?"),
        ("/zzz", "there is no command /zzz", "/help lists"),
        ("/", "there is no command /", "/help lists"),
        ("/join", "which room", "/join rust"),
        ("/history x", "'x' is not a number of messages", "/history 50"),
        ("/history 0", "'0' is not a number of messages", "/history 50"),
        ("/quit now", "/quit takes nothing behind it", "type /quit alone, or //quit now to say it"),
        ("/stats all", "/stats takes nothing behind it", "//stats all"),
        ("/help me", "/help takes nothing behind it", "//help me"),
        ("/ids all", "'all' is not a number of messages", "/ids 5"),
        ("/history ²", "is not a number of messages", "/history 50"),
        ("caf\udce9", "not valid Unicode", "UTF-8"),
    ],
)
async def test_mistake_is_named_with_what_to_do(chat: Chat, line: str, error: str, hint: str) -> None:
    with pytest.raises(BadUsage) as wrong:
        await chat.take(line)
    assert error in str(wrong.value)
    assert hint in wrong.value.hint


async def test_room_that_cannot_be_read_is_an_error_and_not_the_end(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    fake.answer = lambda _m, _p: Refusal(NOT_IN_ROOM)
    await chat.start()
    assert screen.lines == ["!! this node is not in #x; come into it with /join #x"]
    fake.answer = lambda _m, _p: Refusal(NOT_IN_ROOM)
    with pytest.raises(RpcRefused):
        await chat.take("hello")


async def test_misshapen_answers_and_events_are_told(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    fake.answer = lambda _m, _p: [{"peer_id": 1}]
    with pytest.raises(ClientFailure, match="shape"):
        await chat.take("/peers")
    with pytest.raises(ClientFailure, match="shape"):
        await chat.take("hello")
    await fake.push({"seq": 1, "topic": "peer", "data": {}}, message(2, "goes on"))
    await screen.wait_for("goes on")
    assert "cannot show" in screen.lines[0]


async def test_text_fails_while_the_daemon_is_away(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    await fake.stop()
    await screen.wait_for("went away")
    with pytest.raises(DaemonUnreachable):
        await chat.take("hello")


async def test_search_shows_what_was_found_oldest_first(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    found = [message(number, f"kettle {number}")["data"] for number in (3, 2)]
    daemon.found = {"messages": found, "next": "1:2", "incomplete": False, "unindexed": 0}
    await chat.take("/search  kettle on ")
    assert ("message.search", {"query": "kettle on", "limit": 20}) in fake.calls
    assert [line.rpartition(" ")[2] for line in screen.lines[:2]] == ["2", "3"]
    assert screen.lines[2] == "-- there is more; chatctl search shows it"


async def test_search_without_words_says_how(chat: Chat) -> None:
    with pytest.raises(BadUsage, match="which words"):
        await chat.take("/search")


async def test_pin_takes_the_last_message_of_the_room_and_shows_it(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    with pytest.raises(BadUsage, match="nothing to pin"):
        await chat.take("/pin")
    daemon.history = [message(1, "first")["data"], message(2, "second")["data"]]
    await chat.take("/pin")
    assert fake.calls[-1] == ("message.pin", {"id": "id2"})
    assert screen.lines[-2].endswith("bob: second")
    assert screen.lines[-1] == "-- id2: pinned"
    await chat.take("/pin id1")
    assert fake.calls[-1] == ("message.pin", {"id": "id1"})


async def test_ids_shows_what_was_said_with_the_ids_that_pin_and_status_take(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.take("/ids")
    assert screen.lines[-1] == "-- nothing was said here yet"
    daemon.history = [message(1, "first")["data"], message(2, "second")["data"]]
    await chat.take("/ids 2")
    assert fake.calls[-1] == ("message.history", {"room": "lobby", "limit": 2})
    assert [line.split()[0] for line in screen.lines[-2:]] == ["id1", "id2"]


async def test_pins_are_shown_with_the_ids_that_unpin_takes(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.take("/pins")
    assert screen.lines[-1] == "-- nothing is pinned in #lobby; /pin pins what was said last"
    daemon.history = [message(1, "first")["data"]]
    await chat.take("/pins")
    assert fake.calls[-1] == ("message.pins", {"room": "lobby", "limit": 20})
    assert screen.lines[-1].startswith("id1 ")
    assert screen.lines[-1].endswith("bob: first")
    await chat.take("/unpin id1")
    assert screen.lines[-1] == "-- id1: no longer pinned"
    with pytest.raises(BadUsage, match="which message"):
        await chat.take("/unpin")


async def test_block_unblock_and_alias_ask_the_daemon_and_say_what_came_of_it(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.take("/block bob~zz27")
    await chat.take("/unblock bob~zz27")
    await chat.take("/alias old bob~zz27 Bobby")
    await chat.take("/alias Bobby -")
    assert [call for call in fake.calls if call[0].startswith("peer.")] == [
        ("peer.block", {"peer": "bob~zz27"}),
        ("peer.unblock", {"peer": "bob~zz27"}),
        ("peer.alias", {"peer": "old bob~zz27", "alias": "Bobby"}),
        ("peer.alias", {"peer": "Bobby", "alias": ""}),
    ]
    assert screen.lines == [
        f"-- blocked bob ({OTHER_ID[:10]})",
        f"-- unblocked bob ({OTHER_ID[:10]})",
        f"-- {OTHER_ID[:10]}, who goes by bob, is *Bobby to you",
        f"-- no name of yours for {OTHER_ID[:10]}, who goes by bob",
    ]


async def test_alias_alone_lists_the_names(chat: Chat, daemon: Daemon, screen: FakeScreen) -> None:
    await chat.take("/alias")
    assert screen.lines[-1].startswith("-- you gave nobody a name")
    daemon.named = [{"peer_id": OTHER_ID, "username": "bob", "alias": "Bobby", "blocked": False}]
    await chat.take("/alias")
    assert "*Bobby  bob" in screen.lines[-1]


@pytest.mark.parametrize("line", ["/block", "/unblock", "/alias bob~zz27"])
async def test_people_commands_without_their_argument_say_how(chat: Chat, line: str) -> None:
    with pytest.raises(BadUsage, match=r"whom|which name"):
        await chat.take(line)


async def test_who_shows_the_members_of_this_room_or_another(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    here = {"peer_id": PEER_ID, "username": "ann", "state": "here", "last_seen_s": 0.0, "you": True}
    fake.answer = lambda _method, _params: [here]

    await chat.take("/who")
    await chat.take("/who tea")

    assert fake.calls[-2:] == [("room.members", {"room": "lobby"}), ("room.members", {"room": "tea"})]
    assert "ann (you)  here" in screen.lines[-1]


async def test_nick_asks_for_another_name_and_says_how_long_it_lasts(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    fake.answer = lambda _method, params: {"username": params["username"], "changed": True}

    await chat.take("/nick anna b")

    assert fake.calls[-1] == ("node.rename", {"username": "anna b"})
    assert screen.lines[-1].startswith("-- until the daemon starts again")
    with pytest.raises(BadUsage, match="which name"):
        await chat.take("/nick")


# Beginning


@pytest.mark.parametrize("reads", [True, False])
async def test_chat_begins_though_more_has_happened_than_is_kept_unread(
    fake: FakeChatd, daemon: Daemon, tmp_path: Path, reads: bool
) -> None:
    fake.snapshot = snapshot(rooms=("lobby", "tea"))
    fake.after_subscribe = [message(seq, f"text {seq}.", room="tea") for seq in range(1, 1501)]
    daemon.history = [event["data"] for event in fake.after_subscribe[:1300]]
    console = Console(variables={"HOME": str(tmp_path)}, stdin=b"hi\n")
    env = console.environment()
    if reads:
        env = dataclasses.replace(env, stdin=Keyboard(console.stdin))
    told = Invocation("chat", env)
    told.socket = str(fake.path)
    async with asyncio.timeout(DEADLINE_S):
        status = await root._chat(told, ChatSettings(), "tea", plain=True)
    assert status == ExitStatus.OK
    assert isinstance(env.stdout, io.StringIO)
    shown = env.stdout.getvalue()
    assert "text 1500." in shown
    assert shown.count("text 1300.") == shown.count("text 1301.") == 1


# Rooms one at a time


@pytest.mark.parametrize("line", ["/leave", ""])
async def test_room_one_lands_in_is_opened_wherever_the_other_was_left(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen, line: str
) -> None:
    left = {"seq": 0, "topic": "room", "data": {"room": "tea", "state": "left"}}

    async def leave() -> None:
        """Its event comes before its answer."""
        fake.answer = lambda method, params: None if method == "room.leave" else daemon.answer(method, params)
        leaving = asyncio.create_task(chat.take(line))
        await fake.called("room.leave")
        number = fake.last_id
        await fake.push(left)
        await screen.wait_for("you talk in #lobby now")
        answer = {"jsonrpc": "2.0", "id": number, "result": {"room": "tea", "changed": True}}
        await fake.sockets[0].send_json(answer)
        await leaving

    await chat.go("tea")
    daemon.history = [message(1, "meanwhile")["data"]]
    await fake.push(message(1, "meanwhile"), message(2, "here", room="tea"))
    await screen.wait_for("here")
    assert chat.reading.unread.of("lobby").messages == 1
    await (leave() if line else fake.push(left))
    await screen.wait_for("bob: meanwhile")
    assert "\n".join(screen.lines).count("meanwhile") == 1
    assert chat.reading.unread.of("lobby").messages == 0
    assert chat.conversation.room == "lobby"


async def test_room_that_could_not_be_opened_is_opened_once_the_daemon_answers(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    """What waited there is neither shown without its older ones, nor counted as read."""
    await chat.start()
    daemon.history = [message(1, "must be seen", room="tea")["data"]]
    await fake.push(message(1, "must be seen", room="tea"), message(2, "for here"))
    await screen.wait_for("for here")
    silent = {"message.history"}
    fake.answer = lambda method, params: None if method in silent else daemon.answer(method, params)
    chat.stream._timeout_s = 0.05
    with pytest.raises(TimedOut):
        await chat.go("tea")
    assert chat.reading.unread.of("tea").messages == 1

    chat.stream._timeout_s = DEADLINE_S
    fake.answer = daemon.answer
    daemon.history.append(message(3, "later", room="tea")["data"])
    await fake.push(message(3, "later", room="tea"))
    await screen.wait_for("later")
    shown = "\n".join(screen.lines)
    assert shown.index("must be seen") < shown.index("later")
    assert shown.count("later") == shown.count("must be seen") == 1
    assert chat.reading.unread.of("tea").messages == 0


async def test_message_of_another_room_is_counted_and_shown_on_the_way_there(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.start()
    daemon.history = [message(1, "for tea", room="tea")["data"]]
    await fake.push(daemon_event := message(1, "for tea", room="tea"), message(2, "for here"))
    await screen.wait_for("for here")
    assert "for tea" not in "\n".join(screen.lines)
    assert chat.reading.unread.of("tea").messages == 1
    await chat.go("tea")
    assert screen.lines[-3:] == ["-- you talk in #tea now", "---- 1 new ----", screen.lines[-1]]
    assert screen.lines[-1].endswith("bob: for tea")
    assert chat.reading.unread.of("tea").messages == 0
    assert daemon_event["data"]["room"] == chat.conversation.room


async def test_room_seen_before_shows_only_what_came_since(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.start()
    daemon.history = [message(1, "seen", room="tea")["data"]]
    await chat.go("tea")
    daemon.history = []
    await chat.go("lobby")
    screen.clear()
    daemon.history = [message(1, "seen", room="tea")["data"], message(3, "missed", room="tea")["data"]]
    await fake.push(message(3, "missed", room="tea"), message(4, "for here"))
    await screen.wait_for("for here")
    await chat.go("tea")
    shown = "\n".join(screen.lines)
    assert shown.count("missed") == 1
    assert "seen" not in shown


async def test_late_message_that_is_not_among_the_last_is_told(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.go("tea")
    await chat.go("lobby")
    await fake.push(message(9, "from long ago", room="tea"), message(10, "for here"))
    await screen.wait_for("for here")
    await chat.go("tea")  # its history holds only what is newer
    assert screen.lines[-1] == "---- 1 new, from long ago; /history shows more ----"


async def test_history_that_is_fetched_page_by_page_does_not_stand_below_what_was_said_after_it(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    noon_ms = message(1)["data"]["time_ms"]
    page = [message(seq, f"said {seq}", time_ms=noon_ms - 9000 + seq) for seq in range(2, 40)]
    await fake.push(message(1, "newest"), *page, message(40, "ann, this is new", time_ms=noon_ms + 1))
    await screen.wait_for("38 older messages came in #lobby; /history 100 shows them in their place")
    assert len(screen.lines) == 3 + 1
    second = message(41, "second", time_ms=noon_ms - 5000)
    await fake.push(second, message(42, "first", time_ms=noon_ms - 6000))
    await screen.wait_for("second")
    assert screen.lines[-3] == "-- said before, and only here now:"
    assert [line.rpartition(": ")[2] for line in screen.lines[-2:]] == ["first", "second"]


async def test_late_mention_in_another_room_is_counted_and_not_quoted(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    noon_ms = message(1)["data"]["time_ms"]
    await chat.take("/join tea")
    await fake.push(message(1, "newest", room="tea"))
    await screen.wait_for("newest")
    await chat.take("/join lobby")
    old = message(2, "ann?", room="tea", time_ms=noon_ms - 1)
    await fake.push(old, message(3, "here"))
    await screen.wait_for("here")
    assert chat.reading.unread.of("tea").mentions == 1
    assert "ann?" not in "".join(screen.lines)
    assert screen.rang == 0


async def test_mentions_of_last_night_in_a_room_not_opened_yet_are_counted(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    await fake.push(*(message(seq, "ann?", room="tea") for seq in range(1, 51)), message(51, "here"))
    await screen.wait_for("here")
    assert chat.reading.unread.of("tea").mentions == 50
    assert "ann?" not in "".join(screen.lines)


async def test_what_waits_to_be_told_is_not_read_yet(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    noon_ms = message(1)["data"]["time_ms"]
    old = message(2, "old", time_ms=noon_ms - 1)
    await fake.push(message(1, "newest"), old, message(3, "newer", time_ms=noon_ms + 1))
    await screen.wait_for("newer")
    assert chat.reading.unread.mark("lobby") == 1
    chat.tell()
    assert chat.reading.unread.mark("lobby") == 3


async def going_to_tea(chat: Chat, fake: FakeChatd, daemon: Daemon) -> "asyncio.Task[None]":
    """On the way: the room's history is asked for, and not answered yet."""
    asked = asyncio.Event()

    def answer(method: str, params: Json) -> Any:
        asked.set()
        return None if method == "message.history" else daemon.answer(method, params)

    fake.answer = answer
    going = asyncio.create_task(chat.go("tea"))
    await asked.wait()
    return going


async def answer_last(fake: FakeChatd, result: Any) -> None:
    await fake.sockets[0].send_json({"jsonrpc": "2.0", "id": fake.last_id, "result": result})


async def test_history_that_is_fetched_while_a_room_opens_is_folded_too(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    newest = message(1, "newest", room="tea")["data"]
    going = await going_to_tea(chat, fake, daemon)
    before_ms = newest["time_ms"] - 1
    await fake.push(*(message(seq, "before", room="tea", time_ms=before_ms) for seq in range(2, 40)))
    await answer_last(fake, [newest])
    await going
    await screen.wait_for("38 older messages came in #tea")
    assert "before" not in "".join(screen.lines).replace("-- said before", "")


async def test_failure_of_what_is_told_in_time_ends_the_watch(fake: FakeChatd, screen: FakeScreen) -> None:
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen)
        watching = asyncio.create_task(chat.watch())
        await fake.push(message(1, "newest"))
        await screen.wait_for("newest")

        def full(_: str) -> None:
            raise OSError("no space left")

        screen.show = full  # type: ignore[assignment, method-assign]
        await fake.push(message(2, "old", time_ms=message(1)["data"]["time_ms"] - 1))
        with pytest.raises(OSError, match="no space left"):
            await asyncio.wait_for(watching, DEADLINE_S)


async def test_message_that_comes_while_a_room_opens_is_shown_once_behind_its_history(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    history = [message(1, "old", room="tea")["data"], message(2, "both", room="tea")["data"]]
    going = await going_to_tea(chat, fake, daemon)
    await fake.push(message(2, "both", room="tea"), message(3, "new", room="tea"))
    await answer_last(fake, history)
    await going
    assert [line.rpartition(": ")[2] for line in screen.lines if ": " in line] == ["old", "both", "new"]


async def test_mention_elsewhere_is_told_and_rings(chat: Chat, fake: FakeChatd, screen: FakeScreen) -> None:
    now_ms = time.time_ns() // 1_000_000
    asked = message(1, "hi @Ann, tea?", room="tea", time_ms=now_ms)
    await fake.push(asked, message(2, "annoying", room="tea", time_ms=now_ms))
    await screen.wait_for("names you")
    assert screen.lines == ["-- bob names you in #tea: hi @Ann, tea?"]
    assert screen.rang == 1
    await fake.push(message(3, "ann ann", room="tea"), message(4, "Ann!"))
    await screen.wait_for("Ann!")
    assert screen.rang == 1  # not twice within a moment
    assert chat.reading.unread.of("tea").mentions == 2


async def test_unread_of_earlier_chats_is_counted(
    fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    fake.snapshot = snapshot(seq=10, rooms=("lobby", "tea", "new"))
    daemon.history = [
        message(3, "read", room="tea")["data"],
        message(7, "ann?", room="tea")["data"],
        message(8, "mine", room="tea", author=PEER_ID)["data"],
        message(11, "told by its event", room="tea")["data"],
    ]
    memory = Memory({"tea": 5}, {})
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen, memory=memory)
        await chat.reading.count_unread()
    count = chat.reading.unread.of("tea")
    assert (count.messages, count.mentions) == (1, 1)
    assert memory.read == {"lobby": 10, "tea": 5, "new": 10}  # where nobody looked yet, nothing is new


async def test_new_messages_of_the_first_room_stand_under_a_rule(
    fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    fake.snapshot = snapshot(seq=40)
    daemon.history = [message(number, f"text {number}")["data"] for number in range(1, 41)]
    memory = Memory({"lobby": 5}, {})
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen, memory=memory)
        await chat.start()
    rule = screen.lines.index("---- 35 new ----")
    assert screen.lines[rule + 2].endswith("text 6")  # under the date
    assert memory.read["lobby"] == 40


async def test_plain_screen_shows_all_rooms_as_it_comes(fake: FakeChatd, daemon: Daemon) -> None:
    screen = FakeScreen(one_room=False)
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen)
        watching = asyncio.create_task(chat.watch())
        await fake.push(message(1, "hello", room="tea"))
        await screen.wait_for("#tea bob: hello")
        watching.cancel()


async def test_plain_screen_shows_nothing_again_when_its_room_is_opened(
    fake: FakeChatd, daemon: Daemon
) -> None:
    screen = FakeScreen(one_room=False)
    fake.snapshot["seq"] = 1
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen)
        watching = asyncio.create_task(chat.watch())
        await fake.push(message(2, "as it came", room="tea"))
        await screen.wait_for("as it came")
        daemon.history = [
            message(seq, text, room="tea")["data"] for seq, text in ((1, "old"), (2, "as it came"))
        ]
        await chat.take("/join tea")
        await screen.wait_for("old")
        await chat.take("/history 1")
        watching.cancel()
    said = [line.rpartition(": ")[2] for line in screen.lines if "bob: " in line]
    assert said == ["as it came", "old", "as it came"]  # the last one because it was asked for


async def test_program_gets_each_late_message_and_a_reader_of_plain_lines_their_number(
    fake: FakeChatd, daemon: Daemon
) -> None:
    noon_ms = message(1)["data"]["time_ms"]
    late = [message(seq, f"said {seq}", room="tea", time_ms=noon_ms - 1) for seq in range(2, 40)]
    for screen in (FakeScreen(one_room=False, folds=False), FakeScreen(one_room=False)):
        async with Stream(Place(str(fake.path), ("chatd",))) as stream:
            chat = Chat(stream, await stream.open(), PLAIN, screen)
            watching = asyncio.create_task(chat.watch())
            await fake.push(message(1, "newest", room="tea"), *late, message(40, "end"))
            await screen.wait_for("end")
            chat.tell()
            watching.cancel()
        text = "\n".join(screen.lines)
        assert text.count(": said ") == (0 if screen.folds else 38)
        told = "-- 38 older messages came in #tea; /join tea and /history 100 shows them in their place"
        assert (told in screen.lines) is screen.folds


async def test_plain_screen_takes_nothing_for_read_that_came_before_it(
    fake: FakeChatd, daemon: Daemon
) -> None:
    screen = FakeScreen(one_room=False)
    fake.snapshot = snapshot(seq=40, rooms=("lobby", "tea", "rust"))
    memory = Memory({"tea": 5, "rust": 40})
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen, memory=memory)
        watching = asyncio.create_task(chat.watch())
        await fake.push(message(41, "more", room="tea"), message(42, "first", room="rust"))
        await screen.wait_for("first")
        watching.cancel()
    assert memory.read["tea"] == 5
    assert memory.read["rust"] == 42


async def test_who_and_what_is_there_is_asked_for_after_a_gap(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    await chat.go("tea")
    member = {"peer_id": OTHER_ID, "username": "bob", "last_seen_s": 0.0}
    now: Json = {
        "peer.list": [{"peer_id": OTHER_ID, "username": "bob"}],
        "room.list": [{"room": room, "members": [member]} for room in ("lobby", "new")],
    }
    fake.answer = lambda method, params: now.get(method) or daemon.answer(method, params)
    await fake.push({"seq": 0, "topic": "gap", "data": {"since": 0, "upto": 9}})
    await screen.wait_for("you talk in #lobby now")
    assert chat.conversation.rooms == ["lobby", "new"]
    assert chat.conversation.peers == 1
    assert chat.conversation.people("new") == [(OTHER_ID, "bob")]


async def test_comings_and_goings_are_folded_and_told_in_time(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    def event(name: str, state: str, room: str = "lobby") -> Json:
        data = {"room": room, "peer_id": name * 13, "username": name, "state": state}
        return {"seq": 0, "topic": "presence", "data": data}

    await fake.push(event("bobb", "joined"), event("carl", "joined"), event("dora", "joined", "tea"))
    await screen.wait_for("#lobby came in: bobb, carl")
    assert "dora" not in "\n".join(screen.lines)
    await fake.push(event("bobb", "left"), message(1, "bye", author="bobb" * 13, username="bobb"))
    await screen.wait_for("bye")
    assert screen.lines[-3] == "-- bobb left #lobby"  # before what they say later


async def test_text_that_may_have_been_sent_is_repeated_under_the_same_id(
    chat: Chat, fake: FakeChatd, daemon: Daemon
) -> None:
    fake.answer = lambda _method, _params: None
    chat.stream._timeout_s = 0.1
    with pytest.raises(TimedOut):
        await chat.take("once")
    fake.answer = daemon.answer
    chat.stream._timeout_s = DEADLINE_S
    await chat.take("once")
    await chat.take("once")
    ids = [params["client_id"] for method, params in fake.calls if method == "message.send"]
    assert ids[0] == ids[1] != ids[2]


async def test_text_that_came_back_is_another_message_when_it_is_said_again(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    fake.answer = lambda _method, _params: None
    chat.stream._timeout_s = 0.1
    with pytest.raises(TimedOut):
        await chat.take("ok")
    fake.answer = daemon.answer
    chat.stream._timeout_s = DEADLINE_S
    await fake.push(message(1, "ok", author=PEER_ID))
    await screen.wait_for(": ok")
    await chat.take("ok")
    ids = [params["client_id"] for method, params in fake.calls if method == "message.send"]
    assert ids[0] != ids[1]


async def test_links_that_end_with_our_own_daemon_are_not_told(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    lost = {"peer_id": OTHER_ID, "username": "bob", "address": "a:1", "state": "down", "reason": "stopping"}
    await fake.push({"seq": 1, "topic": "peer", "data": lost})
    await fake.stop()
    await screen.wait_for("went away")
    chat.tell()
    assert screen.lines == ["-- the daemon went away; waiting for it to come back"]


async def test_what_was_said_at_one_moment_is_put_in_order_without_a_word(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    noon_ms = message(1)["data"]["time_ms"]
    await fake.push(message(1, "second"), message(2, "first", time_ms=noon_ms - 100))
    await screen.wait_for("first")
    assert not [line for line in screen.lines if "said before" in line]


async def test_each_of_several_messages_that_may_have_been_sent_keeps_its_id(
    chat: Chat, fake: FakeChatd, daemon: Daemon, screen: FakeScreen
) -> None:
    fake.answer = lambda _method, _params: None
    chat.stream._timeout_s = 0.1
    for text in ("one", "two"):
        with pytest.raises(TimedOut):
            await chat.take(text)
    fake.answer = daemon.answer
    chat.stream._timeout_s = DEADLINE_S
    await chat.take("three")
    for _ in range(2):
        await chat.take("one")
        await chat.take("two")
    said = [
        (params["text"], params["client_id"]) for method, params in fake.calls if method == "message.send"
    ]
    assert [text for text, _ in said] == ["one", "two", "three", "one", "two", "one", "two"]
    assert said[3:5] == said[:2]
    assert not set(said[5:]) & set(said[:5])


async def test_message_that_cannot_have_left_is_not_remembered_as_sent(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    await fake.stop()
    await screen.wait_for("went away")
    with pytest.raises(DaemonUnreachable):
        await chat.take("hello")
    assert not chat._saying._unsure


async def test_action_is_sent_as_text_and_status_is_asked_for(
    chat: Chat, fake: FakeChatd, screen: FakeScreen
) -> None:
    await chat.take("/me waves")
    assert fake.calls[-1][1]["text"] == "/me waves"
    with pytest.raises(BadUsage, match="what do you do"):
        await chat.take("/me")
    await fake.push(message(1, "/me waves"), message(2, "/me"), message(3, "/meow x"))
    await screen.wait_for("/meow")
    assert [line[6:] for line in screen.lines[-3:]] == ["* bob waves", "bob: /me", "bob: /meow x"]
    state = {
        "id": "abc",
        "room": "lobby",
        "state": "sent",
        "confirmed": 0,
        "confirmed_by": [],
        "reason": None,
    }
    fake.answer = lambda _method, _params: state
    await chat.take("/status abc")
    assert fake.calls[-1] == ("message.status", {"id": "abc"})
    assert "sent" in screen.lines[-1]


async def test_first_message_after_a_while_without_keys_is_ruled_off(
    fake: FakeChatd, screen: FakeScreen
) -> None:
    now = 0.0
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen, clock=lambda: now)
        watching = asyncio.create_task(chat.watch())
        now = IDLE_S + 1
        await fake.push(message(1, "first"), message(2, "second"))
        await screen.wait_for("second")
        assert screen.lines.count("---- new while you were away ----") == 1
        assert screen.lines[-2].endswith("first")
        chat.attend()
        await fake.push(message(3, "third"))
        await screen.wait_for("third")
        assert screen.lines.count("---- new while you were away ----") == 1
        watching.cancel()


@pytest.mark.parametrize("room", ["lobby", "tea"])
async def test_known_name_with_another_key_is_loud_wherever_it_turns_up(
    fake: FakeChatd, screen: FakeScreen, room: str
) -> None:
    memory = Memory({}, {"bob": ["bobb" * 13]})
    async with Stream(Place(str(fake.path), ("chatd",))) as stream:
        chat = Chat(stream, await stream.open(), PLAIN, screen, memory=memory)
        watching = asyncio.create_task(chat.watch())
        data = {"room": room, "peer_id": OTHER_ID, "username": "Bob", "state": "joined"}
        await fake.push({"seq": 0, "topic": "presence", "data": data}, message(1, "it is me", username="Bob"))
        await screen.wait_for("it is me")
        watching.cancel()
    warning = "!! Bob~zz27 is not the Bob you knew, who is Bob~bobb: the key is another"
    assert screen.lines.count(warning) == 1
    assert screen.lines[0] == warning
    assert memory.names["bob"] == ["bobb" * 13, OTHER_ID]
