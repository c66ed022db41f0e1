"""Who is in a room."""

import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.config import PresenceConfig
from chatcore.envelopes import Announce, Body, Chat, Join, Leave, UnknownBody, open_envelope
from chatcore.events import MemberChanged, PresenceDue
from chatcore.messages import Publish
from chatcore.presence import MAX_MEMBERS, Presence
from tests.support.core import ANN, BOB, CARL, LOBBY, STAMP, Playbook, of, of_kind, one, sent, written


def changes(outputs: list[object]) -> list[tuple[str, bool]]:
    return [(news.username, news.joined) for news in outputs if isinstance(news, MemberChanged)]


def roster(book: Playbook) -> list[str]:
    return [member.username for member in book.node.rooms[LOBBY].members]


@pytest.mark.parametrize("body", [Join(), Announce(15), Chat("hi"), UnknownBody(200)])
def test_any_message_but_leave_brings_its_author_in(body: Body) -> None:
    book = Playbook()
    envelope = of_kind(BOB, 200) if isinstance(body, UnknownBody) else written(BOB, body)

    outputs = book.hear(book.link(CARL), envelope)

    assert one(outputs, MemberChanged) == MemberChanged("lobby", BOB.peer_id, "somebody", joined=True)
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

    assert one(outputs, MemberChanged) == MemberChanged("lobby", BOB.peer_id, "somebody", joined=False)
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
        "lobby", BOB.peer_id, "somebody", joined=False
    )


def test_member_is_told_once_when_reaped_and_may_come_back() -> None:
    book = Playbook()
    link = book.link(CARL)
    book.hear(link, written(BOB, Join()))
    book.wait(46)
    assert len(of(book.fire(PresenceDue()), MemberChanged)) == 1
    assert of(book.fire(PresenceDue()), MemberChanged) == []

    later = (book.now.wall_ms) << COUNTER_BITS
    assert changes([*book.hear(link, written(BOB, Announce(15), stamp=later))]) == [("somebody", True)]


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

    ((links, here),) = sent(book.fire(PresenceDue()), Publish)

    assert links == (bob, carl)
    assert here.hops == 16
    assert open_envelope(here.payload, here.signature).body == Announce(15)


def test_refresh_without_neighbours_says_nothing() -> None:
    assert sent(Playbook().fire(PresenceDue()), Publish) == []


def test_announced_interval_is_the_configured_one() -> None:
    book = Playbook(presence=PresenceConfig(refresh_s=30))
    book.neighbour(BOB)

    ((_, here),) = sent(book.fire(PresenceDue()), Publish)

    assert open_envelope(here.payload, here.signature).body == Announce(30)


def test_full_roster_takes_no_new_member_and_keeps_the_old_ones() -> None:
    presence = Presence(PresenceConfig())
    join = written(BOB, Join())
    peers = [type(BOB.peer_id)(number.to_bytes(32, "big")) for number in range(MAX_MEMBERS + 1)]
    for peer in peers[:-1]:
        assert presence.handle_envelope(peer, join, 0.0) is not None

    assert presence.handle_envelope(peers[-1], join, 0.0) is None
    assert len(presence.members) == MAX_MEMBERS
    assert presence.is_member(peers[0])
    assert not presence.is_member(peers[-1])


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
