"""The feed against a real store: order, replay, gaps, and the memory it keeps to."""

import asyncio
import json
import queue
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chatcore.envelopes import SIGNING_CONTEXT, Chat, Envelope, open_envelope, seal
from chatcore.events import MemberChanged, MessageAdded, Movement, RoomChanged, StoredMessage
from chatcore.identity import Identity, peer_id_of
from chatcore.ids import RoomId
from chatcore.people import People, Person
from chatcore.wire import pack
from chatd import feed as feed_module
from chatd.feed import MAX_BATCH_EVENTS, MAX_RING_BYTES, MAX_RING_EVENTS, REPLAY_MESSAGES, Feed
from chatd.store import Batch, BatchResult, RoomEntry, Store

AUTHOR = Identity(b"a" * 32)
BOB = Identity(b"b" * 32)
ROOM = RoomId(b"r" * 32)
UNNAMED = RoomId(b"u" * 32)
DEADLINE_S = 10.0


@dataclass
class Owner:
    identity: Identity = BOB
    username: str = "bob"
    people: People = field(default_factory=People)


class Source:
    """A feed, and the store that its messages go through first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
        store.start(self.results.put)
        self.owner = Owner()
        self.people = self.owner.people
        self.feed = Feed(store, lambda room: "lobby" if room == ROOM else None, self.owner)
        self.said = 0

    def keep(self, *envelopes: Envelope) -> list[MessageAdded]:
        self.store.submit(Batch(1, envelopes, (RoomEntry(ROOM, "lobby", joined=True),)))
        (result,) = self.results.get(timeout=DEADLINE_S)
        return [MessageAdded("lobby", StoredMessage(item.seq, item.envelope)) for item in result.stored]

    def say(self, count: int, *, size: int = 10, filled: str = ".") -> list[str]:
        """Keep and publish as many messages; their texts."""
        texts = [f"{self.said + number}".ljust(size, filled) for number in range(1, count + 1)]
        envelopes = [
            seal(AUTHOR, ROOM, self.said + number, "ann", Chat(text))
            for number, text in enumerate(texts, start=1)
        ]
        self.said += count
        for news in self.keep(*envelopes):
            self.feed.publish(news)
        return texts


@pytest.fixture
def source() -> Iterator[Source]:
    store = Store.temporary()
    yield Source(store)
    store.close()


async def take(subscription: AsyncIterator[list[bytes]], count: int) -> list[dict[str, Any]]:
    """The next `count` events or a few more, as whole batches come."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(events) < count:
            events += [json.loads(text) for text in await anext(subscription)]
    return events


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["text"] for event in events if event["topic"] == "message"]


async def test_subscriber_hears_what_comes_in_order_and_nothing_before(source: Source) -> None:
    source.say(3)
    subscription = source.feed.subscribe(None)
    said = source.say(5)
    source.feed.publish(RoomChanged("games", joined=True))
    events = await take(subscription, 6)
    assert texts(events) == said
    assert [event["seq"] for event in events] == [4, 5, 6, 7, 8, 8]
    assert events[-1] == {"seq": 8, "topic": "room", "data": {"room": "games", "state": "joined"}}


