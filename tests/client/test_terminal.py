"""The keys of the terminal, fed by a pipe to prompt-toolkit without a real terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.output import DummyOutput

from chatctl.place import Place
from chatctl.repl import pasting
from chatctl.repl.chat import Chat
from chatctl.repl.terminal import Terminal
from chatctl.stream import Stream
from chatctl.style import PLAIN
from tests.client.fakechatd import DEADLINE_S, PEER_ID, FakeChatd, fake_chatd, message, snapshot
from tests.client.test_chat import Daemon, FakeScreen

CTRL_C, CTRL_D, CTRL_O, UP, ENTER = "\x03", "\x04", "\x0f", "\x1b[A", "\r"
CTRL_E, CTRL_G, CTRL_Q, CTRL_Z, ESCAPE, F5 = "\x05", "\x07", "\x11", "\x1a", "\x1b", "\x1b[15~"
CTRL_N, CTRL_P, CTRL_R, ALT_A = "\x0e", "\x10", "\x12", "\x1ba"


def pasted(text: str) -> str:
    """As a terminal brackets it."""
    return f"\x1b[200~{text}\x1b[201~"


async def nothing() -> None:
    """A chat that begins with nothing to do."""


class Person:
    """Types into a running terminal and watches what comes of it."""

    def __init__(self, fake: FakeChatd, terminal: Terminal, screen: FakeScreen, keys: PipeInput) -> None:
        self.fake = fake
        self.terminal = terminal
        self.screen = screen
        self._keys = keys

    def type(self, text: str) -> None:
        self._keys.send_text(text)

    @property
    def line(self) -> str:
        return self.terminal.session.default_buffer.text

    async def recalls(self, start: str) -> None:
        """With as many presses of Up as it takes: the lines before load beside the next prompt."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.line.startswith(start):
                self.type(UP)
                await asyncio.sleep(0.05)

    async def sees(self, condition: Callable[[], bool]) -> None:
        """What is awaited changes with the prompt's next turn."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - prompt-toolkit has no event for a key it has handled
                await asyncio.sleep(0.005)

    def never_answered(self) -> None:
        self.fake.answer = lambda _method, _params: None
        self.terminal._chat.stream._timeout_s = 0.3

    async def history_loaded(self) -> None:
        """The prompt's next turn after a line was entered or cleared."""
        await self.sees(
            lambda: not self.line and len(self.terminal.session.default_buffer._working_lines) > 1
        )

    def said(self) -> list[str]:
        return [params["text"] for method, params in self.fake.calls if method == "message.send"]


@pytest.fixture
async def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def person(tmp_path: Path, daemon: Daemon) -> AsyncIterator[Person]:
    async with (
        fake_chatd(tmp_path / "s") as fake,
        Stream(Place(str(fake.path), ("chatd",))) as stream,
    ):
        fake.snapshot = snapshot(rooms=("lobby", "tea"))
        fake.answer = daemon.answer
        screen = FakeScreen()
        chat = Chat(stream, await stream.open(), PLAIN, screen)
        with create_pipe_input() as keys, create_app_session(keys, DummyOutput()):
            terminal = Terminal(chat, colour=False)
            running = asyncio.create_task(terminal.run(nothing))
            person = Person(fake, terminal, screen, keys)
            yield person
            if not running.done():
                person.type(CTRL_C + CTRL_D)
            async with asyncio.timeout(DEADLINE_S):
                await running


async def test_enter_sends_and_empties_the_line(person: Person) -> None:
    person.type("hello" + ENTER + "again" + ENTER)
    await person.sees(lambda: person.said() == ["hello", "again"])
    assert person.line == ""


async def test_up_brings_the_last_line_back(person: Person) -> None:
    person.type("hello" + ENTER)
    await person.history_loaded()
    person.type(UP)
    await person.sees(lambda: person.line == "hello")


async def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(person: Person) -> None:
    person.type("never" + CTRL_C + CTRL_D)
    await person.sees(lambda: not person.terminal.session.app.is_running)
    assert person.said() == []


async def test_quit_leaves_after_what_was_typed_before_it(person: Person) -> None:
    person.type("last words" + ENTER + "/quit" + ENTER)
    await person.sees(lambda: not person.terminal.session.app.is_running)
    assert person.said() == ["last words"]


async def test_prompt_shows_the_room(person: Person) -> None:
    person.type("/join tea" + ENTER)
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")


async def test_prompt_says_when_no_room_is_left_and_names_the_next_one(person: Person) -> None:
    person.type("/leave tea" + ENTER + "/leave" + ENTER)
    await person.sees(lambda: person.terminal.prompt() == "(no room)> ")
    person.type("/join tea" + ENTER)
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")


async def test_command_is_echoed_above_its_answer(person: Person) -> None:
    person.type("/id" + ENTER)
    await person.screen.wait_for("public key")
    assert person.screen.lines[0] == "> /id"


async def test_text_that_is_refused_stands_in_the_line_again(person: Person) -> None:
    person.never_answered()
    person.type("precious" + ENTER)
    await person.sees(lambda: person.line == "precious")
    assert "no answer" in "\n".join(person.screen.lines)


