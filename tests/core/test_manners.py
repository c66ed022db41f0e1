"""Membership messages that are not in order: too often, unasked, or too late."""

from chatcore.config import GossipConfig
from chatcore.events import Dial, ShuffleDue
from chatcore.identity import Identity
from chatcore.ids import PeerId
from chatcore.manners import MAX_UNANSWERED
from chatcore.messages import Disconnect, Neighbor, NeighborReply, Shuffle, ShuffleReply
from chatcore.records import PeerRecord
from tests.support.core import BOB, CARL, DORA, LOBBY, Playbook, identity, of, sent, signed


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
