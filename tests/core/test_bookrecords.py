"""Peer records, against a side written from docs/protocol.md alone: each takes the other's, no forgery."""

import nacl.signing
import pytest

from chatcore.errors import Malformed
from chatcore.identity import Identity
from chatcore.messages import Introduction, PeerRequest, PeerResponse
from chatcore.names import join_address
from chatcore.records import open_record, sign_record
from tests.support import bookrecords
from tests.support.bookrecords import BookRecord
from tests.support.core import ANN, BOB, Playbook, sent
from tests.support.core_sessions import ByTheBook, End, credentials, frame, frames, hello_fields

SEED = bytes([7]) * 32
KEY = nacl.signing.SigningKey(SEED)
TIME = 1_700_000_000
HOSTS = ["192.0.2.1", "10.1.2.3", "127.0.0.1", "2001:db8::1", "fd00::7"]


@pytest.mark.parametrize("host", HOSTS)
def test_record_of_ours_is_one_by_the_book(host: str) -> None:
    record = sign_record(ANN, join_address(host, 8080), TIME)

    assert bookrecords.read(record.signed) == BookRecord(str(ANN.peer_id), TIME, host, 8080)


@pytest.mark.parametrize("host", HOSTS)
def test_record_by_the_book_is_one_of_ours(host: str) -> None:
    record = open_record(bookrecords.write(KEY, TIME, host, 8080))

    assert (record.address, record.time) == (join_address(host, 8080), TIME)
    assert record.is_signed()
    assert record == open_record(record.signed)


@pytest.mark.parametrize("at", [0, 31, 32, 35, 36, 39, 40, 41, 42, 105])
def test_neither_side_takes_a_record_with_a_byte_changed(at: int) -> None:
    spoilt = bytearray(bookrecords.write(KEY, TIME, "192.0.2.1", 8080))
    spoilt[at] ^= 1

    assert bookrecords.read(bytes(spoilt)) is None
    assert not open_record(bytes(spoilt)).is_signed()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        bookrecords.write(KEY, TIME, "192.0.2.1", 8080)[:-1],
        bookrecords.write(KEY, TIME, "192.0.2.1", 8080) + b"\0",
        bookrecords.write(KEY, TIME, "::ffff:192.0.2.1", 8080),
    ],
)
def test_neither_side_takes_what_is_no_record(record: bytes) -> None:
    assert bookrecords.read(record) is None
    with pytest.raises(Malformed):
        open_record(record)


def test_introductions_of_both_sides_are_understood_over_a_link() -> None:
    listener = End(credentials(ANN), dialler=False).open()
    book = ByTheBook(SEED, dialler=True)
    listener.feed(frame(book.preface + book.write()))
    book.read(frames(listener.take())[0][15:])
    listener.feed(frame(book.write(book.proof())) + book.seal(list(hello_fields())))
    book.open(frames(listener.take())[0])
    theirs = bookrecords.write(KEY, TIME, "192.0.2.1", 8080)

    listener.feed(book.seal([10, [theirs]]))
    listener.say(Introduction((sign_record(ANN, "192.0.2.9:99", TIME),)))

    assert listener.messages == [Introduction((open_record(theirs),))]
    ((kind, ours),) = book.open(frames(listener.take())[0])
    assert kind == 10
    assert isinstance(ours, list)
    assert [bookrecords.read(record) for record in ours] == [
        BookRecord(str(ANN.peer_id), TIME, "192.0.2.9", 99)
    ]


def test_node_hands_on_a_record_by_the_book_as_it_came() -> None:
    book = Playbook()
    peer = book.link(Identity(SEED))
    theirs = bookrecords.write(KEY, book.now.wall_ms // 1000, "192.0.2.1", 8080)
    book.receive(peer, Introduction((open_record(theirs),)))

    ((_, response),) = sent(book.receive(book.link(BOB), PeerRequest(32)), PeerResponse)

    assert [record.signed for record in response.peers] == [theirs]