async def test_text_that_is_refused_while_typing_on_is_kept_for_the_up_key(person: Person) -> None:
    person.never_answered()
    person.type("precious" + ENTER)
    await person.fake.called("message.send")
    person.type("more")
    await person.screen.wait_for("the Up key brings it back: precious")
    assert person.line == "more"
    person.type(CTRL_C)
    await person.history_loaded()
    person.type(UP)
    await person.sees(lambda: person.line == "precious")


async def test_text_stays_in_the_line_while_the_daemon_is_away(person: Person) -> None:
    await person.fake.stop()
    await person.screen.wait_for("went away")
    assert person.terminal.prompt() == "#lobby (daemon away)> "
    person.type("patient" + ENTER)
    await person.screen.wait_for("press Enter again once it is back")
    assert person.line == "patient"
    await person.fake.start()
    await person.screen.wait_for("the daemon is back")
    person.type(ENTER)
    await person.sees(lambda: person.said() == ["patient"])


async def test_tab_completes_a_command(person: Person) -> None:
    person.type("/pee\t")
    await person.sees(lambda: person.line == "/peers")


@pytest.mark.parametrize("keys", [ESCAPE + ENTER, ESCAPE + "\n"])
async def test_alt_enter_starts_a_line_of_the_same_message(person: Person, keys: str) -> None:
    person.type("one" + keys + "two")
    await person.sees(lambda: person.line == "one\ntwo")
    person.type(ENTER)
    await person.sees(lambda: person.said() == ["one\ntwo"])
    assert person.line == ""


@pytest.mark.parametrize("keys", [CTRL_O, ESCAPE + "#"])
async def test_key_that_readline_accepts_a_line_with_changes_nothing(person: Person, keys: str) -> None:
    person.type("precious" + keys + "!")
    await person.sees(lambda: person.line == "precious!")
    assert person.terminal.session.app.is_running
    assert person.said() == []


@pytest.mark.parametrize("command", ["accept-line", "operate-and-get-next", "insert-comment"])
async def test_command_that_accepts_a_line_leaves_the_prompt_and_its_text(
    person: Person, command: str
) -> None:
    session = person.terminal.session
    bindings = KeyBindings()
    bindings.add("f5")(get_by_name(command))
    assert session.app.key_bindings is not None
    session.app.key_bindings = merge_key_bindings([session.app.key_bindings, bindings])
    person.type("precious" + F5 + CTRL_E + "!")
    await person.sees(lambda: person.line.endswith("precious!"))
    assert session.app.is_running


async def test_control_characters_are_not_sent(person: Person) -> None:
    person.type("be" + CTRL_Q + CTRL_G + CTRL_Q + ESCAPE + "ll" + CTRL_Q + CTRL_G)
    await person.sees(lambda: person.line == "be\x07\x1bll\x07")
    person.type(ENTER)
    await person.sees(lambda: person.said() == ["bell"])


