"""A real daemon against everything that may call it over TCP: refused, counted, survived in few words."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chatcore import PROTOCOL_MAJOR
from chatcore.clock import COUNTER_BITS
from chatcore.codec import encode_message
from chatcore.envelopes import SIGNING_CONTEXT, Envelope, open_envelope
from chatcore.errors import HandshakeFailed, NetworkMismatch, VersionMismatch
from chatcore.frames import MAX_FRAME_BYTES, encode_frame
from chatcore.handshake import MAGIC, Credentials, Handshake
from chatcore.identity import Identity
from chatcore.messages import Goodbye, Hello, Ping, Rooms
from chatcore.names import split_address
from chatcore.wire import pack
from tests.conftest import Spawn
from tests.support.daemon import Daemon, RpcError, free_port, wait_until
from tests.support.peer import Peer, credentials, hang_up, hello, publish, said

DEADLINE_S = 15.0
MIB = 1024 * 1024

PREFACE = credentials().preface
OTHER_NETWORK = credentials(network="other").preface
WITH_KEY = credentials(network_key=b"k" * 32).preface
OTHER_VERSION = MAGIC + bytes([PROTOCOL_MAJOR + 1]) + PREFACE[len(MAGIC) + 1 :]
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(192)
HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """One for the whole file; every test leaves it alive and with no peers."""
    yield shared
    shared.wait_peers(0)


def refused(daemon: Daemon, kind: str) -> int:
    return int(daemon.call("node.stats")["refused"].get(kind, 0))


def wait_refused(daemon: Daemon, kind: str, count: int) -> None:
    wait_until(lambda: refused(daemon, kind) >= count, f"{count} refused as {kind}")
    assert refused(daemon, kind) == count


def log_lines(daemon: Daemon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in daemon.log.splitlines()]


def anonymous_bytes(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) * 1024


@asynccontextmanager
async def stream(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*split_address(address))
    try:
        yield reader, writer
    finally:
        await hang_up(writer)


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What the other side says until it hangs up."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def texts_of(peer: Peer, *wanted: str) -> None:
    await peer.until(lambda: set(wanted) <= set(peer.texts()) or peer.failed is not None)
    assert peer.failed is None


# Strangers


STRANGERS: list[tuple[str, bytes, str, bytes]] = [
    ("garbage", b"\xde\xad\xbe\xef" * 16, "not_chatd", b""),
    ("4 GiB claimed", b"\xff\xff\xff\xff", "not_chatd", b""),
    ("a byte too long", (1025).to_bytes(4, "big"), "not_chatd", b""),
    ("HTTP", HTTP_REQUEST, "not_chatd", b""),
    ("TLS", CLIENT_HELLO, "not_chatd", b""),
    ("another protocol", encode_frame(b"hello there, this is something else"), "not_chatd", PREFACE),
    ("an empty frame", encode_frame(b""), "not_chatd", PREFACE),
    ("another version", encode_frame(OTHER_VERSION + bytes(32)), "version", PREFACE),
    ("another network", encode_frame(OTHER_NETWORK + bytes(32)), "network", PREFACE),
    ("a network key", encode_frame(WITH_KEY + bytes(32)), "network", PREFACE),
    ("no key at all", encode_frame(PREFACE), "handshake", PREFACE),
    ("a key of zeros", encode_frame(PREFACE + bytes(32)), "handshake", b""),
]


@pytest.mark.parametrize(("name", "data", "kind", "answer"), STRANGERS, ids=[item[0] for item in STRANGERS])
async def test_stranger_is_refused_by_kind(
    daemon: Daemon, name: str, data: bytes, kind: str, answer: bytes
) -> None:
    before = refused(daemon, kind)
    async with stream(daemon.address) as (reader, writer):
        writer.write(data)
        got = await rest_of(reader)
    assert got in (b"", encode_frame(answer)), name
    wait_refused(daemon, kind, before + 1)


async def test_stranger_who_hangs_up_is_counted(daemon: Daemon) -> None:
    before = refused(daemon, "handshake")
    async with stream(daemon.address):
        pass
    async with stream(daemon.address) as (_, writer):
        writer.write(encode_frame(PREFACE)[:7])
    wait_refused(daemon, "handshake", before + 2)


async def test_stranger_of_another_network_learns_why(daemon: Daemon) -> None:
    for identity in (credentials(network="other"), credentials(network_key=b"k" * 32)):
        with pytest.raises(NetworkMismatch):
            async with Peer.dial(daemon.address, identity, hello(identity.network)):
                pass


async def test_stranger_of_another_version_learns_why(daemon: Daemon) -> None:
    async with stream(daemon.address) as (reader, writer):
        writer.write(encode_frame(OTHER_VERSION + bytes(32)))
        answer = await rest_of(reader)
    newer = credentials()
    newer.preface = OTHER_VERSION
    with pytest.raises(NetworkMismatch):  # what this version makes of it; a newer one compares the byte
        newer.check_preface(answer[4:])
    assert answer[4 + len(MAGIC)] == PROTOCOL_MAJOR
    with pytest.raises(VersionMismatch):
        credentials().check_preface(OTHER_VERSION + bytes(32))


async def test_stranger_whose_proof_is_not_for_its_link_is_refused(daemon: Daemon) -> None:
    """Somebody who took another's identity proof from a link of its own."""
    before = refused(daemon, "handshake")
    victim, thief = credentials(), credentials()
    thief.proof = victim.proof
    with pytest.raises(HandshakeFailed):
        async with Peer.dial(daemon.address, thief):
            pass
    wait_refused(daemon, "handshake", before + 1)
    assert daemon.call("peer.list") == []


