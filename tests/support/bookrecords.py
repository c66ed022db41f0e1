"""A second implementation of peer records, from docs/protocol.md and PyNaCl, and nothing of ours."""

import base64
import hashlib
import ipaddress
from dataclasses import dataclass

import nacl.exceptions
import nacl.signing

SIGNED_FOR = b"chatd peer record 1\0"
KEY, TIME, PORT, SIGNATURE = 32, 4, 2, 64


@dataclass(frozen=True, slots=True)
class BookRecord:
    """`peer_id` as it is written: base32 in lower case, without padding."""

    peer_id: str
    time: int
    host: str
    port: int


def write(key: nacl.signing.SigningKey, time: int, host: str, port: int) -> bytes:
    public = bytes(key.verify_key)
    said = (
        public + time.to_bytes(TIME, "big") + ipaddress.ip_address(host).packed + port.to_bytes(PORT, "big")
    )
    return said + key.sign(SIGNED_FOR + said).signature


def read(record: bytes) -> BookRecord | None:
    """None when it is not its peer's own word, or no record at all."""
    if len(record) not in {106, 118}:
        return None
    said, signature = record[:-SIGNATURE], record[-SIGNATURE:]
    public, rest = said[:KEY], said[KEY:]
    try:
        nacl.signing.VerifyKey(public).verify(SIGNED_FOR + said, signature)
    except nacl.exceptions.BadSignatureError:
        return None
    address = ipaddress.ip_address(rest[TIME:-PORT])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return None
    peer_id = base64.b32encode(hashlib.sha256(public).digest()).decode().lower().rstrip("=")
    time, port = int.from_bytes(rest[:TIME], "big"), int.from_bytes(rest[-PORT:], "big")
    return BookRecord(peer_id, time, str(address), port)
