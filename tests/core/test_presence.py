"""Who is in a room."""

import gc
import heapq
import random
import tracemalloc
from typing import Any

import pytest

from chatcore import presence as presence_module
from chatcore.clock import COUNTER_BITS
from chatcore.config import PresenceConfig
from chatcore.envelopes import MAX_INTERVAL_S, Announce, Body, Chat, Join, Leave, UnknownBody, open_envelope
from chatcore.errors import BadName, RenamedTooOften
from chatcore.events import (
    MemberChanged,
    MessageAdded,
    Movement,
    PresenceDue,
    Rejected,
    Renamed,
    RenameReply,
    Replied,
)
from chatcore.messages import Publish
from chatcore.nickname import RENAME_BURST, RENAME_EVERY_S
from chatcore.presence import (
    FORMER_S,
    LEAST_BELIEVED_S,
    LEAST_SHARE,
    MAX_FORMER,
    MAX_LOOKED_OUT,
    MAX_MEMBERS,
    MAX_REFRESHES_PER_S,
    MAX_WORD_BYTES,
    RENAMES_PER_S,
    Presence,
)
from chatcore.presence import RENAME_BURST as HEARD_BURST
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    STAMP,
    WINE,
    Playbook,
    identity,
    of,
    of_kind,
    one,
    sent,
    written,
)


def changes(outputs: list[object]) -> list[tuple[str, Movement]]:
    return [(news.username, news.movement) for news in outputs if isinstance(news, MemberChanged)]


def roster(book: Playbook) -> list[str]:
    return [member.username for member in book.node.rooms[LOBBY].members]


@pytest.mark.parametrize("body", [Join(), Announce(15), Chat("hi"), UnknownBody(200)])
def test_any_message_but_leave_brings_its_author_in(body: Body) -> None:
    book = Playbook()
    envelope = of_kind(BOB, 200) if isinstance(body, UnknownBody) else written(BOB, body)

    outputs = book.hear(book.link(CARL), envelope)

    assert one(outputs, MemberChanged) == MemberChanged("lobby", BOB.peer_id, "somebody", Movement.JOINED)
    assert roster(book) == ["somebody"]


def test_member_heard_again_is_not_news() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join()))

    assert of(book.hear(link, written(BOB, Announce(15), stamp=STAMP + 1)), MemberChanged) == []


def test_leave_takes_its_author_out_at_once() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join()))

    outputs = book.hear(link, written(BOB, Leave(), stamp=STAMP + 1))

    assert one(outputs, MemberChanged) == MemberChanged("lobby", BOB.peer_id, "somebody", Movement.LEFT)
    assert roster(book) == []


def test_leave_of_an_earlier_visit_is_ignored() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join(), stamp=STAMP))

    assert of(book.hear(link, written(BOB, Leave(), stamp=STAMP - 1)), MemberChanged) == []
    assert roster(book) == ["somebody"]


def test_leave_of_somebody_unknown_is_no_news() -> None:
    book = Playbook()

    assert of(book.hear(book.link(CARL), written(BOB, Leave())), MemberChanged) == []


def test_username_is_that_of_the_newest_message() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join(), stamp=STAMP, username="bob"))
    book.hear(link, written(BOB, Join(), stamp=STAMP + 2, username="robert"))
    book.hear(link, written(BOB, Join(), stamp=STAMP + 1, username="rob"))

    assert roster(book) == ["robert"]


def test_member_silent_for_three_intervals_is_reaped() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Announce(20)))

    book.wait(60)
    assert of(book.fire(PresenceDue()), MemberChanged) == []
    book.wait(0.1)
    assert one(book.fire(PresenceDue()), MemberChanged) == MemberChanged(
        "lobby", BOB.peer_id, "somebody", Movement.LOST
    )


def test_member_is_told_once_when_reaped_and_may_come_back() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join()))
    book.wait(46)
    assert len(of(book.fire(PresenceDue()), MemberChanged)) == 1
    assert of(book.fire(PresenceDue()), MemberChanged) == []

    later = (book.now.wall_ms) << COUNTER_BITS
    assert changes([*book.hear(link, written(BOB, Announce(15), stamp=later))]) == [
        ("somebody", Movement.JOINED)
    ]


