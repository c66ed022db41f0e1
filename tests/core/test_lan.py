"""Nodes announced on the local network: who is called, how often, and what a liar among them can do."""

import random

from chatcore.dialler import FEW_LINKS
from chatcore.errors import ClosedByPeer, SelfDialed, Unreachable
from chatcore.events import Connect, Dial, DialDue, DialFailed, Discovered, Output, RequestId, SetTimer, Stop
from chatcore.ids import LinkId
from chatcore.lan import CALLS_AT_ONCE, CALLS_PER_S, MAX_LAN_ADDRESSES, MAX_LAN_NODES, Lan
from tests.support.core import BOB, CARL, START, Playbook, identity, of, one

HERE = "192.0.2.8:8080"
THERE = "[fe80::8%2]:8080"


def discovered(*addresses: str) -> Discovered:
    return Discovered(tuple((address,) for address in addresses))


def many(count: int, first: int = 0) -> list[str]:
    return [f"10.0.{number // 256}.{number % 256}:8080" for number in range(first, first + count)]


def dials(outputs: list[Output]) -> list[str]:
    return [output.address for output in of(outputs, Dial)]


def fail(book: Playbook, address: str) -> list[Output]:
    return book.handle(DialFailed(address, Unreachable("no")))


def with_links(count: int) -> Playbook:
    book = Playbook()
    for number in range(count):
        book.link_up(identity(100 + number), address=f"198.51.100.{number}:1", port=8080)
    return book


def test_found_node_is_dialled_whoever_it_is() -> None:
    assert one(Playbook().handle(discovered(HERE)), Dial) == Dial(HERE, None)


def test_found_node_is_dialled_however_many_links_there_are() -> None:
    book = with_links(FEW_LINKS + 5)
    assert dials(book.handle(discovered(HERE))) == [HERE]


def test_found_node_is_not_dialled_again_while_it_is_being_dialled() -> None:
    book = Playbook()
    book.handle(discovered(HERE))
    assert dials(book.handle(discovered(HERE))) == []
    book.wait(60)
    assert dials(book.fire(DialDue())) == []


def test_found_node_that_does_not_answer_is_dialled_with_growing_pauses() -> None:
    book = with_links(FEW_LINKS)
    book.handle(discovered(HERE))
    for number in range(12):
        (timer,) = [output for output in of(fail(book, HERE), SetTimer) if output.key == DialDue()]
        pause = timer.at - book.now.mono
        wanted = min(2.0**number, 300.0)
        assert 0.5 * wanted <= pause <= 1.5 * wanted
        book.wait(pause)
        assert dials(book.fire(DialDue())) == [HERE]


def test_found_node_that_has_answered_is_an_address_like_any_other() -> None:
    book = with_links(FEW_LINKS)
    book.handle(discovered(HERE))
    book.link_up(BOB, dialled=HERE)
    book.settle(book.link_down(book.newest, ClosedByPeer("enough for now")))
    book.wait(600)
    assert dials(book.handle(discovered(HERE))) == []


def test_node_that_called_us_is_not_called() -> None:
    book = Playbook()
    book.link_up(BOB, address="192.0.2.8:40000", port=8080)
    assert dials(book.handle(discovered(HERE))) == []


def test_next_address_of_a_node_is_tried_when_one_fails() -> None:
    book = with_links(FEW_LINKS)
    assert dials(book.handle(Discovered(((HERE, THERE),)))) == [HERE]
    assert dials(fail(book, HERE)) == [THERE]
    book.link_up(BOB, dialled=THERE)
    book.wait(60)
    assert dials(book.fire(DialDue())) == []


def test_address_that_is_our_own_is_not_dialled_twice() -> None:
    book = Playbook()
    book.handle(discovered(HERE))
    outputs = book.handle(DialFailed(HERE, SelfDialed()))
    book.wait(600)
    assert dials(outputs) == dials(book.handle(discovered(HERE))) == dials(book.fire(DialDue())) == []


