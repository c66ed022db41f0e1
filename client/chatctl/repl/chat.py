"""One chat, whatever it is typed into: lines in, calls to the daemon, lines to a screen."""

from typing import TYPE_CHECKING, Any, Protocol

from chatctl import render
from chatctl.commands.answering import MISSHAPEN, misshapen
from chatctl.failures import BadUsage, RpcRefused
from chatctl.options import suggestion
from chatctl.repl.commands import COMMANDS
from chatctl.repl.conversation import Conversation
from chatctl.repl.echoes import Echoes
from chatctl.repl.lines import Call, Say, parse
from chatctl.repl.view import View, today
from chatctl.stream import Event, Stream
from chatctl.style import Style

if TYPE_CHECKING:
    from chatcore.api import Message, RoomChange, Sent, Subscribed

START_LINES = 20
MAX_QUOTED = 40


class Screen(Protocol):
    """Where a chat shows itself."""

    def show(self, text: str) -> None: ...

    def clear(self) -> None: ...

    def refresh(self) -> None:
        """What stands beside the prompt has changed."""

    @property
    def columns(self) -> int | None: ...


class Chat:
    def __init__(self, stream: Stream, snapshot: "Subscribed", style: Style, screen: Screen) -> None:
        self.stream = stream
        self.style = style
        self.screen = screen
        self.conversation = Conversation(snapshot)
        self.view = View(self.conversation, style, today())
        self.over = False
        self._read: set[str] = set()
        self._shown_at_start: set[str] = set()
        self._alone = False
        self.echoes = Echoes()

    def show(self, *lines: str) -> None:
        for line in lines:
            self.screen.show(line)

    async def enter(self, room: str) -> bool:
        """Talk in this room from now on; whether that is news to the daemon. Raises ClientFailure."""
        change: RoomChange = await self.stream.call("room.join", {"room": room})
        self.conversation.enter(change["room"])
        return change["changed"]

    async def show_history(self, limit: int) -> None:
        """Raises ClientFailure."""
        self._read.add(self.conversation.room)
        self.show(*self.view.messages(await self._history(limit)))

    async def show_unread_room(self) -> None:
        """What was said last, unless this chat has been following the room. Raises ClientFailure."""
        if self.conversation.room not in self._read:
            await self.show_history(START_LINES)

    async def show_start(self) -> None:
        """What was said last; it may be among the first events as well."""
        try:
            found = await self._history(START_LINES)
        except RpcRefused as failure:  # in no room at all
            self.show(self.view.error(failure))
            return
        self._read.add(self.conversation.room)
        self._shown_at_start = {message["id"] for message in found}
        self.show(*self.view.messages(found))

    async def _history(self, limit: int) -> "list[Message]":
        room = self.conversation.room
        found: list[Message] = await self.stream.call("message.history", {"room": room, "limit": limit})
        return found

    async def watch(self) -> None:
        """Shows what happens, for ever."""
        async for update in self.stream.updates():
            try:
                if isinstance(update, Event) and self._is_known(update.topic, update.data):
                    continue
                self.show(*self.view.update(update))
                if isinstance(update, Event) and update.topic == "state":
                    self.screen.refresh()
            except MISSHAPEN:
                self.show(self.view.note("something happened that this client cannot show; update it"))

    def _is_known(self, topic: str, data: dict[str, Any]) -> bool:
        if topic != "message":
            return False
        if data["author"] == self.conversation.me["peer_id"]:
            self.echoes.heard(data["id"])
        return data["id"] in self._shown_at_start

    async def take(self, line: str) -> None:
        """Does what a typed line says. Raises ClientFailure."""
        try:
            match parse(line):
                case Say(text):
                    await self._say(text)
                case Call(name, argument):
                    await self._call(name, argument)
                case None:
                    pass
        except MISSHAPEN as error:
            raise misshapen(repr(line[:MAX_QUOTED])) from error

    async def _say(self, text: str) -> None:
        room = self.conversation.room
        sent: Sent = await self.stream.call("message.send", {"text": _checked(text), "room": room})
        self.echoes.expect(sent["id"])
        alone = sent["state"] == "queued"
        if alone and not self._alone:
            where = render.room_label(room)
            self.show(self.view.note(f"nobody in {where} is connected; it goes out once somebody is"))
        self._alone = alone

    async def _call(self, name: str, argument: str) -> None:
        command = COMMANDS.get(name)
        if command is None:
            hint = suggestion(name, COMMANDS, "/help lists what there is, //x says /x")
            raise BadUsage(f"there is no command /{name}", hint.replace("did you mean ", "did you mean /"))
        await command.run(self, argument)


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadUsage("that is not valid Unicode text", "set the terminal to UTF-8") from error
    return text
