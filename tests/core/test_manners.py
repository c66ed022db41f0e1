"""Membership messages that are not in order: too often, unasked, or too late."""

import pytest

from chatcore.config import GossipConfig
from chatcore.events import Dial, Output, ShuffleDue
from chatcore.identity import Identity
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.manners import DISCONNECT_BURST, DISCONNECT_PER_S, MAX_UNANSWERED
from chatcore.membership import ASK_AGAIN_S
from chatcore.messages import (
    Disconnect,
    LinkMessage,
    Neighbor,
    NeighborReply,
    Rooms,
    Shuffle,
    ShuffleReply,
)
from chatcore.moves import MOVES_BURST
from chatcore.records import PeerRecord
from tests.support.core import BOB, CARL, DORA, LOBBY, TEA, WINE, Playbook, identity, of, sent, signed


def record(who: Identity) -> PeerRecord:
    return signed(who, "198.51.100.1:1")


def known(book: Playbook) -> set[PeerId]:
    return {item.peer_id for item in book.node.rooms[LOBBY].known}


def yes(*members: Identity) -> NeighborReply:
    return NeighborReply(LOBBY, accepted=True, members=tuple(record(who) for who in members))


def no() -> NeighborReply:
    return NeighborReply(LOBBY, accepted=False, members=())


def test_shuffle_is_taken_only_so_often_from_one_link() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    assert len(sent(book.receive(bob, Shuffle(LOBBY, ())), ShuffleReply)) == 1
    book.wait(4.9)

    assert book.receive(bob, Shuffle(LOBBY, (record(DORA),))) == []
    assert known(book) == set()
    assert book.refused["shuffle_rate"] == 1
    assert len(sent(book.receive(carl, Shuffle(LOBBY, ())), ShuffleReply)) == 1
    book.wait(0.2)
    assert len(sent(book.receive(bob, Shuffle(LOBBY, (record(DORA),))), ShuffleReply)) == 1
    assert known(book) == {DORA.peer_id}


def test_shuffle_reply_is_taken_once_for_each_shuffle() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    assert book.receive(bob, ShuffleReply(LOBBY, (record(CARL),))) == []
    assert book.refused["unasked_shuffle_reply"] == 1

    assert len(sent(book.fire(ShuffleDue()), Shuffle)) == 1
    book.receive(bob, ShuffleReply(LOBBY, (record(CARL),)), ShuffleReply(LOBBY, (record(DORA),)))

    assert known(book) == {CARL.peer_id}
    assert book.refused["unasked_shuffle_reply"] == 2


def test_unasked_acceptance_is_answered_with_disconnect_and_teaches_nothing() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.receive(bob, no())

    outputs = book.receive(bob, yes(CARL))

    assert sent(outputs, Disconnect) == [((bob,), Disconnect(LOBBY))]
    assert of(outputs, Dial) == []
    assert (known(book), book.active()) == (set(), set())
    assert book.refused["unasked_neighbor_reply"] == 1


def test_unasked_refusal_is_ignored() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)

    assert book.receive(bob, no()) == []
    assert book.active() == {bob}


def test_acceptance_that_comes_too_late_leaves_no_one_sided_neighbour() -> None:
    book = Playbook(gossip=GossipConfig(fanout=4, full_mesh_below=0))
    bob, carl, late = book.link(BOB), book.link(CARL), book.link(DORA)
    for link in (bob, carl):
        book.receive(link, yes())
    guest = book.link(identity(100))
    book.receive(guest, Neighbor(LOBBY, urgent=False))
    book.wait(11)
    assert (
        sent(book.receive(guest, Neighbor(LOBBY, urgent=False)), Neighbor) == []
    )  # enough without the third

    outputs = book.receive(late, yes())

    assert sent(outputs, Disconnect) == [((late,), Disconnect(LOBBY))]
    assert book.active() == {bob, carl, guest}


def test_silence_does_not_save_up_answers() -> None:
    book = Playbook()
    bob = book.link(BOB)
    for _ in range(5):
        book.wait(21)
        book.fire(ShuffleDue())

    book.receive(bob, *[no()] * 5)

    assert book.refused["unasked_neighbor_reply"] == 5 - MAX_UNANSWERED