def test_any_message_is_a_sign_of_life() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join()))
    book.wait(40)
    book.hear(link, written(BOB, Chat("still here"), stamp=STAMP + 1))
    book.wait(40)

    assert of(book.fire(PresenceDue()), MemberChanged) == []


def test_chat_does_not_shorten_the_interval_its_author_announced() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Announce(60)))
    book.hear(link, written(BOB, Chat("hi"), stamp=STAMP + 1))
    book.wait(180)

    assert of(book.fire(PresenceDue()), MemberChanged) == []


def test_interval_shorter_than_our_own_does_not_hurry_us() -> None:
    book = Playbook()
    book.hear(book.link(CARL), written(BOB, Announce(1)))
    book.wait(45)

    assert of(book.fire(PresenceDue()), MemberChanged) == []


def test_own_presence_that_comes_back_changes_nothing() -> None:
    book = Playbook()
    link = book.link(CARL)

    for body in (Join(), Announce(15), Leave(), Chat("from before I lost my store")):
        assert of(book.hear(link, written(ANN, body, stamp=STAMP - 5)), MemberChanged) == []
    assert roster(book) == []


def test_refresh_goes_to_the_rooms_neighbours() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    book.wait(15)

    ((links, here),) = sent(book.fire(PresenceDue()), Publish)

    assert links == (bob, carl)
    assert here.hops == 16
    assert open_envelope(here.payload, here.signature).body == Announce(15)


def test_refresh_without_neighbours_says_nothing() -> None:
    assert sent(Playbook().fire(PresenceDue()), Publish) == []


def test_announced_interval_is_the_configured_one() -> None:
    book = Playbook(presence=PresenceConfig(refresh_s=30))
    book.neighbour(BOB)
    book.wait(30)

    ((_, here),) = sent(book.fire(PresenceDue()), Publish)

    assert open_envelope(here.payload, here.signature).body == Announce(30)


def test_full_roster_drops_whoever_was_heard_longest_ago_and_is_not_linked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence_module, "MAX_MEMBERS", 3)
    book = Playbook()
    bob = book.link(BOB)
    for who in (BOB, CARL, DORA):
        book.hear(bob, written(who, Join()))
        book.wait(1)
    book.hear(bob, written(CARL, Chat("hi"), stamp=STAMP + 1))

    outputs = book.hear(bob, written(identity(50), Join()))

    assert [(news.peer_id, news.movement) for news in of(outputs, MemberChanged)] == [
        (DORA.peer_id, Movement.LOST),
        (identity(50).peer_id, Movement.JOINED),
    ]
    book.wait(1)
    # DORA comes back: CARL was heard before the newcomer, BOB long before both, but is linked.
    outputs = book.hear(bob, written(DORA, Announce(15), stamp=STAMP + 1))
    assert [news.peer_id for news in of(outputs, MemberChanged)] == [CARL.peer_id, DORA.peer_id]


@pytest.mark.parametrize("body", [Leave(), Chat("overtaken by its leave")])
def test_full_roster_drops_nobody_for_who_does_not_come_in(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_module, "MAX_MEMBERS", 2)
    book = Playbook()
    carl = book.link(CARL)
    book.hear(carl, written(DORA, Join()), written(DORA, Leave(), stamp=STAMP + 5))
    book.hear(carl, written(BOB, Join()), written(CARL, Join()))

    assert of(book.hear(carl, written(DORA, body, stamp=STAMP + 4)), MemberChanged) == []


def test_full_roster_of_linked_members_alone_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "MAX_MEMBERS", 1)
    book = Playbook()
    bob = book.link(BOB)
    book.hear(bob, written(BOB, Join()))

    assert of(book.hear(bob, written(CARL, Join())), MemberChanged) == []


def test_who_is_only_told_of_displaces_nobody() -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, MAX_MEMBERS)

    assert presence.handle_told(BOB.peer_id, written(BOB, Join()), 1.0) is None
    assert len(presence.members) == MAX_MEMBERS