async def test_stranger_who_says_something_before_hello_is_refused(daemon: Daemon) -> None:
    before = refused(daemon, "malformed")
    async with _shaken(daemon) as (handshake, reader, writer):
        writer.write(encode_frame(bytes(handshake.noise.encrypt(pack([[2, 7]])))))
        await rest_of(reader)
    wait_refused(daemon, "malformed", before + 1)


async def test_stranger_whose_hello_names_another_network_is_refused(daemon: Daemon) -> None:
    before = refused(daemon, "network")
    async with _shaken(daemon) as (handshake, reader, writer):
        batch = b"\x91" + encode_message(hello("other"))
        writer.write(encode_frame(bytes(handshake.noise.encrypt(batch))))
        await rest_of(reader)
    wait_refused(daemon, "network", before + 1)


@asynccontextmanager
async def _shaken(
    daemon: Daemon, identity: Credentials | None = None
) -> AsyncIterator[tuple[Handshake, asyncio.StreamReader, asyncio.StreamWriter]]:
    """The handshake is done, hello is not yet said."""
    async with stream(daemon.address) as (reader, writer):
        handshake = Handshake(identity or credentials(), dialler=True, ephemeral=secrets.token_bytes(32))
        writer.write(encode_frame(handshake.write_first()))
        size = int.from_bytes(await reader.readexactly(4), "big")
        handshake.read_second(await reader.readexactly(size))
        writer.write(encode_frame(handshake.write_third()))
        yield handshake, reader, writer


async def test_flood_of_garbage_writes_few_lines_and_shuts_nobody_out(daemon: Daemon) -> None:
    lines, before, memory = len(log_lines(daemon)), refused(daemon, "not_chatd"), anonymous_bytes(daemon)

    async def bother() -> None:
        async with stream(daemon.address) as (reader, writer):
            writer.write(HTTP_REQUEST)
            await rest_of(reader)

    for _ in range(10):
        await asyncio.gather(*(bother() for _ in range(50)))
    wait_refused(daemon, "not_chatd", before + 500)
    async with Peer.dial(daemon.address):
        daemon.wait_peers(1)
    refusals = [line for line in log_lines(daemon)[lines:] if line["event"] == "stranger_refused"]
    assert len(refusals) <= 10
    told = [line for line in log_lines(daemon) if line.get("kind") == "not_chatd"]
    assert told[0]["why"]
    assert told[0]["address"].startswith("127.0.0.1:")
    assert anonymous_bytes(daemon) - memory < 10 * MIB


async def test_honest_peer_is_linked_beside_300_half_open_connections(daemon: Daemon) -> None:
    memory = anonymous_bytes(daemon)
    open_ones = await asyncio.gather(
        *(asyncio.open_connection(*split_address(daemon.address)) for _ in range(300))
    )
    try:
        for number, (_, writer) in enumerate(open_ones):
            writer.write(encode_frame(PREFACE + bytes(32))[: number % 40])
        async with Peer.dial(daemon.address) as honest:
            daemon.call("message.send", text="beside them")
            await texts_of(honest, "beside them")
            assert anonymous_bytes(daemon) - memory < 10 * MIB
    finally:
        await asyncio.gather(*(hang_up(writer) for _, writer in open_ones))


