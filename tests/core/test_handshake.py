"""Noise XX with preface and identity proof, against a side written from docs/protocol.md alone."""

import hashlib

import nacl.signing
import pytest

from chatcore.errors import HandshakeFailed, NotChatd
from chatcore.handshake import Credentials, Handshake
from chatcore.ids import PeerId
from chatcore.messages import Hello, Ping
from tests.support.core import ANN, BOB, LOBBY
from tests.support.core_sessions import KEY, ByTheBook, End, credentials, frame, frames, hello_fields

SEED = bytes([7]) * 32


# A second implementation is possible


@pytest.mark.parametrize("network_key", [None, KEY])
def test_listener_speaks_with_a_dialler_made_by_the_book(network_key: bytes | None) -> None:
    listener = End(credentials(ANN, network_key=network_key), dialler=False).open()
    book = ByTheBook(SEED, dialler=True, network_key=network_key)

    listener.feed(frame(book.preface + book.write()))
    (second,) = frames(listener.take())
    assert second.startswith(book.preface)
    proof = book.read(second[15:])
    rs = book.noise.noise_protocol.handshake_state.rs.public_bytes
    public_key, signature = proof[3:35], proof[37:]
    nacl.signing.VerifyKey(public_key).verify(b"chatd noise static key 1\0" + rs, signature)
    assert public_key == ANN.public_key

    listener.feed(frame(book.write(book.proof())) + book.seal(list(hello_fields())))
    (first_batch,) = frames(listener.take())
    assert book.open(first_batch) == [[0, 0, [], "main", "test", 0, "somebody", [bytes(LOBBY)]]]

    assert listener.established is not None
    assert listener.established.peer_id == hashlib.sha256(bytes(book.identity.verify_key)).digest()
    assert listener.established.hello == Hello(0, (), "main", "by the book", 0, "book", frozenset())

    listener.feed(book.seal([2, 99], [77, "of tomorrow"]))
    assert listener.messages[0] == Ping(99)
    listener.say(Ping(5))
    assert [book.open(body) for body in frames(listener.take())] == [[[2, 5]]]


@pytest.mark.parametrize("network_key", [None, KEY])
def test_dialler_speaks_with_a_listener_made_by_the_book(network_key: bytes | None) -> None:
    dialler = End(credentials(ANN, network_key=network_key), dialler=True).open()
    book = ByTheBook(SEED, dialler=False, network_key=network_key)

    (first,) = frames(dialler.take())
    assert first.startswith(book.preface)
    assert book.read(first[15:]) == b""
    dialler.feed(frame(book.preface + book.write(book.proof())))
    third, first_batch = frames(dialler.take())
    proof = book.read(third)
    assert proof[3:35] == ANN.public_key
    assert book.open(first_batch)[0][:4] == [0, 0, [], "main"]

    dialler.feed(book.seal(list(hello_fields()), [2, 99]))
    assert dialler.established is not None
    assert dialler.established.peer_id == hashlib.sha256(bytes(book.identity.verify_key)).digest()
    assert dialler.messages == [Ping(99)]


# Identity proofs


def refused_by_a_dialler(proof: bytes, book: ByTheBook | None = None) -> HandshakeFailed:
    dialler = End(credentials(ANN), dialler=True).open()
    book = book or ByTheBook(SEED, dialler=False)
    book.read(frames(dialler.take())[0][15:])
    dialler.feed(frame(book.preface + book.write(proof)))
    assert isinstance(dialler.error, HandshakeFailed)
    assert dialler.take() == b""
    return dialler.error


def test_proof_for_another_static_key_is_refused() -> None:
    book = ByTheBook(SEED, dialler=False)

    assert "does not hold" in str(refused_by_a_dialler(book.proof(static=bytes(32)), book))


def test_proof_stolen_from_somebody_else_is_refused() -> None:
    assert "does not hold" in str(refused_by_a_dialler(credentials(BOB).proof))


@pytest.mark.parametrize(
    "proof", [b"", b"\x01", b"\x90", b"\x91\xc4\x01x", b"\x92\x01\x02", b"\x92\xa1x\xa1y", b"\xff" * 90]
)
def test_proof_that_is_none_is_refused(proof: bytes) -> None:
    refused_by_a_dialler(proof)