def test_full_roster_is_looked_through_once_for_many_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    presence = Presence(PresenceConfig())
    for number in range(MAX_MEMBERS):
        presence.handle_envelope(
            type(BOB.peer_id)(number.to_bytes(32, "big")), written(BOB, Join()), float(number)
        )
    looks = 0
    nsmallest = heapq.nsmallest

    def look(*args: Any, **options: Any) -> list[Any]:
        nonlocal looks
        looks += 1
        return nsmallest(*args, **options)

    monkeypatch.setattr("chatcore.presence.heapq.nsmallest", look)
    dropped = []
    for number in range(2 * MAX_LOOKED_OUT):
        peer, join = identity(20_000 + number).peer_id, written(BOB, Join())
        dropped.append(presence.make_way(peer, join, ()))
        assert presence.handle_envelope(peer, join, 20_000.0 + number) is not None

    assert looks == 2
    assert [int.from_bytes(gone.peer_id) for gone in dropped if gone] == list(range(2 * MAX_LOOKED_OUT))


def test_message_overtaken_by_its_authors_leave_does_not_bring_the_author_back() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Leave(), stamp=STAMP + 1))

    book.hear(link, written(BOB, Announce(15), stamp=STAMP))

    assert roster(book) == []


def test_message_from_long_ago_makes_nobody_present() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.wait(7 * 24 * 3600)

    book.hear(link, written(BOB, Chat("from last week"), stamp=STAMP))

    assert book.texts == ["from last week"]
    assert roster(book) == []


# How often, in a large room


def crowd(presence: Presence, count: int) -> None:
    join = written(BOB, Join())
    for number in range(count):
        presence.handle_envelope(type(BOB.peer_id)(number.to_bytes(32, "big")), join, 0.0)


@pytest.mark.parametrize(("others", "interval_s"), [(0, 15), (49, 15), (99, 31), (999, 312), (9_999, 3125)])
def test_nobody_hears_more_than_four_refreshes_a_second_however_large_the_room(
    others: int, interval_s: int
) -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, others)

    assert presence.interval_s == interval_s
    # All others as early as they may be; the interval is a whole number of seconds.
    assert others / (LEAST_SHARE * interval_s) <= MAX_REFRESHES_PER_S * 1.025


@pytest.mark.parametrize("seed", range(5))
def test_refresh_comes_within_the_interval_that_was_announced(seed: int) -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, 999)
    presence.promise(1000.0, random.Random(seed))

    assert 1000 + LEAST_SHARE * 312 <= presence.refresh_at <= 1000 + 312


def test_member_who_only_joined_yet_is_waited_for_as_long_as_the_room_is_large() -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, 999)
    for number in range(999):
        presence.handle_envelope(
            type(BOB.peer_id)(number.to_bytes(32, "big")), written(BOB, Announce(312), stamp=STAMP + 1), 0.0
        )
    presence.handle_envelope(BOB.peer_id, written(BOB, Join()), 0.0)

    assert presence.reap(3 * 312.0) == []
    assert len(presence.reap(3 * 312.0 + 0.1)) == 1000


def many(book: Playbook, count: int, body: Body) -> None:
    for number in range(count):
        item = written(identity(1000 + number), body, stamp=book.now.wall_ms << COUNTER_BITS)
        book.node.rooms[LOBBY].handle_heard(item, book.now)


def test_newcomer_to_a_room_that_shrank_hears_the_interval_in_force_and_does_not_lose_us() -> None:
    book = Playbook()
    book.neighbour(BOB)
    many(book, 500, Join())
    book.wait(15)
    ((_, here),) = sent(book.fire(PresenceDue()), Publish)
    promised = open_envelope(here.payload, here.signature).body
    assert isinstance(promised, Announce)
    assert promised.interval_s > 150
    room = book.node.rooms[LOBBY]
    assert room.refresh_at is not None
    book.wait(1)
    many(book, 500, Leave())

    ((_, greeting),) = sent(book.link_up(CARL), Publish)
    carls = Presence(PresenceConfig())
    carls.handle_envelope(ANN.peer_id, open_envelope(greeting.payload, greeting.signature), book.now.mono)

    assert [member.peer_id for member in carls.members] == [ANN.peer_id]
    assert carls.reap(room.refresh_at) == []


