"""Peer records: where a peer may be dialled, signed by itself, so that nobody invents addresses for others.

Kept as received and never encoded again. Knows nothing of who told them.
"""

from functools import lru_cache
from typing import NamedTuple

from chatcore.addresses import (
    PORT_BYTES,
    V4_BYTES,
    V6_BYTES,
    Scope,
    group_at,
    pack_address,
    scope_at,
    unpack_address,
)
from chatcore.clock import Now
from chatcore.errors import Malformed
from chatcore.identity import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Identity, peer_id_of, verify
from chatcore.ids import PeerId

RECORD_CONTEXT = b"chatd peer record 1\0"
TIME_BYTES = 4
MAX_TIME = 2 ** (8 * TIME_BYTES) - 1
"""Seconds; in the year 2106."""

MAX_AGE_S = 24 * 3600.0
"""Whoever lives there has signed another one since (`SIGN_AGAIN_S`), or does not live there any more."""

MAX_AHEAD_S = 600.0
"""As messages: one from the far future would win over every true one for as long."""

MAX_VERIFIED = 8192
"""Signatures remembered, good or bad, about 3 MB; a check takes 41 us, and most records come again."""

_HEADER_BYTES = PUBLIC_KEY_BYTES + TIME_BYTES
_SIZES = {_HEADER_BYTES + ip + PORT_BYTES + SIGNATURE_BYTES for ip in (V4_BYTES, V6_BYTES)}


class PeerRecord(NamedTuple):
    """`time` is when it was signed, in Unix seconds; `signed` its bytes, which say all of it.

    `scope` is kept beside, as rooms look at it thousands of times for each record that comes.
    """

    peer_id: PeerId
    address: str
    time: int
    signed: bytes
    scope: Scope

    @property
    def group(self) -> bytes:
        return group_at(self.address)

    def is_signed(self) -> bool:
        """Whether it is its peer's own word."""
        return _is_signed(self.signed)

    def is_current(self, now: Now) -> bool:
        age_s = now.wall_ms / 1000 - self.time
        return -MAX_AHEAD_S <= age_s <= MAX_AGE_S


class Named(NamedTuple):
    """A record, and the group of who told us of it first."""

    record: PeerRecord
    source: bytes


class KnownAddress(NamedTuple):
    """An address as it outlives a restart. `source`: the group of who told us; `tried`: somebody answered."""

    address: str
    peer_id: PeerId
    record: PeerRecord | None
    source: bytes
    tried: bool
    anchor: bool


def sign_record(identity: Identity, address: str, time: int) -> PeerRecord:
    """That the identity may be dialled at an IP address. Raises ValueError for a name."""
    body = identity.public_key + time.to_bytes(TIME_BYTES, "big") + pack_address(address)
    return _record(identity.peer_id, address, time, body + identity.sign(RECORD_CONTEXT, body))


def open_record(signed: bytes) -> PeerRecord:
    """What the bytes say, whoever signed them. Raises Malformed."""
    if len(signed) not in _SIZES:
        raise Malformed("a peer record of a wrong size")
    time = int.from_bytes(signed[PUBLIC_KEY_BYTES:_HEADER_BYTES], "big")
    try:
        address = unpack_address(signed[_HEADER_BYTES:-SIGNATURE_BYTES])
    except ValueError as error:
        raise Malformed(f"a peer record without an address: {error}") from error
    return _record(peer_id_of(signed[:PUBLIC_KEY_BYTES]), address, time, signed)


def _record(peer_id: PeerId, address: str, time: int, signed: bytes) -> PeerRecord:
    scope = scope_at(address)
    assert scope is not None, "it was packed, or unpacked"
    return PeerRecord(peer_id, address, time, signed, scope)


@lru_cache(maxsize=MAX_VERIFIED)
def _is_signed(signed: bytes) -> bool:
    body, signature = signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]
    return verify(body[:PUBLIC_KEY_BYTES], signature, RECORD_CONTEXT, body)