def test_node_no_longer_announced_is_forgotten_unless_somebody_answered_there() -> None:
    book = Playbook()
    book.handle(discovered(HERE, THERE))
    book.link_up(BOB, dialled=THERE)
    fail(book, HERE)
    book.handle(discovered())
    book.settle(book.link_down(book.newest))
    book.wait(600)
    assert dials(book.fire(DialDue())) == [THERE]


def test_address_the_operator_asked_for_stays_when_it_is_no_longer_announced() -> None:
    book = Playbook()
    book.handle(discovered(HERE))
    book.handle(Connect(RequestId(1), HERE))
    book.handle(discovered())
    fail(book, HERE)
    book.wait(2)
    assert dials(book.fire(DialDue())) == [HERE]


def test_nobody_is_dialled_after_stop() -> None:
    book = Playbook()
    book.handle(Stop())
    assert dials(book.handle(discovered(HERE))) == []


def test_many_nodes_are_called_a_few_at_once_and_the_others_one_by_one() -> None:
    book = with_links(FEW_LINKS)
    addresses = many(30)
    outputs = book.handle(discovered(*addresses))
    called = dials(outputs)
    assert len(called) == CALLS_AT_ONCE
    assert called != addresses[:CALLS_AT_ONCE]  # in no order, or everybody would call the same
    for number, address in enumerate(called):
        book.link_up(identity(200 + number), dialled=address)
    for _ in range(30 - CALLS_AT_ONCE):
        book.wait(1 / CALLS_PER_S)
        (more,) = dials(book.fire(DialDue()))
        book.link_up(identity(300 + int(more.rpartition(":")[0].rpartition(".")[2])), dialled=more)
        called.append(more)
    assert sorted(called) == sorted(addresses)


def test_next_call_has_a_timer() -> None:
    book = with_links(FEW_LINKS)
    outputs = book.handle(discovered(*many(CALLS_AT_ONCE + 1)))
    at = [output.at for output in of(outputs, SetTimer) if output.key == DialDue()]
    assert at == [START.mono + 1 / CALLS_PER_S]


def test_flood_of_announcements_fills_neither_the_book_nor_the_network() -> None:
    book = with_links(FEW_LINKS)
    called = 0
    seconds = 600
    for second in range(seconds):
        outputs = book.handle(discovered(*many(500, first=500 * second)))
        called += len(dials(outputs))
        book.wait(1.0)
    assert called <= CALLS_AT_ONCE + seconds * CALLS_PER_S + 1
    known = book.node._dialler._book._book
    assert len(known) <= MAX_LAN_NODES * MAX_LAN_ADDRESSES


def test_flood_of_announced_nodes_that_answer_does_not_fill_the_book() -> None:
    book = with_links(FEW_LINKS)
    for number in range(300):
        near = f"[fe80::{number + 1:x}%2]:8080"
        for address in dials(book.handle(discovered(near))):
            book.link_up(identity(300 + number), dialled=address)
            book.settle(book.link_down(book.newest, ClosedByPeer("enough")))
        book.wait(10.0)
    known = book.node._dialler._book._book
    assert len(known) <= FEW_LINKS + MAX_LAN_NODES


def test_nodes_and_their_addresses_are_bounded() -> None:
    lan = Lan(random.Random(1))
    lan.handle_discovered([tuple(many(9, first=9 * number)) for number in range(MAX_LAN_NODES + 5)])
    assert len(lan) == MAX_LAN_NODES
    gone = lan.handle_discovered([])
    assert len(gone) == MAX_LAN_NODES * MAX_LAN_ADDRESSES


def test_node_without_an_address_is_nothing() -> None:
    lan = Lan(random.Random(1))
    lan.handle_discovered([()])
    assert len(lan) == 0


def test_link_beyond_the_most_peers_is_not_sought() -> None:
    book = with_links(42)
    for number in range(8):
        book.link_up(identity(300 + number), dialled=f"203.0.113.{number}:1")
    assert dials(book.handle(discovered(HERE))) == []
    book.settle(book.link_down(LinkId(1)))
    book.link_up(CARL, dialled=HERE)
    assert book.node.links.full