def test_greeting_before_we_joined_promises_no_less_than_what_follows_the_join() -> None:
    book = Playbook()
    ((_, greeting),) = sent(book.link_up(BOB), Publish)
    greeted = book.newest
    many(book, 500, Join())
    book.befriend(greeted, [])
    room = book.node.rooms[LOBBY]

    assert room.refresh_at is not None
    promised = open_envelope(greeting.payload, greeting.signature).body
    assert isinstance(promised, Announce)
    assert room.refresh_at <= book.now.mono + promised.interval_s


def test_newcomer_to_a_large_room_waits_for_who_chatted_as_long_as_the_room_proves_to_be_large() -> None:
    presence = Presence(PresenceConfig())
    presence.handle_envelope(BOB.peer_id, written(BOB, Chat("hi")), 0.0)
    # The others are heard one by one, each for the first time: the room of 5,000 speaks once in 1,562 s.
    for number in range(4999):
        at = number * 1562 / 4999
        peer = type(BOB.peer_id)(number.to_bytes(32, "big"))
        presence.handle_envelope(peer, written(CARL, Announce(1562)), at)
        if number % 48 == 0:  # every 15 s
            assert presence.reap(at) == []

    presence.handle_envelope(BOB.peer_id, written(BOB, Announce(1562), stamp=STAMP + 1), 1562.0)
    assert len(presence.members) == 5000


def test_member_that_promised_is_held_to_it_however_large_the_room_became() -> None:
    presence = Presence(PresenceConfig())
    presence.handle_envelope(BOB.peer_id, written(BOB, Announce(15)), 0.0)
    crowd(presence, 999)

    assert [gone.peer_id for gone in presence.reap(45.1)] == [BOB.peer_id]


@pytest.mark.parametrize(("keys", "most_s"), [(10, LEAST_BELIEVED_S), (999, 2 * 312)])
def test_promise_of_an_hour_is_believed_as_far_as_the_room_is_large(keys: int, most_s: float) -> None:
    presence = Presence(PresenceConfig())
    for number in range(keys):
        peer = type(BOB.peer_id)(number.to_bytes(32, "big"))
        presence.handle_envelope(peer, written(CARL, Announce(MAX_INTERVAL_S)), 0.0)

    assert presence.reap(3 * most_s) == []
    assert len(presence.reap(3 * most_s + 0.1)) == keys


def test_promise_made_while_the_room_was_larger_is_believed_until_it_is_over() -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, 4999)
    presence.handle_envelope(BOB.peer_id, written(BOB, Announce(1562)), 0.0)
    for number in range(4999):
        peer = type(BOB.peer_id)(number.to_bytes(32, "big"))
        presence.handle_envelope(peer, written(CARL, Leave(), stamp=STAMP + 1), 1.0)
    assert presence.interval_s == 15

    for at in range(15, 1576, 15):
        assert presence.reap(at) == []
    assert [gone.peer_id for gone in presence.reap(3 * 1562.0)] == [BOB.peer_id]


# Who went


def test_who_went_is_kept_for_a_while_with_how_and_when_last_seen() -> None:
    presence = Presence(PresenceConfig())
    presence.handle_envelope(BOB.peer_id, written(BOB, Join(), username="bob"), 10.0)
    presence.handle_envelope(CARL.peer_id, written(CARL, Join(), username="carl"), 12.0)
    presence.handle_envelope(BOB.peer_id, written(BOB, Leave(), stamp=STAMP + 1), 20.0)
    presence.reap(60.0)

    assert [(gone.username, gone.how, gone.heard) for gone in presence.former(61.0)] == [
        ("bob", Movement.LEFT, 10.0),
        ("carl", Movement.LOST, 12.0),
    ]
    assert presence.former(12.0 + FORMER_S) == []


def test_who_comes_back_is_no_longer_among_those_who_went() -> None:
    presence = Presence(PresenceConfig())
    presence.handle_envelope(BOB.peer_id, written(BOB, Join()), 0.0)
    presence.reap(60.0)
    presence.handle_envelope(BOB.peer_id, written(BOB, Announce(15), stamp=STAMP + 1), 61.0)

    assert presence.former(61.0) == []


def test_only_so_many_who_went_are_kept() -> None:
    presence = Presence(PresenceConfig())
    crowd(presence, MAX_FORMER + 5)
    presence.reap(1000.0)

    assert presence.members == []
    assert len(presence.former(1000.0)) == MAX_FORMER