def test_proof_with_further_fields_is_taken() -> None:
    dialler = End(credentials(ANN), dialler=True).open()
    book = ByTheBook(SEED, dialler=False)
    book.read(frames(dialler.take())[0][15:])

    dialler.feed(frame(book.preface + book.write(b"\x93" + book.proof()[1:] + b"\x05")))
    dialler.feed(book_hello(dialler, book))

    assert dialler.established is not None


def book_hello(dialler: End, book: ByTheBook) -> bytes:
    third, _ = frames(dialler.take())
    book.read(third)
    return book.seal(list(hello_fields()))


def test_listener_refuses_a_proof_for_another_static_key() -> None:
    listener = End(credentials(ANN), dialler=False).open()
    book = ByTheBook(SEED, dialler=True)
    listener.feed(frame(book.preface + book.write()))
    book.read(frames(listener.take())[0][15:])

    listener.feed(frame(book.write(book.proof(static=bytes(32)))) + book.seal(list(hello_fields())))

    assert isinstance(listener.error, HandshakeFailed)
    assert listener.established is None


# Noise messages that are none


@pytest.mark.parametrize(
    "message",
    [b"", bytes(31), b"\xff" * 31],
)
def test_first_message_without_a_key_is_refused(message: bytes) -> None:
    handshake = Handshake(credentials(ANN), dialler=False, ephemeral=bytes([1]) * 32)

    with pytest.raises(HandshakeFailed):
        handshake.read_first(credentials(ANN).preface + message)


@pytest.mark.parametrize("point", [bytes(32), bytes([1]) + bytes(31)])
def test_first_message_with_a_key_of_small_order_is_refused(point: bytes) -> None:
    listener = End(credentials(ANN), dialler=False).open()

    listener.feed(frame(credentials(ANN).preface + point))

    assert isinstance(listener.error, HandshakeFailed)
    assert listener.established is None


def test_first_frame_shorter_than_its_preface_is_not_ours() -> None:
    for size in range(15):
        with pytest.raises(NotChatd):
            credentials(ANN).check_preface(credentials(ANN).preface[:size])


def test_every_changed_byte_of_the_second_frame_is_refused() -> None:
    whose = credentials(BOB)
    dialler = Handshake(credentials(ANN), dialler=True, ephemeral=bytes([1]) * 32)
    listener = Handshake(whose, dialler=False, ephemeral=bytes([2]) * 32)
    listener.read_first(dialler.write_first())
    second = listener.write_second()
    for at in range(15, len(second)):
        fresh = Handshake(credentials(ANN), dialler=True, ephemeral=bytes([1]) * 32)
        fresh.write_first()
        broken = second[:at] + bytes([second[at] ^ 1]) + second[at + 1 :]
        with pytest.raises(HandshakeFailed):
            fresh.read_second(broken)
        assert fresh.peer_id is None


# Credentials


def test_preface_tells_networks_and_keys_apart() -> None:
    prefaces = {
        credentials(ANN).preface,
        credentials(ANN, "other").preface,
        credentials(ANN, network_key=KEY).preface,
        credentials(ANN, network_key=bytes(32)).preface,
        credentials(ANN, "other", network_key=KEY).preface,
    }

    assert len(prefaces) == 5
    assert {len(preface) for preface in prefaces} == {15}
    assert credentials(BOB).preface == credentials(ANN).preface


def test_peer_at_the_other_end_is_known_by_its_identity() -> None:
    handshake = Handshake(credentials(ANN), dialler=True, ephemeral=bytes([1]) * 32)
    other = Handshake(credentials(BOB), dialler=False, ephemeral=bytes([2]) * 32)
    other.read_first(handshake.write_first())
    handshake.read_second(other.write_second())
    other.read_third(handshake.write_third())

    assert (handshake.peer_id, handshake.public_key) == (BOB.peer_id, BOB.public_key)
    assert (other.peer_id, other.public_key) == (ANN.peer_id, ANN.public_key)
    assert isinstance(other.peer_id, PeerId)


def test_same_identity_with_two_static_keys_makes_two_proofs() -> None:
    assert Credentials(ANN, "main", bytes([1]) * 32).proof != Credentials(ANN, "main", bytes([2]) * 32).proof