# Peers who got in and then misbehave


def forged(text: str) -> Envelope:
    true = said(Identity(secrets.token_bytes(32)), text)
    return true._replace(signature=true.signature[:-1] + bytes([true.signature[-1] ^ 1]))


def _swapped(peer: Peer) -> bytes:
    first, second = peer.sealed(b"\x90"), peer.sealed(b"\x90")
    return second + first


MISDEEDS: list[tuple[str, str, Any]] = [
    ("garbage", "garbled", lambda _: encode_frame(secrets.token_bytes(100))),
    ("an empty frame", "garbled", lambda _: encode_frame(b"")),
    ("a frame claimed too long", "frame_too_long", lambda _: (MAX_FRAME_BYTES + 1).to_bytes(4, "big")),
    ("a frame claimed 4 GiB", "frame_too_long", lambda _: b"\xff" * 4),
    ("HTTP", "frame_too_long", lambda _: HTTP_REQUEST),
    ("a replayed frame", "garbled", lambda peer: 2 * peer.sealed(b"\x91" + encode_message(Ping(1)))),
    ("frames out of order", "garbled", _swapped),
    ("an altered frame", "garbled", lambda peer: peer.sealed(b"\x90")[:-1] + b"\0"),
    ("an empty batch", "malformed", lambda peer: peer.sealed(b"\x90")),
    ("no msgpack", "malformed", lambda peer: peer.sealed(b"\xc1")),
    ("no array", "malformed", lambda peer: peer.sealed(b"\x01")),
    ("a map", "malformed", lambda peer: peer.sealed(b"\x81\x00\x00")),
    ("an array claimed huge", "malformed", lambda peer: peer.sealed(b"\xdd\xff\xff\xff\xff")),
    ("text claimed huge", "malformed", lambda peer: peer.sealed(b"\x91\xdb\xff\xff\xff\xff")),
    ("deep arrays", "malformed", lambda peer: peer.sealed(b"\x91" * 60_000)),
    ("too many messages", "malformed", lambda peer: peer.sealed(pack([[2, 1]] * 1025))),
    ("a message without type", "malformed", lambda peer: peer.sealed(pack([["x"]]))),
    ("a ping without number", "malformed", lambda peer: peer.sealed(pack([[2]]))),
    ("too many rooms", "malformed", lambda peer: peer.sealed(pack([[4, [bytes(32)] * 257]]))),
    ("an empty publish", "malformed", lambda peer: peer.sealed(pack([[16, 1, b"", bytes(64)]]))),
    ("an envelope of noise", "malformed", lambda peer: peer.sealed(pack([[16, 1, b"\xc1" * 9, bytes(64)]]))),
    ("an envelope cut off", "malformed", lambda peer: peer.sealed(_publish_of(pack([1, bytes(32)])))),
    ("an envelope over its size", "malformed", lambda peer: peer.sealed(_publish_of(bytes(20 * 1024 + 1)))),
    ("a forged message", "bad_signature", lambda peer: peer.sealed(_publish_all(forged("forged")))),
    (
        "a signature for another purpose",
        "bad_signature",
        lambda peer: peer.sealed(_publish_all(_signed_elsewhere())),
    ),
]


def _publish_of(payload: bytes) -> bytes:
    return bytes(pack([[16, 1, payload, bytes(64)]]))


def _publish_all(*envelopes: Envelope) -> bytes:
    return pack([[16, 8, envelope.payload, envelope.signature] for envelope in envelopes])


def _signed_elsewhere() -> Envelope:
    author = Identity(secrets.token_bytes(32))
    true = said(author, "forged")
    assert true.signature == author.sign(SIGNING_CONTEXT, true.payload)
    return true._replace(signature=author.sign(b"chatd something else 1\0", true.payload))


