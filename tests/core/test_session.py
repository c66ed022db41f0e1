"""One secured link: what both ends see, however the bytes come, and what they do not put up with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore import PROTOCOL_MAJOR
from chatcore.codec import encode_message, pack_batches
from chatcore.errors import (
    ClosedByPeer,
    FrameTooLong,
    HandshakeFailed,
    Malformed,
    NetworkMismatch,
    NotChatd,
    RemoteError,
    SelfDialed,
    VersionMismatch,
    WrongPeer,
)
from chatcore.frames import MAX_FRAME_BYTES, MAX_HANDSHAKE_FRAME_BYTES
from chatcore.handshake import Credentials
from chatcore.ids import MessageId
from chatcore.messages import Goodbye, LinkMessage, Ping, Pong, Publish, Rooms, UnknownMessage
from chatcore.session import (
    MAX_FRAMES_PER_TURN,
    BytesReceived,
    Failed,
    NextTurn,
    SendEncoded,
    State,
    WriteBytes,
)
from tests.core.strategies import link_messages, mutations
from tests.support.core import ANN, BOB, CARL, START, hello, of_kind
from tests.support.core_sessions import KEY, End, credentials, exchange, frame, frames, linked, pair

ANNS, BOBS = credentials(ANN), credentials(BOB)


def by_one(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


# The happy path


def test_both_ends_know_whom_they_speak_with() -> None:
    greetings = hello("ann", port=1), hello("bob", port=2)
    dialler, listener = pair(ANNS, BOBS, greetings=greetings, expected=BOB.peer_id)

    exchange(dialler, listener)

    assert dialler.established is not None
    assert listener.established is not None
    assert (dialler.established.peer_id, dialler.established.hello) == (BOB.peer_id, greetings[1])
    assert (listener.established.peer_id, listener.established.hello) == (ANN.peer_id, greetings[0])
    assert dialler.session.state is listener.session.state is State.OPEN


def test_listener_says_nothing_before_it_is_spoken_to() -> None:
    dialler, listener = pair(ANNS, BOBS)

    assert listener.take() == b""
    assert len(frames(dialler.take())) == 1


def test_messages_arrive_in_order_both_ways() -> None:
    dialler, listener = linked(ANNS, BOBS)
    dialler.say(*[Ping(number) for number in range(1500)])
    listener.say(Pong(1), Goodbye("enough"))

    exchange(dialler, listener)

    assert listener.messages == [Ping(number) for number in range(1500)]
    assert dialler.messages == [Pong(1), Goodbye("enough")]


def test_batch_is_one_frame() -> None:
    dialler, _ = linked(ANNS, BOBS)

    dialler.say(*[Ping(number) for number in range(1024)])

    assert len(frames(dialler.take())) == 1


def test_largest_batch_fits_a_frame() -> None:
    dialler, listener = linked(ANNS, BOBS)
    payload = bytes(20_480)
    large = Publish(1, MessageId(bytes(32)), payload, bytes(64))
    dialler.say(large, large, large, *[Ping(1)] * 700)

    exchange(dialler, listener)

    assert listener.error is None
    assert len(listener.messages) == 703


def test_what_is_sent_before_the_link_is_open_goes_nowhere() -> None:
    dialler, listener = pair(ANNS, BOBS)
    for end in (dialler, listener):
        before = end.written
        end.say(Ping(1))
        assert end.written == before


def test_nothing_to_send_writes_nothing() -> None:
    dialler, _ = linked(ANNS, BOBS)

    assert dialler.handle(SendEncoded([])) == []


def test_hello_and_messages_in_one_batch_come_as_hello_and_messages() -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.feed(dialler.take())
    dialler.feed(listener.take())
    third, _ = frames(dialler.take())
    listener.feed(frame(third))

    more = encode_message(hello("ann")), encode_message(Ping(7))
    sealed = seal_again(dialler, *more)
    listener.feed(sealed)

    assert listener.established is not None
    assert listener.messages == [Ping(7)]


def seal_again(dialler: End, *encoded: bytes) -> bytes:
    """Another first batch in place of the hello the dialler has written."""
    noise = dialler.session._noise
    noise.noise_protocol.cipher_state_encrypt.set_nonce(0)
    (batch,) = pack_batches(encoded)
    return frame(noise.encrypt(batch))


def test_empty_batch_before_hello_is_malformed() -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.feed(dialler.take())
    dialler.feed(listener.take())
    third, _ = frames(dialler.take())
    noise = dialler.session._noise
    noise.noise_protocol.cipher_state_encrypt.set_nonce(0)

    listener.feed(frame(third) + frame(noise.encrypt(b"\x90")))

    assert isinstance(listener.error, Malformed)


# Split points


def test_stream_cut_at_every_point_gives_the_same_link() -> None:
    dialler, listener = pair(ANNS, BOBS)
    to_listener, to_dialler = [dialler.take()], []
    for _ in range(3):
        listener.feed(to_listener[-1])
        to_dialler.append(listener.take())
        dialler.feed(to_dialler[-1])
        to_listener.append(dialler.take())
    dialler.say(Ping(1), Ping(2))
    to_listener.append(dialler.take())

    stream = b"".join(to_listener)
    for cut in range(len(stream) + 1):
        _, fresh = pair(ANNS, BOBS)
        fresh.feed(stream[:cut])
        fresh.feed(stream[cut:])
        assert fresh.error is None
        assert fresh.established is not None
        assert fresh.messages == [Ping(1), Ping(2)]
        assert fresh.take() == b"".join(to_dialler)

    answer = b"".join(to_dialler)
    for cut in range(len(answer) + 1):
        fresh, _ = pair(ANNS, BOBS)
        fresh.feed(answer[:cut])
        fresh.feed(answer[cut:])
        assert fresh.established is not None
        assert fresh.error is None


def test_stream_that_comes_byte_by_byte_gives_the_same_link() -> None:
    dialler, listener = pair(ANNS, BOBS)
    exchange(dialler, listener, by_one)
    dialler.say(Ping(1))
    exchange(dialler, listener, by_one)

    assert listener.messages == [Ping(1)]


@given(st.lists(link_messages, max_size=5))
def test_any_messages_arrive_as_they_were_sent(messages: list[LinkMessage]) -> None:
    dialler, listener = linked(ANNS, BOBS)
    dialler.say(*messages)
    exchange(dialler, listener)

    assert listener.messages == messages


# Networks, keys and versions


@pytest.mark.parametrize(
    ("dialling", "listening", "dialler_reads", "listener_reads"),
    [
        (ANNS, credentials(BOB, "other"), "compare --network on both", "compare --network on both"),
        (ANNS, credentials(BOB, network_key=KEY), "it needs a network key", "it uses no network key"),
        (credentials(ANN, network_key=KEY), BOBS, "it uses no network key", "it needs a network key"),
        (
            credentials(ANN, network_key=KEY),
            credentials(BOB, network_key=bytes(32)),
            "--network-key on both sides",
            "--network-key on both sides",
        ),
    ],
)
def test_other_network_is_named_at_both_ends(
    dialling: Credentials, listening: Credentials, dialler_reads: str, listener_reads: str
) -> None:
    dialler, listener = pair(dialling, listening)

    exchange(dialler, listener)

    assert isinstance(dialler.error, NetworkMismatch)
    assert isinstance(listener.error, NetworkMismatch)
    assert dialler_reads in str(dialler.error)
    assert listener_reads in str(listener.error)
    assert dialler.established is listener.established is None


def test_same_network_key_opens_the_link() -> None:
    linked(credentials(ANN, network_key=KEY), credentials(BOB, network_key=KEY))


def of_version(whose: Credentials, major: int) -> Credentials:
    whose.preface = whose.open_preface = whose.preface[:5] + bytes([major]) + whose.preface[6:]
    return whose


def test_other_version_is_named_whoever_is_behind() -> None:
    newer, older = PROTOCOL_MAJOR + 1, PROTOCOL_MAJOR - 1
    for theirs, who in ((newer, "update this node"), (older, "update it")):
        dialler, listener = pair(of_version(credentials(ANN), theirs), BOBS)
        exchange(dialler, listener)
        assert isinstance(listener.error, VersionMismatch)
        assert listener.error.theirs == theirs
        assert str(listener.error).endswith(who)

        dialler, listener = pair(ANNS, of_version(credentials(BOB), theirs))
        exchange(dialler, listener)
        assert isinstance(dialler.error, VersionMismatch)
        assert str(dialler.error).endswith(who)


def test_listener_answers_a_stranger_with_its_preface_alone() -> None:
    _, listener = pair(ANNS, BOBS)

    listener.feed(frame(b"GET / HTTP/1.1\r\n\r\n"))

    assert isinstance(listener.error, NotChatd)
    assert frames(listener.take()) == [BOBS.preface]


def test_dialler_tells_a_stranger_nothing_more() -> None:
    dialler, _ = pair(ANNS, BOBS)
    dialler.take()

    dialler.feed(frame(b"220 smtp.example ESMTP, how do you do"))

    assert isinstance(dialler.error, NotChatd)
    assert dialler.take() == b""


def test_stolen_preface_does_not_open_a_network_with_a_key() -> None:
    stranger = credentials(ANN)
    stranger.preface = credentials(BOB, network_key=KEY).preface
    dialler, listener = pair(stranger, credentials(BOB, network_key=KEY))

    exchange(dialler, listener)

    assert isinstance(listener.error, HandshakeFailed)
    assert listener.established is None


def test_key_guessed_wrong_behind_the_right_preface_is_refused() -> None:
    stranger = credentials(ANN, network_key=bytes(32))
    stranger.preface = credentials(BOB, network_key=KEY).preface
    dialler, listener = pair(stranger, credentials(BOB, network_key=KEY))

    exchange(dialler, listener)
    dialler.hang_up()

    assert isinstance(listener.error, HandshakeFailed)
    assert isinstance(dialler.error, HandshakeFailed)


def test_hello_that_names_another_network_is_refused() -> None:
    dialler, listener = pair(ANNS, BOBS, greetings=(hello(network="other"), None))

    exchange(dialler, listener)

    assert isinstance(listener.error, NetworkMismatch)


# The wrong one


def test_self_dial_is_recognised() -> None:
    dialler, listener = pair(ANNS, ANNS)

    exchange(dialler, listener)
    listener.hang_up()

    assert isinstance(dialler.error, SelfDialed)
    assert isinstance(listener.error, HandshakeFailed)
    assert dialler.established is listener.established is None


def test_listener_recognises_itself_too() -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.session._credentials.peer_id = ANN.peer_id
    try:
        exchange(dialler, listener)
    finally:
        BOBS.peer_id = BOB.peer_id

    assert isinstance(listener.error, SelfDialed)


def test_another_peer_than_expected_is_refused_before_it_learns_who_we_are() -> None:
    dialler, listener = pair(ANNS, BOBS, expected=CARL.peer_id)
    dialler.take()
    dialler, listener = pair(ANNS, BOBS, expected=CARL.peer_id)
    listener.feed(dialler.take())
    dialler.feed(listener.take())

    assert isinstance(dialler.error, WrongPeer)
    assert BOB.peer_id.short in str(dialler.error)
    assert dialler.take() == b""


# Hang-ups


@pytest.mark.parametrize(
    ("rounds", "states"),
    [
        (0, [State.AWAIT_SECOND, State.AWAIT_FIRST]),
        (1, [State.AWAIT_HELLO, State.AWAIT_THIRD]),
        (2, [State.OPEN, State.AWAIT_HELLO]),
    ],
)
def test_hang_up_at_each_state_says_what_it_ended(rounds: int, states: list[State]) -> None:
    dialler, listener = pair(ANNS, BOBS)
    for _ in range(rounds):
        listener.feed(frame(frames(dialler.take())[0]))  # without the hello behind frame 3
        dialler.feed(listener.take())
    assert [dialler.session.state, listener.session.state] == states

    for end, state in zip((dialler, listener), states, strict=True):
        end.hang_up()
        assert isinstance(end.error, ClosedByPeer if state is State.OPEN else HandshakeFailed)
        assert end.session.state is State.FAILED


def test_hang_up_before_the_stream_is_open_fails_the_handshake() -> None:
    end = End(ANNS, dialler=True)
    end.hang_up()

    assert isinstance(end.error, HandshakeFailed)


def test_hang_up_of_an_open_link_is_its_end() -> None:
    dialler, _ = linked(ANNS, BOBS)
    dialler.hang_up()

    assert isinstance(dialler.error, ClosedByPeer)


def test_failure_is_told_once_and_nothing_follows_it() -> None:
    _, listener = linked(ANNS, BOBS)
    listener.feed(b"\xff" * 50)
    assert isinstance(listener.error, FrameTooLong)

    listener.hang_up()
    listener.feed(b"more")
    listener.say(Ping(1))

    assert listener.handle(BytesReceived(b"x")) == []
    assert listener.take() == b""


def test_goodbye_in_place_of_hello_is_its_reason() -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.feed(dialler.take())
    dialler.feed(listener.take())
    third, _ = frames(dialler.take())

    listener.feed(frame(third) + seal_again(dialler, encode_message(Goodbye("I am full"))))

    assert isinstance(listener.error, ClosedByPeer)
    assert listener.error.reason == "I am full"


# Faults


@pytest.mark.parametrize("message", [Ping(1), Rooms(frozenset())])
def test_anything_before_hello_is_malformed(message: LinkMessage) -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.feed(dialler.take())
    dialler.feed(listener.take())
    third, _ = frames(dialler.take())

    listener.feed(frame(third) + seal_again(dialler, encode_message(message), encode_message(hello())))

    assert isinstance(listener.error, Malformed)
    assert "hello" in str(listener.error)
    assert listener.established is None


def test_frame_over_the_handshakes_cap_is_refused_on_its_header() -> None:
    dialler, listener = pair(ANNS, BOBS)
    listener.feed(dialler.take())

    listener.feed((MAX_HANDSHAKE_FRAME_BYTES + 1).to_bytes(4, "big"))

    assert isinstance(listener.error, FrameTooLong)
    assert listener.error.limit == MAX_HANDSHAKE_FRAME_BYTES


def test_first_bytes_that_are_no_length_are_another_protocol() -> None:
    for end in pair(ANNS, BOBS):
        end.feed(b"HTTP")
        assert isinstance(end.error, NotChatd)


def test_many_frames_are_worked_off_in_turns() -> None:
    dialler, listener = linked(ANNS, BOBS)
    for nonce in range(3 * MAX_FRAMES_PER_TURN):
        dialler.handle(SendEncoded([encode_message(Ping(nonce))]))

    listener.feed(dialler.take())

    turns = [len(listener.messages)]
    while listener.waiting:
        listener.handle(NextTurn())
        turns.append(len(listener.messages))
    assert turns[0] == MAX_FRAMES_PER_TURN
    assert listener.messages == [Ping(nonce) for nonce in range(3 * MAX_FRAMES_PER_TURN)]


def test_stranger_is_not_shown_the_tag_of_a_network_with_a_key() -> None:
    keyed = credentials(BOB, network_key=KEY)
    _, listener = pair(ANNS, keyed)

    listener.feed(frame(ANNS.preface + bytes(32)))

    assert isinstance(listener.error, NetworkMismatch)
    assert frames(listener.take()) == [keyed.preface[:-8] + bytes(8)]


def test_frame_over_the_cap_is_refused_on_an_open_link() -> None:
    dialler, listener = linked(ANNS, BOBS)
    for end in (dialler, listener):
        end.feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        assert isinstance(end.error, FrameTooLong)
        assert end.error.limit == MAX_FRAME_BYTES


def test_tampered_ciphertext_is_malformed_wherever_it_was_touched() -> None:
    for at in range(4, 4 + 3 + 16):
        dialler, listener = linked(ANNS, BOBS)
        dialler.say(Ping(1))
        sealed = bytearray(dialler.take())
        sealed[at] ^= 1
        listener.feed(bytes(sealed))
        assert isinstance(listener.error, Malformed)
        assert listener.messages == []


def test_replayed_frame_is_malformed() -> None:
    dialler, listener = linked(ANNS, BOBS)
    dialler.say(Ping(1))
    sealed = dialler.take()

    listener.feed(sealed + sealed)

    assert listener.messages == [Ping(1)]
    assert isinstance(listener.error, Malformed)


def test_frame_left_out_is_malformed() -> None:
    dialler, listener = linked(ANNS, BOBS)
    dialler.say(Ping(1))
    dialler.take()
    dialler.say(Ping(2))

    listener.feed(dialler.take())

    assert isinstance(listener.error, Malformed)


def test_frame_reflected_to_its_sender_is_malformed() -> None:
    dialler, _ = linked(ANNS, BOBS)
    dialler.say(Ping(1))

    dialler.feed(dialler.take())

    assert isinstance(dialler.error, Malformed)


@pytest.mark.parametrize("size", [0, 1, 15])
def test_frame_too_short_for_its_tag_is_malformed(size: int) -> None:
    _, listener = linked(ANNS, BOBS)

    listener.feed(frame(bytes(size)))

    assert isinstance(listener.error, Malformed)


def test_batch_that_is_none_is_malformed_though_it_decrypts() -> None:
    dialler, listener = linked(ANNS, BOBS)

    listener.feed(frame(dialler.session._noise.encrypt(b"\xc1")))

    assert isinstance(listener.error, Malformed)


def test_messages_before_a_fault_are_taken() -> None:
    dialler, listener = linked(ANNS, BOBS)
    dialler.say(Ping(1))
    good = dialler.take()

    outputs = listener.handle(BytesReceived(good + frame(b"x" * 30)))

    assert listener.messages == [Ping(1)]
    assert isinstance(outputs[-1], Failed)


def test_unknown_message_type_comes_through() -> None:
    dialler, listener = linked(ANNS, BOBS)

    listener.feed(frame(dialler.session._noise.encrypt(b"\x91\x92\x63\x01")))

    assert listener.messages == [UnknownMessage(99)]
    assert listener.error is None


# Garbage


def steps_of_a_session(steps: int, *, dialler_reads: bool) -> tuple[End, bytes]:
    """An end that has come so far, and what it should read next."""
    dialler, listener = pair(ANNS, BOBS)
    for _ in range(steps):
        listener.feed(dialler.take())
        dialler.feed(listener.take())
    if dialler_reads:
        listener.feed(dialler.take())
        return dialler, listener.take()
    return listener, dialler.take()


def survives(end: End, data: bytes) -> None:
    outputs = end.session.handle(BytesReceived(data), START)
    assert all(not isinstance(output, Failed) or isinstance(output.error, RemoteError) for output in outputs)
    assert all(isinstance(output, WriteBytes) for output in outputs[:-1]) or outputs == []


@given(st.integers(0, 2), st.booleans(), st.binary(max_size=400))
def test_random_bytes_fail_as_remote_error(steps: int, dialler_reads: bool, garbage: bytes) -> None:
    end, _ = steps_of_a_session(steps, dialler_reads=dialler_reads)
    survives(end, garbage)


@given(st.integers(0, 2), st.booleans(), st.binary(max_size=300))
def test_random_frames_fail_as_remote_error(steps: int, dialler_reads: bool, garbage: bytes) -> None:
    end, _ = steps_of_a_session(steps, dialler_reads=dialler_reads)
    survives(end, frame(garbage))


@given(st.integers(0, 1), st.booleans(), st.data())
def test_broken_handshakes_fail_as_remote_error(steps: int, dialler_reads: bool, data: st.DataObject) -> None:
    end, right = steps_of_a_session(steps, dialler_reads=dialler_reads)
    bodies = [data.draw(mutations(st.just(body))) for body in frames(right)]
    survives(end, b"".join(frame(body[:60_000]) for body in bodies))


@given(st.binary(max_size=400))
def test_random_batches_from_a_proven_peer_fail_as_remote_error(garbage: bytes) -> None:
    dialler, listener = linked(ANNS, BOBS)
    listener.feed(frame(dialler.session._noise.encrypt(garbage)))

    assert listener.error is None or isinstance(listener.error, RemoteError)


def test_unknown_kinds_of_envelope_come_through() -> None:
    dialler, listener = linked(ANNS, BOBS)
    novelty = Publish.of(of_kind(CARL, 77, "x"), 3)
    dialler.say(novelty)

    exchange(dialler, listener)

    assert listener.messages == [novelty]