async def test_subscriber_waits_until_something_comes(source: Source) -> None:
    subscription = source.feed.subscribe(None)
    waiting = asyncio.create_task(take(subscription, 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    said = source.say(1)
    assert texts(await waiting) == said


async def test_subscriber_that_returns_gets_what_it_missed_once_each(source: Source) -> None:
    said = source.say(2 * REPLAY_MESSAGES + 7)
    for since in (0, 1, REPLAY_MESSAGES, len(said) - 1):
        subscription = source.feed.subscribe(since)
        assert texts(await take(subscription, len(said) - since)) == said[since:]


async def test_subscriber_that_missed_nothing_gets_only_what_is_new(source: Source) -> None:
    source.say(5)
    for since in (5, 6, 2**63 - 1):
        subscription = source.feed.subscribe(since)
        said = source.say(1)
        assert texts(await take(subscription, 1)) == said


async def test_messages_that_come_during_replay_follow_it_once_each(source: Source) -> None:
    said = source.say(3 * REPLAY_MESSAGES)
    subscription = source.feed.subscribe(0)
    events = await take(subscription, 1)
    said += source.say(50)
    events += await take(subscription, len(said) - len(events))
    assert texts(events) == said
    assert [event["seq"] for event in events] == list(range(1, len(said) + 1))


async def test_replay_leaves_out_what_is_not_shown(source: Source) -> None:
    source.say(1)
    payload = pack([7, ROOM, AUTHOR.public_key, 50, "ann", "of a kind not known here"])
    other_kind = open_envelope(payload, AUTHOR.sign(SIGNING_CONTEXT, payload))
    nameless = seal(AUTHOR, UNNAMED, 51, "ann", Chat("in a room without a name"))
    source.keep(other_kind, nameless)
    said = source.say(1)
    events = await take(source.feed.subscribe(0), 2)
    assert [event["seq"] for event in events] == [1, 4]
    assert texts(events)[-1:] == said


async def test_batches_are_bounded(source: Source) -> None:
    subscription = source.feed.subscribe(None)
    source.say(2 * MAX_BATCH_EVENTS)
    assert len(await anext(subscription)) == MAX_BATCH_EVENTS
    rest = source.feed.subscribe(None)
    source.say(100, size=10_000)
    sizes = [sum(map(len, await anext(rest))) for _ in range(3)]
    assert max(sizes) < feed_module.MAX_BATCH_BYTES + 12_000


async def test_slow_subscriber_gets_a_gap_and_then_every_message(source: Source) -> None:
    slow = source.feed.subscribe(None)
    said = source.say(10)
    assert texts(await take(slow, 10)) == said
    beyond = [text for _ in range(9) for text in source.say(1000)]
    source.feed.publish(RoomChanged("games", joined=True))
    assert len(beyond) > MAX_RING_EVENTS
    events = await take(slow, len(beyond) + 1)
    assert events[0] == {"seq": 10, "topic": "gap", "data": {"since": 10, "upto": 10 + len(beyond)}}
    assert texts(events[1:]) == beyond
    assert {event["topic"] for event in events[1:]} == {"message"}
    assert texts(await take(slow, len(source.say(1)))) == ["9011......"]


async def test_subscriber_that_falls_behind_again_while_it_catches_up_still_misses_nothing(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_RING_EVENTS", 20)
    slow = source.feed.subscribe(None)
    said = source.say(400)
    found: list[dict[str, Any]] = []
    while len(texts(found)) < 2000:
        found += await take(slow, 1)
        if len(said) < 2000:
            said += source.say(100)
    assert texts(found) == said
    assert sum(event["topic"] == "gap" for event in found) > 1


async def test_slow_subscriber_does_not_hold_up_another(source: Source) -> None:
    stuck, quick = source.feed.subscribe(None), source.feed.subscribe(None)
    source.say(1)
    await take(stuck, 1)
    assert len(texts(await take(quick, 1))) == 1
    for _ in range(12):
        said = source.say(1000)
        assert texts(await take(quick, 1000)) == said


async def test_feed_keeps_no_more_than_its_bounds(source: Source) -> None:
    feed = source.feed
    subscribers = [feed.subscribe(None) for _ in range(10)]
    for _ in range(10):
        source.say(1000)
    assert len(feed.between(feed.first, 10**6)) == MAX_RING_EVENTS
    for _ in range(7):
        source.say(100, size=4_000, filled="漢")
    feed.between(feed.first, 10**6)  # now all of it is there as JSON, too
    held = feed.between(feed.first, 10**6)
    assert sum(len(told.json) for told in held) <= MAX_RING_BYTES / 2
    assert feed.end - feed.first == len(held) < MAX_RING_EVENTS
    for subscriber in subscribers:
        assert (await take(subscriber, 1))[0]["topic"] == "gap"


async def test_feed_starts_where_the_store_ends(source: Source) -> None:
    source.say(7)
    assert Feed(source.store, lambda _: None, Owner()).seq == 7


async def test_blocked_author_is_in_no_event_and_no_replay_until_unblocked(source: Source) -> None:
    author = peer_id_of(AUTHOR.public_key)
    source.people.put(Person(author, blocked=True))
    subscription = source.feed.subscribe(0)
    source.say(2)
    source.feed.publish(MemberChanged("lobby", author, "ann", Movement.JOINED))
    source.feed.publish(RoomChanged("games", joined=True))
    (event,) = await take(subscription, 1)
    assert (event["topic"], event["seq"]) == ("room", 2)
    source.people.put(Person(author))
    assert [item["data"]["text"][0] for item in await take(source.feed.subscribe(0), 2)] == ["1", "2"]


# Topics and mentions


def say_as(source: Source, who: Identity, *said: str) -> None:
    for text in said:
        source.said += 1
        for news in source.keep(seal(who, ROOM, source.said, "x", Chat(text))):
            source.feed.publish(news)


async def test_subscriber_hears_only_the_topics_it_asked_for(source: Source) -> None:
    rooms = source.feed.subscribe(topics=["room"])
    both = source.feed.subscribe(topics=["room", "message"])
    said = source.say(MAX_BATCH_EVENTS + 3)
    source.feed.publish(RoomChanged("games", joined=True))
    assert [event["topic"] for event in await take(rooms, 1)] == ["room"]
    events = await take(both, len(said) + 1)
    assert texts(events) == said
    assert events[-1]["topic"] == "room"


async def test_topics_hold_for_what_is_told_again_too(source: Source) -> None:
    said = source.say(2 * REPLAY_MESSAGES)
    nothing = source.feed.subscribe(0, ["presence"])
    source.feed.publish(MemberChanged("lobby", peer_id_of(AUTHOR.public_key), "ann", Movement.JOINED))
    assert [event["topic"] for event in await take(nothing, 1)] == ["presence"]
    assert texts(await take(source.feed.subscribe(0, ["message"]), len(said))) == said


async def test_mentions_are_marked_and_may_be_all_that_is_asked_for(source: Source) -> None:
    live = source.feed.subscribe(topics=["mention"])
    everything = source.feed.subscribe()
    say_as(source, AUTHOR, "nobody", "ask @Bob", "bobsled")
    say_as(source, BOB, "I am bob")
    say_as(source, AUTHOR, "bob: ?")
    for subscription in (live, source.feed.subscribe(0, ["mention", "room"])):
        events = await take(subscription, 2)
        assert texts(events) == ["ask @Bob", "bob: ?"]
        assert all(event["data"]["mention"] for event in events)
    told = await take(everything, 5)
    assert ["mention" in event["data"] for event in told] == [False, True, False, False, True]


async def test_mention_follows_the_name_that_the_node_has_now(source: Source) -> None:
    say_as(source, AUTHOR, "hello robert")
    source.owner.username = "Robert"
    (event,) = await take(source.feed.subscribe(0, ["mention"]), 1)
    assert event["seq"] == 1


async def test_gap_is_told_whatever_was_asked_for(source: Source) -> None:
    slow = source.feed.subscribe(topics=["room"])
    source.feed.publish(RoomChanged("games", joined=True))
    await take(slow, 1)
    for _ in range(9):
        source.say(1000)
    source.feed.publish(RoomChanged("games", joined=False))
    (event,) = await take(slow, 1)
    assert event["topic"] == "gap"


async def test_ring_full_of_what_was_not_asked_for_lets_others_run_in_between(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    at_end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    wait_beyond = source.feed.wait_beyond

    async def spy(number: int) -> None:
        if number == source.feed.end and not at_end.done():
            at_end.set_result(turns)
        await wait_beyond(number)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    idle = source.feed.subscribe(topics=["room"])
    for _ in range(4):
        source.say(1000)
    monkeypatch.setattr(source.feed, "wait_beyond", spy)
    running = asyncio.create_task(others())
    waiting = asyncio.create_task(take(idle, 1))
    assert await asyncio.wait_for(at_end, DEADLINE_S) >= 4000 // MAX_BATCH_EVENTS
    source.feed.publish(RoomChanged("games", joined=True))
    assert [event["topic"] for event in await waiting] == ["room"]
    running.cancel()
