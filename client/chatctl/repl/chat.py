"""One chat, whatever it is typed into: lines in, calls to the daemon, lines to a screen."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chatctl import render
from chatctl.commands.answering import MISSHAPEN, misshapen
from chatctl.failures import BadUsage, ClientFailure, DaemonUnreachable, RpcRefused, TimedOut
from chatctl.options import suggestion
from chatctl.repl.commands import COMMANDS
from chatctl.repl.conversation import Conversation
from chatctl.repl.echoes import Echoes
from chatctl.repl.lines import Call, Go, Line, Say, parse
from chatctl.repl.memory import Memory
from chatctl.repl.movements import Movements
from chatctl.repl.namesakes import Namesakes
from chatctl.repl.reading import Reading, Screen
from chatctl.repl.saying import Saying
from chatctl.repl.unread import Unread
from chatctl.repl.view import View, today
from chatctl.stream import Away, Back, Event, Stream, Update
from chatctl.style import Style

if TYPE_CHECKING:
    from chatcore.api import RoomChange, Subscribed

MAX_QUOTED = 40

MAX_EARLY = 4096
"""Updates kept until we have begun; with more of them, they are told before what was said in the room."""


class Chat:
    """`memory` is kept up to date in place."""

    def __init__(
        self,
        stream: Stream,
        snapshot: "Subscribed",
        style: Style,
        screen: Screen,
        *,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = memory = memory or Memory()
        self.stream = stream
        self.style = style
        self.screen = screen
        self.conversation = Conversation(snapshot)
        self.view = View(self.conversation, style, today(), names=Namesakes(memory.names))
        unread = Unread(memory.read, snapshot["seq"])
        self.reading = Reading(stream, screen, self.view, self.conversation, unread=unread, clock=clock)
        self.echoes = Echoes()
        self.over = False
        self._saying = Saying(stream)
        self._alone = False
        self._clock = clock
        self.movements = Movements(self.note, clock)
        self._stale = False
        """Whether comings and goings were missed."""

        self._due = asyncio.Event()
        """There is something to ask the daemon for."""

        self._early: list[Update] | None = None
        """What happened while we begin."""

    def show(self, *lines: str) -> None:
        for line in lines:
            self.screen.show(line)

    def note(self, text: str) -> None:
        self.show(self.view.note(text))

    def tell(self) -> None:
        """What waits for more of its kind, now."""
        self.movements.tell()
        self.reading.tell_late()

    def attend(self) -> None:
        """A key was pressed."""
        self.reading.attention.key_pressed(self._clock())

    # Rooms

    async def enter(self, room: str) -> bool:
        """Talk in this room from now on; whether that is news to the daemon. Raises ClientFailure."""
        change: RoomChange = await self.stream.call("room.join", {"room": room})
        self._turn_to(change["room"])
        return change["changed"]

    async def go(self, room: str) -> None:
        """Talk in another of our rooms, and see what was said there. Raises ClientFailure."""
        if room != self.conversation.room and room in self.conversation.rooms:
            self._turn_to(room)
            self.note(f"you talk in {render.room_label(room)} now")
            self.conversation.to_open = True
            await self.open_new_room()

    def _turn_to(self, room: str) -> None:
        self.tell()
        self.conversation.enter(room)

    async def open_room(self) -> None:
        """Raises ClientFailure."""
        if self.conversation.rooms:
            await self.reading.open_room()

    async def open_new_room(self) -> None:
        """The room that we went to, or that leaving one moved us to. Raises ClientFailure."""
        if not self.conversation.to_open:
            return
        self.conversation.to_open = False
        try:
            await self.open_room()
        except (DaemonUnreachable, TimedOut):
            self.conversation.to_open = True  # once it is back, or says anything
            raise

    async def start(self) -> None:
        """What is in the room, and who goes by the name of another."""
        self.show(*self._introductions())
        try:
            await self.reading.open_room()
        except RpcRefused as failure:  # in no room at all
            self.show(self.view.error(failure))

    def _introductions(self) -> list[str]:
        people = [person for room in self.conversation.rooms for person in self.conversation.people(room)]
        return [line for key, name in people for line in self.view.introduced(key, name)]

    # What happens

    async def watch(self) -> None:
        """Shows what happens, for ever. Raises what showing it raises."""
        works = (self.movements.in_time.run(), self.reading.in_time.run(), self._ask_in_time())
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(work) for work in works]
                await self._watch()
                for task in beside:
                    task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _watch(self) -> None:
        async for update in self.stream.updates():
            if self._early is None:
                self._hear(update)
                continue
            self._early.append(update)
            if len(self._early) > MAX_EARLY:
                self._hear_early()

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        """What happens in here is told at its end. Somebody is to watch meanwhile: unread updates hold back
        the answers to what we ask."""
        self._early = []
        try:
            yield
        finally:
            self._hear_early()

    def _hear_early(self) -> None:
        early, self._early = self._early, None
        for update in early or []:
            self._hear(update)

    def _hear(self, update: Update) -> None:
        try:
            self._update(update)
        except MISSHAPEN:
            self.show(self.view.beyond_us())
        if self.conversation.to_open or self._stale:
            self._due.set()
        self.screen.refresh()

    async def _ask_in_time(self) -> None:
        """Beside the reading of updates, which must not wait for an answer."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._renew()
                await self.open_new_room()
            except ClientFailure as failure:
                self.show(self.view.error(failure))
            except MISSHAPEN:
                self.note("this client cannot show what is in the room; update it")

    async def _renew(self) -> None:
        """Raises ClientFailure; what was missed is then asked for once more after the next update."""
        if not self._stale:
            return
        peers, rooms = await self.stream.call("peer.list"), await self.stream.call("room.list")
        self._stale = False
        self.show(*self.view.moved(self.conversation.renew(rooms, peers)))
        self.screen.refresh()

    def _update(self, update: Update) -> None:
        match update:
            case Event("message", data):
                self._message(data)
                return
            case Event("presence" | "peer" as topic, data):
                self._movement(topic, data)
                return
            case Event("room", {"state": "left", "room": room}):
                self.reading.leave(room)
            case Event("gap"):
                self._stale = True
            case Away():
                self.movements.forget_links()
            case Back(snapshot, resumed=False):
                self._memory.start_over(snapshot["seq"])
                self.reading.start_over(snapshot["seq"])
        self.show(*self.view.update(update))

    def _message(self, data: dict[str, Any]) -> None:
        if data["author"] == self.conversation.me["peer_id"]:
            self.echoes.heard(data["id"])
            self._saying.heard(data["room"], data["text"])
            self.conversation.deliveries.said(data["id"], data.get("state", ""))
        else:
            self.conversation.meet(data["room"], data["author"], data["username"])
        if self.movements.concerns(data["author"]):
            self.movements.tell()
        self.reading.take(data)

    def _movement(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "presence" and data["state"] not in ("left", "lost"):
            self.show(*self.view.introduced(data["peer_id"], data["username"], data.get("alias")))
        lines = self.view.update(Event(topic, data))
        movement = self.view.movement(topic, data)
        if topic == "presence" and data["room"] != self.conversation.room and self.screen.one_room:
            return
        self.show(*lines)
        if movement is not None:
            self.movements.add(movement)

    # What is typed

    async def take(self, line: str) -> None:
        """Does what a typed line says. Raises ClientFailure."""
        await self.do(parse(line))

    async def do(self, line: Line | None) -> None:
        """Raises ClientFailure."""
        try:
            match line:
                case Say(text):
                    await self.say(text)
                case Call(name, argument):
                    await self._call(name, argument)
                case Go(room):
                    await self.go(room)
                case None:
                    pass
        except MISSHAPEN as error:
            raise misshapen(repr(str(line)[:MAX_QUOTED])) from error

    async def say(self, text: str) -> None:
        """Raises ClientFailure."""
        room = self.conversation.room
        sent = await self._saying.say(room, text)
        self.echoes.expect(sent["id"])
        alone = sent["state"] == "queued"
        if alone and not self._alone:
            self.note(f"nobody in {render.room_label(room)} is connected; it goes out once somebody is")
        self._alone = alone

    async def _call(self, name: str, argument: str) -> None:
        command = COMMANDS.get(name)
        if command is None:
            hint = suggestion(name, COMMANDS, "/help lists what there is, //x says /x")
            raise BadUsage(f"there is no command /{name}", hint.replace("did you mean ", "did you mean /"))
        if argument and not command.takes_words:
            hint = f"type {command.usage} alone, or /{command.usage} {argument[:MAX_QUOTED]} to say it"
            raise BadUsage(f"{command.usage} takes nothing behind it", hint)
        await command.run(self, argument)