# Memory


def test_member_takes_no_more_memory_than_is_said_beside_the_cap() -> None:
    presence = Presence(PresenceConfig())
    base = written(BOB, Announce(15), username="\N{GRINNING FACE}" * 16)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1000):
        # As it comes from a link: every object of its own, the payload as long as it is kept.
        payload, signature = bytes([number % 256]) * MAX_WORD_BYTES, bytes([number % 256]) * 64
        fresh = base._replace(
            payload=payload,
            signature=signature,
            username=f"{number:04}" + base.username[4:],
            stamp=STAMP + number,
        )
        peer = type(BOB.peer_id)(number.to_bytes(32, "big"))
        presence.handle_envelope(peer, fresh, float(number))
        fresh = fresh._replace(stamp=STAMP + 2000 + number, username=f"x{number:03}" + base.username[4:])
        presence.handle_envelope(peer, fresh, 1000.0 + number)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown / 1000 <= 1200


# Another name


def test_rename_is_answered_told_and_announced_in_every_room_at_once() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob = book.neighbour(BOB, rooms=[LOBBY, WINE])

    outputs = book.rename("anna")

    assert one(outputs, Replied).reply == RenameReply("anna", changed=True)
    assert one(outputs, Renamed) == Renamed("anna")
    said = [open_envelope(item.payload, item.signature) for _, item in sent(outputs, Publish)]
    assert [(item.room, item.username, item.body) for item in said] == [
        (LOBBY, "anna", Announce(15)),
        (WINE, "anna", Announce(15)),
    ]
    assert [links for links, _ in sent(outputs, Publish)] == [(bob,), (bob,)]


def test_what_is_said_after_a_rename_carries_the_new_name() -> None:
    book = Playbook()
    book.rename("anna")

    (stored,) = [item for item in book.settle(book.say("hi")) if isinstance(item, MessageAdded)]
    assert stored.stored.envelope.username == "anna"


def test_rename_to_the_same_name_changes_nothing_and_costs_nothing() -> None:
    book = Playbook()
    for _ in range(10):
        assert of(book.rename("ann"), Replied)[0].reply == RenameReply("ann", changed=False)
    assert of(book.rename("anna"), Renamed) == [Renamed("anna")]


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "x" * 65])
def test_rename_to_what_is_no_name_is_rejected_with_the_rule(name: str) -> None:
    book = Playbook()
    assert isinstance(one(book.rename(name), Rejected).error, BadName)
    assert book.node.username == "ann"


def test_renames_beyond_their_rate_are_rejected_until_time_has_passed() -> None:
    book = Playbook()
    for number in range(RENAME_BURST):
        assert of(book.rename(f"ann{number}"), Renamed)

    assert isinstance(one(book.rename("annx"), Rejected).error, RenamedTooOften)
    book.wait(RENAME_EVERY_S)
    assert of(book.rename("annx"), Renamed) == [Renamed("annx")]


def test_renamed_member_is_told_with_both_names_and_the_peer_is_called_so() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.hear(bob, written(BOB, Join(), username="bob"))

    outputs = book.hear(bob, written(BOB, Announce(15), stamp=STAMP + 1, username="robert"))

    assert one(outputs, MemberChanged) == MemberChanged(
        "lobby", BOB.peer_id, "robert", Movement.RENAMED, was="bob"
    )
    link = book.node.links.get(bob)
    assert link is not None
    assert link.username == "robert"


def test_member_who_takes_name_after_name_is_not_followed_until_time_has_passed() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.hear(bob, written(BOB, Join(), username="bob"))
    told = []
    for number in range(50):
        told += changes(
            [*book.hear(bob, written(BOB, Announce(15), stamp=STAMP + 1 + number, username=f"b{number}"))]
        )

    assert told == [(f"b{number}", Movement.RENAMED) for number in range(HEARD_BURST)]
    book.wait(1 / RENAMES_PER_S)
    last = written(BOB, Announce(15), stamp=STAMP + 100, username="b49")
    assert changes([*book.hear(bob, last)]) == [("b49", Movement.RENAMED)]
