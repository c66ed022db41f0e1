"""What a node says of itself on the local network: enough for its own to find it, little for anybody else.

Pure: names and tags in, TXT fields out. Knows nothing of multicast or interfaces.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from chatcore import PROTOCOL_MAJOR
from chatcore.ids import PeerId

SERVICE = "_chatd._tcp.local."
TAG_BYTES = 16
INSTANCE_BYTES = 8

_INSTANCE = re.compile(rf"[0-9a-f]{{{2 * INSTANCE_BYTES}}}")


def new_instance() -> str:
    """Another one at each start, so that nobody is followed by it from one network to the next."""
    return secrets.token_hex(INSTANCE_BYTES)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service as it was heard; `addresses` are IP addresses, link-local ones with `%` and their scope."""

    instance: str
    addresses: tuple[str, ...]
    port: int
    txt: Mapping[bytes, bytes | None]


class ServiceRecord:
    """The tags are salted with the instance's name: those of two nodes differ, whatever they share, and who
    does not know the network's name (and key) or the peer's id cannot tell them from random numbers."""

    def __init__(self, network: str, network_key: bytes | None, peer_id: PeerId) -> None:
        self.instance = new_instance()
        self._network = network.encode()
        self._network_key = network_key or b""
        self._peer_id = peer_id

    @property
    def txt(self) -> dict[str, str]:
        return {
            "v": str(PROTOCOL_MAJOR),
            "net": self._network_tag(self.instance),
            "id": self._peer_tag(self.instance),
        }

    def is_own(self, heard: Announcement) -> bool:
        """This node, or what is left of it from before a restart."""
        return heard.instance == self.instance or self._says(heard, b"id", self._peer_tag(heard.instance))

    def is_same_network(self, heard: Announcement) -> bool:
        """Whether it is worth dialling: our network, our key, our protocol."""
        return (
            _INSTANCE.fullmatch(heard.instance) is not None
            and self._says(heard, b"v", str(PROTOCOL_MAJOR))
            and self._says(heard, b"net", self._network_tag(heard.instance))
        )

    @staticmethod
    def _says(heard: Announcement, key: bytes, value: str) -> bool:
        return heard.txt.get(key) == value.encode()

    def _network_tag(self, instance: str) -> str:
        return _tag(b"chatd-lan-net", instance, self._network, self._network_key)

    def _peer_tag(self, instance: str) -> str:
        return _tag(b"chatd-lan-id", instance, self._peer_id)


def _tag(person: bytes, instance: str, data: bytes, key: bytes = b"") -> str:
    salted = instance.encode() + b"\0" + data
    return hashlib.blake2b(salted, digest_size=TAG_BYTES, key=key, person=person).hexdigest()
