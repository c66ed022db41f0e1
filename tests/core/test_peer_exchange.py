"""What others are told of the peers we know: a sample, the same for a while, so nobody copies our tables."""

from chatcore.exchange import LEAST_TOLD, MAX_TOLD_SHARE, TOLD_AGAIN_S
from chatcore.ids import PeerId
from chatcore.messages import MAX_PEER_RECORDS, PeerRequest, PeerResponse
from chatcore.records import KnownAddress
from tests.support.core import Playbook, identity, sent, signed

KNOWN = 400


def acquainted(count: int) -> Playbook:
    """With so many peers that answered in an earlier run, each in a network of its own."""
    records = [
        signed(identity(5000 + number), f"{20 + number // 250}.{number % 250}.0.1:1")
        for number in range(count)
    ]
    return Playbook(
        addresses=[
            KnownAddress(record.address, record.peer_id, record, b"teller", tried=True, anchor=False)
            for record in records
        ]
    )


def told(book: Playbook, askers: int, first: int = 0) -> set[PeerId]:
    """To so many that ask, one after the other."""
    found: set[PeerId] = set()
    for number in range(first, first + askers):
        link = book.link(identity(100 + number), address=f"198.51.100.{number % 250}:1", rooms=[])
        for _, response in sent(book.receive(link, PeerRequest(MAX_PEER_RECORDS)), PeerResponse):
            found |= {record.peer_id for record in response.peers}
        book.link_down(link)
    return found


def test_all_who_ask_together_are_told_no_more_than_a_share() -> None:
    book = acquainted(KNOWN)
    proven = {record.peer_id for record in book.node._dialler.proven()}
    assert len(proven) > 300

    found = told(book, 100)

    assert LEAST_TOLD - 1 <= len(found) <= MAX_TOLD_SHARE * len(proven)
    assert found <= proven


def test_few_are_told_all_of_them() -> None:
    book = acquainted(LEAST_TOLD - 2)

    assert len(told(book, 3)) == LEAST_TOLD - 2


def test_others_are_told_after_five_minutes_and_not_before() -> None:
    book = acquainted(KNOWN)
    before = told(book, 100)
    book.wait(TOLD_AGAIN_S - 1.0)
    assert told(book, 100) == before

    book.wait(2.0)

    assert len(told(book, 100) - before) > LEAST_TOLD / 4