@pytest.mark.parametrize(("name", "kind", "deed"), MISDEEDS, ids=[misdeed[0] for misdeed in MISDEEDS])
async def test_peer_who_misbehaves_is_dropped_and_the_others_are_not(
    daemon: Daemon, name: str, kind: str, deed: Any
) -> None:
    before = refused(daemon, kind)
    async with Peer.dial(daemon.address) as honest, Peer.dial(daemon.address) as bad:
        daemon.wait_peers(2)
        await bad.send_raw(deed(bad))
        await bad.closed()
        daemon.wait_peers(1)
        assert refused(daemon, kind) == before + 1
        text = f"after {name}"
        await honest.send(*publish([said(Identity(b"h" * 32), text)]))
        daemon.wait_text(text)
        assert "forged" not in daemon.texts
        assert honest.failed is None
        assert "forged" not in honest.texts()
    down = [line for line in log_lines(daemon) if line["event"] == "peer_down" and line["why"]]
    assert down


async def test_second_malformed_message_keeps_a_peer_away_until_it_is_forgiven(daemon: Daemon) -> None:
    who = credentials()
    for _ in range(2):
        async with Peer.dial(daemon.address, who) as bad:
            await bad.send_raw(bad.sealed(b"\x01"))
            await bad.closed()
    record = daemon.call("peer.discouraged")[-1]
    short = record["peer_id"][:10]
    assert record["reason"] == "malformed messages"
    assert 86_000 < record["left_s"] <= 86_400
    async with Peer.dial(daemon.address, who) as refused_peer:
        await refused_peer.closed()
        words = [item.reason for item in refused_peer.received if isinstance(item, Goodbye)]
        (word,) = words
        assert re.fullmatch("discouraged for another 2[34] h: malformed messages", word)
    assert daemon.call("peer.unblock", peer=short)["changed"] is True
    async with Peer.dial(daemon.address, who) as forgiven:
        daemon.wait_peers(1)
        assert forgiven.failed is None


async def test_flood_of_forgeries_reaches_nobody(daemon: Daemon) -> None:
    async with Peer.dial(daemon.address) as honest, Peer.dial(daemon.address) as bad:
        daemon.wait_peers(2)
        before, lines = daemon.texts, len(log_lines(daemon))
        try:
            for _ in range(20):
                await bad.send(*publish([forged("forged") for _ in range(50)]))
        except ConnectionError:
            pass  # dropped in the middle of it
        await bad.closed()
        daemon.wait_peers(1)
        daemon.call("message.send", text="still here")
        await texts_of(honest, "still here")
        assert daemon.texts == [*before, "still here"]
        assert len(log_lines(daemon)) - lines < 10


async def test_forged_copy_does_not_shut_out_the_true_message(daemon: Daemon) -> None:
    true = said(Identity(b"h" * 32), "true after all")
    copy = true._replace(signature=bytes(64))
    async with Peer.dial(daemon.address) as honest, Peer.dial(daemon.address) as bad:
        daemon.wait_peers(2)
        await bad.send(*publish([copy]))
        await bad.closed()
        await honest.send(*publish([true]))
        daemon.wait_text("true after all")


async def test_message_that_comes_twice_is_kept_once(daemon: Daemon) -> None:
    again = said(Identity(b"h" * 32), "said once")
    before = daemon.call("node.stats")["messages_duplicate"]
    async with Peer.dial(daemon.address) as first, Peer.dial(daemon.address) as second:
        daemon.wait_peers(2)
        for peer in (first, first, second):
            await peer.send(*publish([again]))
            await peer.settle()
        daemon.wait_text("said once")
    async with Peer.dial(daemon.address) as later:
        await later.send(*publish([again]))
        await later.settle()
    assert daemon.texts.count("said once") == 1
    assert daemon.call("node.stats")["messages_duplicate"] == before + 3


async def test_message_from_the_future_or_another_room_is_not_taken_and_the_link_stays(
    daemon: Daemon,
) -> None:
    before = {kind: refused(daemon, kind) for kind in ("future", "not_in_room")}
    late = (2**47 << COUNTER_BITS) + 1
    async with Peer.dial(daemon.address) as peer:
        await peer.send(*publish([said(Identity(b"h" * 32), "tomorrow", stamp=late)]))
        await peer.send(*publish([said(Identity(b"h" * 32), "elsewhere", room="elsewhere")]))
        await peer.send(*publish([said(Identity(b"h" * 32), "now")]))
        daemon.wait_text("now")
        assert peer.failed is None
    assert not {"tomorrow", "elsewhere"} & set(daemon.texts)
    assert {kind: refused(daemon, kind) for kind in before} == {kind: n + 1 for kind, n in before.items()}


