"""Feelers: now and then a random known address is dialled, to see whether anybody is there."""

import pytest

from chatcore.config import LinkConfig
from chatcore.dialler import FEW_LINKS
from chatcore.errors import Unreachable
from chatcore.events import Dial, DialFailed, FeelerDue, Output, SetTimer, Started
from chatcore.identity import Identity
from chatcore.links import OUTBOUND_PART
from chatcore.messages import PeerResponse
from tests.support.core import BOB, CARL, DORA, Playbook, identity, of, signed

EVERY_S = LinkConfig().feeler_every_s
FRIEND = "198.51.100.9:8080"


def knowing(*peers: Identity, links: int = FEW_LINKS, most: int = 50) -> Playbook:
    """A node with links that has been told where these are, each in a network of its own."""
    book = Playbook(link=LinkConfig(max_peers=most))
    others = [identity(100 + number) for number in range(links - 1)]
    told = tuple(signed(peer, where(peer)) for peer in peers)
    for other in others:
        book.link_up(other)
    book.link_up(BOB, dialled=FRIEND)
    for output in of(book.receive(book.newest, PeerResponse(told)), Dial):
        book.handle(DialFailed(output.address, Unreachable("nobody there")))
    book.wait(3600.0)
    for link in book.node.links:
        link.heard = book.now.mono
    return book


def where(peer: Identity) -> str:
    return f"203.{peer.public_key[0]}.113.1:1"


def feel(book: Playbook) -> list[Output]:
    return book.fire(FeelerDue())


def test_feeler_dials_one_known_address_and_expects_its_peer_there() -> None:
    book = knowing(CARL, DORA)

    dials = of(feel(book), Dial)

    assert len(dials) == 1
    assert dials[0] in [Dial(where(CARL), CARL.peer_id), Dial(where(DORA), DORA.peer_id)]


def test_feelers_come_every_half_minute_with_jitter() -> None:
    book = knowing(CARL)
    started = Playbook(started=False).handle(Started())

    pauses = [
        output.at - book.now.mono
        for _ in range(200)
        for output in of(feel(book), SetTimer)
        if output.key == FeelerDue()
    ]

    assert len(pauses) == 200
    assert 0.8 * EVERY_S <= min(pauses) < 0.85 * EVERY_S
    assert 1.15 * EVERY_S < max(pauses) <= 1.2 * EVERY_S
    assert FeelerDue() in [output.key for output in of(started, SetTimer)]


def test_every_known_address_has_its_turn_once_while_it_is_being_dialled() -> None:
    book = knowing(CARL, DORA)

    dials = [dial.address for _ in range(10) for dial in of(feel(book), Dial)]

    assert sorted(dials) == sorted([where(CARL), where(DORA)])


@pytest.mark.parametrize("links", range(1, FEW_LINKS))
def test_node_with_few_links_sends_no_feelers_as_it_dials_all_it_knows_anyway(links: int) -> None:
    book = knowing(CARL, links=links)

    outputs = feel(book)

    assert [type(output) for output in outputs] == [SetTimer]


def test_node_without_a_place_sends_no_feelers() -> None:
    most = 6
    book = knowing(CARL, links=most - most // OUTBOUND_PART, most=most)
    assert len(of(feel(book), Dial)) == 1

    full = knowing(CARL, links=most - most // OUTBOUND_PART, most=most)
    full.link_up(DORA, dialled="198.51.100.10:1")
    assert full.node.links.full
    assert of(feel(full), Dial) == []


def test_linked_peer_is_not_felt_for() -> None:
    book = knowing(CARL)
    book.link_up(CARL)

    assert of(feel(book), Dial) == []
