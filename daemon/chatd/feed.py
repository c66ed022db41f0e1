"""Numbered events for whoever subscribes: one shared ring, and for each subscriber only its place in it.

A subscriber that falls out of the ring is served messages from the store, so it misses none; other events are
dropped and a `gap` says so. Nobody's slowness costs the daemon more than one batch.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from chatcore import api, mentions
from chatcore.envelopes import Chat, Envelope
from chatcore.events import MessageAdded, News
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.people import People
from chatd import views
from chatd.people import hides, is_hidden
from chatd.store import Store, Stored

MAX_RING_EVENTS = 8192
MAX_RING_BYTES = 8 * 1024 * 1024
NEWS_BYTES = 512
"""What an event takes beside its message, about: the objects that say it. Its JSON counts once it is made."""

MAX_BATCH_EVENTS = 128
MAX_BATCH_BYTES = 64 * 1024
"""A batch is sent when it reaches so much. What a client that does not read holds up is one batch on its way
into the socket and one behind it."""

REPLAY_MESSAGES = 16
"""Read from the store at a time, of 16 KiB at most: they wait in memory for a client that reads slowly."""

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _encode(event: api.Event) -> bytes:
    return _to_json(event).encode()


class Owner(Protocol):
    """Whom messages may name, and whom they hide from view; the node itself is one."""

    @property
    def identity(self) -> Identity: ...
    @property
    def username(self) -> str: ...
    @property
    def people(self) -> People: ...


class Told(NamedTuple):
    """An event as JSON, and what decides who hears it."""

    seq: int
    topic: str
    mention: bool
    json: bytes


@dataclass(slots=True)
class _Entry:
    """News, and its JSON once somebody has read it: while nobody subscribes none is made."""

    seq: int
    news: News
    told: Told | None
    size: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asked for; everything without `topics`."""

    topics: frozenset[str] | None = None

    @classmethod
    def of(cls, topics: Collection[str] | None) -> "Wish":
        return cls(None if topics is None else frozenset(topics))

    def takes(self, told: Told) -> bool:
        return (
            self.topics is None or told.topic in self.topics or (told.mention and api.MENTION in self.topics)
        )

    @property
    def takes_messages(self) -> bool:
        """At least some: only these are replayed."""
        return self.topics is None or not self.topics.isdisjoint((api.MESSAGE, api.MENTION))


class Feed:
    """`name_of` gives the room's name for messages that are replayed."""

    def __init__(self, store: Store, name_of: Callable[[RoomId], str | None], owner: Owner) -> None:
        self.store = store
        self.name_of = name_of
        self.owner = owner
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
        if hides(self.owner.people, news):
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

    def between(self, start: int, most: int) -> list[Told]:
        """Events of the ring from number `start`."""
        offset = start - self.first
        told = [self._told(entry) for entry in islice(self._ring, offset, offset + most)]
        self._trim()
        return told

    def _told(self, entry: _Entry) -> Told:
        if entry.told is None:
            news = entry.news
            event = views.event(news, entry.seq, self.owner.people)
            mention = isinstance(news, MessageAdded) and self._names_us(news.stored.envelope)
            entry.told = _tell(event, mention=mention)
            entry.size += len(entry.told.json)
            self._bytes += len(entry.told.json)
        return entry.told

    def _names_us(self, envelope: Envelope) -> bool:
        owner = self.owner
        if envelope.author == owner.identity.public_key or not isinstance(envelope.body, Chat):
            return False
        return mentions.names(envelope.body.text, owner.username)

    async def wait_beyond(self, number: int) -> None:
        while self.end <= number:
            self._changed.clear()
            await self._changed.wait()

    def subscribe(
        self, since: int | None = None, topics: Collection[str] | None = None
    ) -> AsyncIterator[list[bytes]]:
        """Batches of events as JSON: what came after `since`, then everything new, for ever."""
        return _follow(self, self.end, self.seq, since, Wish.of(topics))

    async def replay(self, since: int, upto: int, wish: Wish) -> AsyncIterator[list[bytes]]:
        """The stored messages with `since < seq <= upto`, in order."""
        while since < upto and wish.takes_messages:
            found = await asyncio.to_thread(self.store.after, since, REPLAY_MESSAGES)
            found = [item for item in found if item.seq <= upto]
            if not found:
                return
            since = found[-1].seq
            told = [item for item in map(self._told_again, found) if item is not None and wish.takes(item)]
            del found  # not needed while a batch waits to be read
            for batch in _batches(told):
                yield batch

    def _told_again(self, item: Stored) -> Told | None:
        """None when it is not shown."""
        envelope, people = item.envelope, self.owner.people
        name = self.name_of(envelope.room)
        if name is None or not isinstance(envelope.body, Chat) or is_hidden(people, envelope):
            return None
        data = dict(views.message(item.seq, envelope, name, people))
        event: api.Event = {"seq": item.seq, "topic": api.MESSAGE, "data": data}
        return _tell(event, mention=self._names_us(envelope))


def _tell(event: api.Event, *, mention: bool) -> Told:
    if mention:
        event["data"]["mention"] = True
    return Told(event["seq"], event["topic"], mention, _encode(event))


def _batches(events: Iterable[Told]) -> Iterator[list[bytes]]:
    batch, size = list[bytes](), 0
    for told in events:
        batch.append(told.json)
        size += len(told.json)
        if size >= MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _follow(
    feed: Feed, start: int, upto: int, since: int | None, wish: Wish
) -> AsyncIterator[list[bytes]]:
    if since is not None:
        async for batch in feed.replay(since, upto, wish):
            yield batch
    seen, place = upto, start
    while True:
        await feed.wait_beyond(place)
        if place < feed.first:
            upto, place = feed.seq, feed.end
            gap: api.GapEvent = {"since": seen, "upto": upto}
            yield [_encode({"seq": seen, "topic": api.GAP, "data": dict(gap)})]
            async for batch in feed.replay(seen, upto, wish):
                yield batch
            seen = upto
            continue
        batch, size = list[bytes](), 0
        for told in feed.between(place, MAX_BATCH_EVENTS):
            place += 1
            seen = told.seq
            if not wish.takes(told):
                continue
            batch.append(told.json)
            size += len(told.json)
            if size >= MAX_BATCH_BYTES:
                break
        if batch:
            yield batch
        else:
            await asyncio.sleep(0)  # a whole ring of what was not asked for must not hold up everybody