async def test_ctrl_z_suspends(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    suspended: list[bool] = []
    monkeypatch.setattr(person.terminal.session.app, "suspend_to_background", lambda: suspended.append(True))
    person.type("half" + CTRL_Z + "way")
    await person.sees(lambda: person.line == "halfway")
    assert suspended == [True]


async def test_keys_go_through_the_rooms(person: Person) -> None:
    person.type("\x1b2")
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    person.type(CTRL_N)
    await person.sees(lambda: person.terminal.prompt() == "#lobby> ")
    person.type(CTRL_P)
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    person.type("\x1b9\x1b2kettle" + ENTER)  # there is no ninth room, and in the second we are
    await person.sees(lambda: person.said() == ["kettle"])
    assert person.terminal._chat.conversation.room == "tea"


async def test_lines_go_where_they_were_typed_though_the_daemon_is_slow(person: Person) -> None:
    person.type("in the lobby" + ENTER + "\x1b2" + "in tea" + ENTER + "\x1b1" + "in the lobby again" + ENTER)
    await person.sees(lambda: len(person.said()) == 3)
    sent = [params for method, params in person.fake.calls if method == "message.send"]
    assert [(params["room"], params["text"]) for params in sent] == [
        ("lobby", "in the lobby"),
        ("tea", "in tea"),
        ("lobby", "in the lobby again"),
    ]


async def test_what_is_half_typed_stays_with_its_room(person: Person) -> None:
    person.type("half" + CTRL_N)
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    assert person.line == ""
    person.type(CTRL_N)
    await person.sees(lambda: person.line == "half")


@pytest.mark.parametrize("typed", ["a secret", pasted("a secret\nof two lines")])
async def test_what_is_being_typed_for_a_room_that_is_left_elsewhere_goes_to_no_other(
    person: Person, typed: str
) -> None:
    person.type("\x1b2")
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    person.type(typed)
    await person.sees(lambda: person.line == "a secret" or person.terminal.is_asking)
    await person.fake.push({"seq": 0, "topic": "room", "data": {"room": "tea", "state": "left"}})
    await person.screen.wait_for("it was for #tea; the Up key brings it back")
    person.type("y" + ENTER)
    await person.sees(lambda: person.said() == ["y"])
    await person.recalls("a secret")


async def test_half_typed_line_of_a_room_that_is_left_meanwhile_is_kept(person: Person) -> None:
    person.type("\x1b2")
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    person.type("for tea\x1b1")
    await person.sees(lambda: person.terminal.prompt() == "#lobby> ")
    await person.fake.push({"seq": 0, "topic": "room", "data": {"room": "tea", "state": "left"}})
    await person.screen.wait_for("half typed for #tea; the Up key brings it back")
    await person.recalls("for tea")


async def test_alt_a_goes_where_something_is_new(person: Person) -> None:
    person.type(ALT_A)
    await person.screen.wait_for("nothing new in other rooms")
    await person.fake.push(message(1, "hello", room="tea"))
    await person.sees(lambda: "2:tea 1" in person.terminal.toolbar())
    person.type(ALT_A)
    await person.sees(lambda: person.terminal.prompt() == "#tea> ")
    await person.sees(lambda: "2:*tea  " in person.terminal.toolbar())


async def test_paste_of_one_line_goes_into_the_line(person: Person) -> None:
    person.type("see " + pasted("this\n"))
    await person.sees(lambda: person.line == "see this")
    assert not person.terminal.is_asking


async def test_paste_of_several_lines_is_sent_after_a_yes(person: Person) -> None:
    person.type("/see: " + pasted("one\r\n/two\rthree"))
    await person.sees(lambda: person.terminal.prompt().startswith("3 lines pasted"))
    pressed = person.terminal.session.app.key_processor
    counts: list[str | None] = []
    pressed.after_key_press += lambda _: counts.append(pressed.arg)
    person.type("xq" + UP + "\x1b2" + pasted("four\nfive"))
    await person.sees(lambda: person.terminal.prompt().startswith("5 lines pasted"))
    assert not any(counts)  # "(arg: 2)" would stand in place of the question
    person.type(CTRL_C)  # a no: the line is as it was
    await person.sees(lambda: person.line == "/see: ")
    person.type(CTRL_C + pasted("/one\ntwo\x07") + "y")
    await person.sees(lambda: person.said() == ["/one\ntwo"])
    assert person.line == ""
    assert not person.terminal.is_asking


async def test_paste_may_be_edited_before_it_is_sent(person: Person) -> None:
    person.type("> " + pasted("one\ntwo") + "e")
    await person.sees(lambda: person.line == "> one\ntwo")
    person.type("!" + ENTER)
    await person.sees(lambda: person.said() == ["> one\ntwo!"])


async def test_colour_code_in_what_is_typed_or_pasted_is_no_mouse(person: Person) -> None:
    person.type("\x1b[31mred\x1b[0m text")
    await person.sees(lambda: person.line == "red text")
    person.type(CTRL_C + pasted("one\x1b[201~two") + "\x1b[31mthree")
    await person.sees(lambda: person.line.endswith("three"))


async def test_paste_stays_in_the_line_while_the_daemon_is_away(person: Person) -> None:
    await person.fake.stop()
    await person.screen.wait_for("went away")
    person.type(pasted("one\ntwo") + "y")
    await person.screen.wait_for("press Enter again once it is back")
    assert person.line == "one\ntwo"


async def test_paste_of_a_whole_file_is_refused(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pasting, "MAX_PASTE_CHARS", 100)  # the pipe of the test takes no file at once
    person.type(pasted("x\n" * 51))
    await person.screen.wait_for("was not pasted")
    assert person.line == ""


async def test_ctrl_r_finds_what_was_said(person: Person) -> None:
    person.type("needle in the hay" + ENTER + "other" + ENTER)
    await person.sees(lambda: len(person.said()) == 2)
    person.type(CTRL_R + "needle" + ENTER)
    await person.sees(lambda: person.line == "needle in the hay")
    assert len(person.said()) == 2


async def test_refused_text_waits_in_its_own_room(person: Person) -> None:
    person.never_answered()
    person.type("precious" + ENTER)
    await person.fake.called("message.send")
    person.type(CTRL_N)
    await person.screen.wait_for("it waits in the input line of #lobby")
    assert person.line == ""
    person.type(CTRL_P)
    await person.sees(lambda: person.line == "precious")


async def test_toolbar_shows_the_lag_and_how_our_last_message_does(person: Person) -> None:
    answer = person.fake.answer
    person.fake.answer = lambda method, params: (
        [{"rtt_ms": 30.0}, {"rtt_ms": None}] if method == "peer.list" else answer(method, params)
    )
    for peer_id in ("one", "two"):
        person.terminal._chat.conversation.link(peer_id, up=True)
    await person.terminal.lag.look()
    await person.fake.push(message(1, "mine", author=PEER_ID, state="sent"))
    await person.sees(lambda: person.terminal.toolbar().endswith("2 peers 30 ms  sent"))
