"""Anchors: two links of our own choice that outlive a restart."""

from collections.abc import Iterable

from chatcore.addressbook import ANCHORS
from chatcore.addresstables import MAX_LOST
from chatcore.dialler import DIALS_WHEN_ALONE, FEW_LINKS
from chatcore.events import (
    AddressesDue,
    AddressesNotSaved,
    Dial,
    DialDue,
    Output,
    SaveAddresses,
    SetTimer,
    Started,
    Stop,
)
from chatcore.messages import PeerResponse
from chatcore.records import KnownAddress
from tests.support.core import BOB, Playbook, identity, of, signed


def where(number: int) -> str:
    return f"{20 + number}.0.0.1:1"


def linked(dialled: Iterable[int], called: Iterable[int] = ()) -> Playbook:
    """In that order, callers first; each in a network of its own."""
    book = Playbook()
    for number in called:
        book.link_up(identity(100 + number), address=where(number), port=1)
        book.wait(1.0)
    for number in dialled:
        book.link_up(identity(100 + number), dialled=where(number), port=1)
        book.wait(1.0)
    return book


def saved(outputs: list[Output]) -> dict[str, KnownAddress]:
    return {item.address: item for save in of(outputs, SaveAddresses) for item in save.known}


def anchors(outputs: list[Output]) -> list[str]:
    return [address for address, item in saved(outputs).items() if item.anchor]


def known(number: int, *, anchor: bool = False, tried: bool = False) -> KnownAddress:
    record = signed(identity(100 + number), where(number))
    return KnownAddress(where(number), record.peer_id, record, b"teller", tried, anchor)


def restarted(*addresses: KnownAddress) -> list[str]:
    book = Playbook(addresses=addresses, started=False)
    return [dial.address for dial in of(book.handle(Started()), Dial)]


def test_anchors_are_the_two_longest_links_of_our_own_choice() -> None:
    book = linked(range(10, 16), called=range(3))

    assert anchors(book.fire(AddressesDue())) == [where(10), where(11)]


def test_anchors_are_chosen_anew_when_a_link_goes() -> None:
    book = linked(range(10, 13))
    book.fire(AddressesDue())
    book.link_down(next(iter(book.node.links)).link)

    outputs = book.fire(AddressesDue())

    assert anchors(outputs) == [where(12)]
    assert not saved(outputs)[where(10)].anchor


def test_last_anchors_stay_when_all_links_are_gone() -> None:
    book = linked(range(10, 13))
    book.fire(AddressesDue())
    for link in list(book.node.links):
        book.link_down(link.link)

    last = saved(book.handle(Stop()))

    assert where(10) not in last or last[where(10)].anchor
    assert where(11) not in last or last[where(11)].anchor


def test_addresses_are_saved_ever_less_often_and_when_the_node_stops() -> None:
    book = linked([10])
    waits = [
        timer.at - book.now.mono
        for _ in range(7)
        for timer in of(book.fire(AddressesDue()), SetTimer)
        if timer.key == AddressesDue()
    ]
    assert waits == [4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    book.link_up(identity(111), dialled=where(11), port=1)

    assert where(11) in saved(book.handle(Stop()))


def test_addresses_that_could_not_be_saved_are_saved_the_next_time() -> None:
    book = linked([10])
    first = saved(book.fire(AddressesDue()))
    assert saved(book.fire(AddressesDue())) == {}

    assert book.handle(AddressesNotSaved(tuple(first))) == []

    assert list(first) == [where(10)]
    assert saved(book.fire(AddressesDue())) == first


def test_anchors_are_dialled_first_after_a_restart_and_for_as_long_as_lost_peers() -> None:
    others = [known(number, tried=True) for number in range(30)]
    both = [known(40, anchor=True, tried=True), known(41, anchor=True)]

    dialled = restarted(*others, *both)

    assert dialled[:ANCHORS] == [where(40), where(41)]


def test_callers_that_go_without_a_word_are_not_dialled_and_who_was_dialled_is() -> None:
    book = linked(range(10, 10 + FEW_LINKS + 1))
    book.link_down(next(iter(book.node.links)).link)
    for number in range(20, 20 + 2 * MAX_LOST):
        book.link_up(identity(100 + number), address=where(number), rooms=(), port=1)
        book.link_down(book.newest)
    book.wait(600.0)

    assert [dial.address for dial in of(book.fire(DialDue()), Dial)] == [where(10)]


def test_node_without_a_link_dials_eight_and_with_one_as_many_as_make_a_few() -> None:
    addresses = [known(number) for number in range(30)]
    book = Playbook(addresses=addresses, started=False)
    assert len(of(book.handle(Started()), Dial)) == DIALS_WHEN_ALONE

    book = Playbook(started=False)
    book.handle(Started())
    book.link_up(BOB, dialled="198.51.100.9:1")
    told = PeerResponse(tuple(signed(identity(100 + n), where(n)) for n in range(20)))
    assert len(of(book.receive(book.newest, told), Dial)) == FEW_LINKS - 1