def test_second_acceptance_changes_nothing() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.wait(11)
    again = book.fire(ShuffleDue())
    assert sent(again, Neighbor) == [((bob,), Neighbor(LOBBY, urgent=True))]

    assert sent(book.receive(bob, yes()), Disconnect) == []
    assert book.receive(bob, yes()) == []
    assert book.active() == {bob}


# What makes us look at our neighbourhoods


def refused_in_both_rooms() -> tuple[Playbook, LinkId, LinkId]:
    """In the lobby and in #wine; BOB and CARL have refused long enough ago to be asked again in both."""
    book = Playbook(gossip=GossipConfig(full_mesh_below=0))
    book.settle(book.join("wine"))
    bob, carl = book.link(BOB, rooms=[LOBBY, WINE]), book.link(CARL, rooms=[LOBBY, WINE])
    for link in (bob, carl):
        book.receive(link, no(), NeighborReply(WINE, accepted=False, members=()))
    book.wait(ASK_AGAIN_S)
    return book, bob, carl


def rooms_asked(outputs: list[Output]) -> set[tuple[LinkId, RoomId]]:
    return {(link, message.room) for links, message in sent(outputs, Neighbor) for link in links}


def test_message_about_one_room_makes_us_look_at_that_room_alone() -> None:
    book, bob, carl = refused_in_both_rooms()

    assert rooms_asked(book.receive(bob, Disconnect(LOBBY))) == {(carl, LOBBY)}
    assert rooms_asked(book.receive(bob, Rooms(frozenset([LOBBY])))) == {(carl, WINE)}


def test_message_that_is_not_taken_makes_us_look_at_no_room() -> None:
    book, bob, _ = refused_in_both_rooms()

    assert rooms_asked(book.receive(bob, no())) == set()
    assert rooms_asked(book.receive(bob, Rooms(frozenset([LOBBY, WINE])))) == set()  # it says nothing new
    assert len(rooms_asked(book.fire(ShuffleDue()))) == 4


def test_disconnect_is_taken_only_so_often_from_one_link() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.receive(bob, *[Disconnect(LOBBY)] * DISCONNECT_BURST)
    assert book.active() == set()
    book.receive(bob, Neighbor(LOBBY, urgent=False))

    book.receive(bob, Disconnect(LOBBY))
    assert book.active() == {bob}
    assert book.refused["disconnect_rate"] == 1
    book.wait(1 / DISCONNECT_PER_S)
    book.receive(bob, Disconnect(LOBBY))
    assert book.active() == set()


def test_peer_that_moves_too_often_is_believed_at_the_next_shuffle() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    elsewhere = frozenset([TEA])
    moves = [elsewhere, frozenset([LOBBY])] * (MOVES_BURST // 4)
    assert book.receive(bob, *map(Rooms, moves)) != []
    assert in_rooms(book, bob) == {LOBBY}

    book.receive(bob, Rooms(elsewhere))

    assert in_rooms(book, bob) == {LOBBY}
    assert book.refused["rooms_rate"] == 1
    book.fire(ShuffleDue())
    assert in_rooms(book, bob) == {TEA}
    assert book.active() == set()


def test_last_word_of_a_peer_that_moved_too_often_counts() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.receive(bob, *map(Rooms, [frozenset([TEA]), frozenset([LOBBY])] * (MOVES_BURST // 4)))
    book.receive(bob, Rooms(frozenset([TEA])))
    book.wait(10.0)
    book.receive(bob, Rooms(frozenset([LOBBY, WINE])))
    book.fire(ShuffleDue())

    assert in_rooms(book, bob) == {LOBBY, WINE}


@pytest.mark.parametrize("message", [Disconnect(LOBBY), Rooms(frozenset([LOBBY]))], ids=["parting", "moving"])
def test_flood_of_either_ends_the_link(message: LinkMessage) -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.receive(bob, *[message] * (MOVES_BURST + 110))

    assert book.node.links.get(bob) is None


def in_rooms(book: Playbook, link: LinkId) -> frozenset[RoomId]:
    found = book.node.links.get(link)
    assert found is not None
    return found.rooms
