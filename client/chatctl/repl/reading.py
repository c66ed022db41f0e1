"""The messages before a person's eyes: a room's history when it is opened, then each as it comes, once."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from chatctl.commands.answering import MISSHAPEN
from chatctl.intime import InTime
from chatctl.latecomers import Latecomers
from chatctl.repl.conversation import Conversation
from chatctl.repl.unread import Attention, Unread
from chatctl.repl.view import View
from chatctl.repl.visits import Visits
from chatctl.stream import Stream

if TYPE_CHECKING:
    from chatcore.api import Message

START_LINES = 20
MAX_START_LINES = 200
"""Of what is new in a room when it is opened."""

MAX_COUNTED = 100
"""Messages looked at in each other room at the start, for what is unread there."""

MAX_COUNTED_ROOMS = 64
BELL_PAUSE_S = 2.0


class Screen(Protocol):
    """Where a chat shows itself."""

    one_room: bool
    """Whether only what is said in the room we talk in is shown; else all, each line with its room."""

    folds: bool
    """Whether a person looks at it, who need not see each of many messages that come late."""

    def show(self, text: str) -> None: ...

    def clear(self) -> None: ...

    def bell(self) -> None: ...

    def refresh(self) -> None:
        """What stands beside the prompt has changed."""

    @property
    def columns(self) -> int | None: ...


class Reading:
    """`start_seq`: the last message there was when the events began, by its `seq`."""

    def __init__(
        self,
        stream: Stream,
        screen: Screen,
        view: View,
        conversation: Conversation,
        *,
        unread: Unread,
        clock: Callable[[], float],
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._stream = stream
        self._screen = screen
        self._view = view
        self._conversation = conversation
        self.unread = unread
        self.attention = Attention(clock())
        self._clock = clock
        self._wall_ms = wall_ms
        self._visits = Visits()
        self._late = Latecomers()
        self.in_time = InTime(lambda: self._late.due, self.tell_late, clock)
        self._asking = asyncio.Lock()
        """One history at a time."""

        self._start_seq = unread.seq
        self._rang = clock() - BELL_PAUSE_S

    async def open_room(self) -> None:
        """What is new in our room, and at the first visit what was said before. Raises ClientFailure."""
        async with self._asking:
            await self._open(self._conversation.room)

    async def _open(self, room: str) -> None:
        first, mark, count = not self._visits.was_opened(room), self.unread.mark(room), self.unread.of(room)
        wanted = MAX_START_LINES if mark < self.unread.seq or count.lines else START_LINES

        def told(found: "list[Message]") -> list[str]:
            fresh = next((at for at, item in enumerate(found) if item["seq"] > mark), len(found))
            whole = fresh > 0 or len(found) < wanted
            # At a first visit with what was before; otherwise that was shown when we were here.
            before = max(0, min(fresh, len(found) - START_LINES))
            shown = found[before:] if first else [item for item in found if item["seq"] > mark]
            return self._view.news(shown, mark, count.messages, whole=whole)

        if first or count.lines:
            await self._show_last(room, wanted, told, again=self._screen.one_room)
        else:
            self.unread.opened(room)

    async def show_history(self, limit: int) -> None:
        """Raises ClientFailure."""
        async with self._asking:
            await self._show_last(self._conversation.room, limit, self._view.messages, again=True)

    async def _show_last(
        self, room: str, limit: int, told: "Callable[[list[Message]], list[str]]", *, again: bool
    ) -> None:
        """What comes meanwhile stands behind it, once. Not `again`: without what was shown as it came."""
        self.tell_late()
        self._visits.begin(room)
        found: list[Message] = []
        try:
            found = await self._stream.call("message.history", {"room": room, "limit": limit})
            if not again:
                found = [message for message in found if not self._visits.has_passed(message["id"])]
            self._show_lines(told(found))
            for message in found:
                self._late.passed(message)
            self._visits.opened(room)
            self.unread.opened(room, max((message["seq"] for message in found), default=0))
        finally:
            for data in self._visits.end([message["id"] for message in found]):
                self._pass_on(data)

    async def count_unread(self) -> None:
        """What came in the other rooms since they were last looked at. Raises ClientFailure."""
        for room in self._conversation.rooms[:MAX_COUNTED_ROOMS]:
            mark = self.unread.mark(room)
            if mark >= self._start_seq or self._is_open(room):
                continue
            params = {"room": room, "limit": MAX_COUNTED}
            found: list[Message] = await self._stream.call("message.history", params)
            new = [item for item in found if mark < item["seq"] <= self._start_seq]
            if not self._is_open(room):  # otherwise it was opened meanwhile
                for item in new:
                    self.unread.arrived(
                        room, item["seq"], ours=self._is_ours(item), names_us=self._names_us(item)
                    )
        self._screen.refresh()

    def _is_open(self, room: str) -> bool:
        return room == self._conversation.room or self._visits.was_opened(room)

    def take(self, data: Any) -> None:
        """A message has come."""
        self.unread.heard(data["seq"])
        if not self._visits.is_known(data["id"]) and not self._visits.holds(data):
            self._pass_on(data)

    def _pass_on(self, data: Any) -> None:
        is_here = data["room"] == self._conversation.room and not self._conversation.to_open
        if not is_here and self._screen.one_room:
            self._count(data)
        elif self._screen.folds and self._late.is_late(data):
            self._late.add(data, self._clock(), names_us=self._names_us(data))
            self.in_time.wake()
        else:
            self._show(data)

    def _count(self, data: Any) -> None:
        """It is shown on the way to its room; who is named there is told now, unless that is long ago."""
        named = self._names_us(data)
        self.unread.arrived(data["room"], data["seq"], ours=self._is_ours(data), names_us=named)
        if named and not self._late.is_old(data, self._wall_ms()):
            self._show_lines(self._view.mentioned(data))
            self._ring()
        self._late.passed(data)

    def _show(self, data: Any) -> None:
        seen = self._is_ours(data) or not self._screen.one_room
        if not seen and self.attention.is_first_unseen(self._clock()):
            self._screen.show(self._view.rule("new while you were away"))
        self._show_lines(self._view.message(data))
        self._late.passed(data)
        self._visits.passed(data["id"])
        self._read(data["room"])
        if self._names_us(data):
            self._ring()

    def _read(self, room: str) -> None:
        """All that came in this room was shown, unless something waits, or came before and was not opened."""
        before = self._start_seq if self._is_open(room) else self.unread.mark(room)
        if before >= self._start_seq and not self._late.has(room):
            self.unread.opened(room)

    def tell_late(self) -> None:
        """What came late and waits, now."""
        for late in self._late.flush():
            try:
                self._show_lines(self._view.late(late))
            except MISSHAPEN:
                self._screen.show(self._view.beyond_us())
            for message in late.messages:
                self._visits.passed(message["id"])
            self._read(late.room)
            if late.mentions:
                self._ring()

    def _show_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._screen.show(line)

    def _is_ours(self, data: Any) -> bool:
        return bool(data["author"] == self._conversation.me["peer_id"])

    def _names_us(self, data: Any) -> bool:
        from chatcore import mentions  # noqa: PLC0415 - the prompt need not wait for what splits words

        me = self._conversation.me["username"]
        return bool(me) and not self._is_ours(data) and mentions.names(data["text"], me)

    def _ring(self) -> None:
        now = self._clock()
        if now - self._rang >= BELL_PAUSE_S:
            self._rang = now
            self._screen.bell()

    def leave(self, room: str) -> None:
        self._visits.forget(room)
        self.unread.forget(room)

    def start_over(self, seq: int) -> None:
        """Another store answers."""
        self._visits.forget()
        self._late.forget()
        self._start_seq = seq
        self.unread.start_over(seq)