async def test_peer_of_a_newer_minor_version_is_understood(daemon: Daemon) -> None:
    newer = Hello(7, ("later",), "main", "future/9", 0, "next", hello().rooms)
    async with Peer.dial(daemon.address, greeting=newer) as peer:
        await peer.send_raw(peer.sealed(pack([[99, "what", [1, 2]], [2, 5, 0, "more"], []][:2])))
        await peer.settle()
        assert peer.failed is None
        (shown,) = daemon.call("peer.list")
        assert (shown["username"], shown["user_agent"]) == ("next", "future/9")


async def test_message_of_a_newer_minor_version_is_kept_and_handed_on(daemon: Daemon) -> None:
    author = Identity(b"n" * 32)
    known = said(author, "with more fields")
    room, stamp = known.room, known.stamp

    def signed(*fields: Any) -> Envelope:
        payload = pack(fields)
        return open_envelope(payload, author.sign(SIGNING_CONTEXT, payload))

    more = signed(1, room, author.public_key, stamp, "newer", "with more fields", ["a thread", 7])
    other = signed(7, room, author.public_key, stamp, "newer")
    before = daemon.texts
    async with Peer.dial(daemon.address) as first, Peer.dial(daemon.address) as second:
        daemon.wait_peers(2)
        await first.send(*publish([other, more]))
        daemon.wait_text("with more fields")
        await second.until(lambda: {more.payload, other.payload} <= second.payloads())
        assert daemon.call("message.send", text="as before")
        assert daemon.texts == [*before, "with more fields", "as before"]


async def test_peer_may_say_odd_things_that_change_nothing(daemon: Daemon) -> None:
    async with Peer.dial(daemon.address) as peer:
        await peer.send(hello(username="second"), Rooms(frozenset()), Ping(0), Ping(2**64 - 1))
        await peer.settle()
        assert [(item["username"], item["rooms"]) for item in daemon.call("peer.list")] == [("peer", [])]
        assert daemon.call("message.send", text="nobody in the room")["state"] == "queued"


async def test_peer_whose_name_and_reason_hold_escape_sequences_is_harmless(tmp_path: Path) -> None:
    with Daemon(tmp_path / "node", "--log-format", "console") as daemon:
        async with Peer.dial(daemon.address, greeting=hello(username="\x1b[2J\u202e")) as peer:
            daemon.wait_peers(1)
            await peer.send(Goodbye("\x1b]0;owned\x07"))
            daemon.wait_peers(0)
    assert "\\x1b[2J" in daemon.log
    assert all(line.isprintable() for line in daemon.log.splitlines())


async def test_peer_that_never_reads_costs_little_and_the_others_nothing(daemon: Daemon) -> None:
    text = "x" * 8000
    async with Peer.dial(daemon.address) as honest, Peer.dial(daemon.address) as deaf:
        daemon.wait_peers(2)
        await honest.settle()
        await deaf.settle()
        wait_until(
            lambda: daemon.call("node.stats")["rooms"]["lobby"]["eager_links"] == 2, "two active neighbours"
        )
        deaf.stop_reading()
        batch = [{"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": [text]} for _ in range(100)]
        memory = 0
        for number in range(1, 16):  # 12 MB, of which the kernel's buffers hold about 4
            daemon.post(json.dumps(batch))
            await honest.until(lambda total=number * 100: len(honest.payloads()) >= total)  # type: ignore[misc]  # bound
            if number == 5:
                memory = anonymous_bytes(daemon)
        assert daemon.call("node.stats")["messages_degraded"] > 0
        assert anonymous_bytes(daemon) - memory < 16 * MIB
        assert honest.failed is None


# Ourselves


async def test_node_that_dials_itself_notices_once_and_never_again(spawn: Spawn) -> None:
    address = f"127.0.0.1:{free_port()}"
    daemon = spawn("--port", address.rpartition(":")[2], "--bootstrap", address)
    wait_until(lambda: daemon.call("node.status")["dialling"] == [], "an end to dialling itself")
    for _ in range(3):
        with pytest.raises(RpcError) as caught:
            daemon.call("peer.connect", address=address)
        assert caught.value.kind == "own_address"
    assert daemon.call("peer.list") == []
    assert daemon.call("node.stats")["refused"] == {}
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
    assert '"exception"' not in daemon.log
    about = [line for line in log_lines(daemon) if line["event"] not in ("ready", "stopping")]
    assert [(line["event"], line["kind"], line["address"]) for line in about] == [
        ("dial_failed", "self", address)
    ]
