"""Numbered events for whoever subscribes: one shared ring, and for each subscriber only its place in it.

A subscriber that falls out of the ring is served messages from the store, so it misses none; other events are
dropped and a `gap` says so. Nobody's slowness costs the daemon memory.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice

from chatcore.envelopes import Chat
from chatcore.events import MessageAdded, News
from chatcore.ids import RoomId
from chatcore.people import People
from chatd import views
from chatd.people import hides, is_hidden
from chatd.store import Store

MAX_RING_EVENTS = 8192
MAX_RING_BYTES = 8 * 1024 * 1024
NEWS_BYTES = 512
"""What an event takes beside its message, about: the objects that say it. Its JSON counts once it is made."""

MAX_BATCH_EVENTS = 256
MAX_BATCH_BYTES = 256 * 1024
REPLAY_MESSAGES = 256

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(slots=True)
class _Entry:
    """News, and its JSON once somebody has read it: while nobody subscribes none is made."""

    seq: int
    news: News
    text: str | None
    size: int


class Feed:
    """`name_of` gives the room's name for messages that are replayed; `people` who is not heard."""

    def __init__(self, store: Store, name_of: Callable[[RoomId], str | None], people: People) -> None:
        self.store = store
        self.name_of = name_of
        self.people = people
        self.seq = store.last_seq()
        self._ring: deque[_Entry] = deque()
        self._bytes = 0
        self.first = 0
        """The number of the oldest event in the ring; numbers here are the ring's own."""

        self._changed = asyncio.Event()

    @property
    def end(self) -> int:
        return self.first + len(self._ring)

    def publish(self, news: News) -> None:
        if isinstance(news, MessageAdded):
            self.seq = news.stored.seq
        if hides(self.people, news):
            return
        size = NEWS_BYTES
        if isinstance(news, MessageAdded):
            size += len(news.stored.envelope.payload)
        self._ring.append(_Entry(self.seq, news, None, size))
        self._bytes += size
        self._trim()
        self._changed.set()

    def _trim(self) -> None:
        while len(self._ring) > MAX_RING_EVENTS or self._bytes > MAX_RING_BYTES:
            self._bytes -= self._ring.popleft().size
            self.first += 1

    def between(self, start: int, most: int) -> list[tuple[int, str]]:
        """Events of the ring from number `start`, as (seq, JSON)."""
        offset = start - self.first
        return [(entry.seq, self._text(entry)) for entry in islice(self._ring, offset, offset + most)]

    def _text(self, entry: _Entry) -> str:
        if entry.text is None:
            entry.text = _encode(views.event(entry.news, entry.seq, self.people))
            entry.size += len(entry.text)
            self._bytes += len(entry.text)
        return entry.text

    async def wait_beyond(self, number: int) -> None:
        while self.end <= number:
            self._changed.clear()
            await self._changed.wait()

    def subscribe(self, since: int | None) -> AsyncIterator[list[str]]:
        """Batches of events as JSON texts: what came after `since`, then everything new, for ever."""
        return _follow(self, self.end, self.seq, since)

    async def replay(self, since: int, upto: int) -> AsyncIterator[list[str]]:
        """The stored messages with `since < seq <= upto`, in order."""
        while since < upto:
            found = await asyncio.to_thread(self.store.after, since, REPLAY_MESSAGES)
            found = [item for item in found if item.seq <= upto]
            if not found:
                return
            since = found[-1].seq
            batch = []
            for item in found:
                name = self.name_of(item.envelope.room)
                chat = isinstance(item.envelope.body, Chat) and not is_hidden(self.people, item.envelope)
                if name is not None and chat:
                    data = dict(views.message(item.seq, item.envelope, name, self.people))
                    batch.append(_encode({"seq": item.seq, "topic": "message", "data": data}))
            if batch:
                yield batch


async def _follow(feed: Feed, start: int, upto: int, since: int | None) -> AsyncIterator[list[str]]:
    if since is not None:
        async for batch in feed.replay(since, upto):
            yield batch
    seen, place = upto, start
    while True:
        await feed.wait_beyond(place)
        if place < feed.first:
            upto, place = feed.seq, feed.end
            yield [_encode({"seq": seen, "topic": "gap", "data": {"since": seen, "upto": upto}})]
            async for batch in feed.replay(seen, upto):
                yield batch
            seen = upto
            continue
        batch, size = [], 0
        for seq, text in feed.between(place, MAX_BATCH_EVENTS):
            batch.append(text)
            size += len(text)
            place += 1
            seen = seq
            if size >= MAX_BATCH_BYTES:
                break
        yield batch
