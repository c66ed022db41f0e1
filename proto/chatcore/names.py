"""What people type: room, user and network names, and addresses. Checks them and gives their one spelling."""

import hashlib
import ipaddress
import re
import unicodedata

from chatcore.errors import BadAddress, BadName
from chatcore.ids import RoomId

LOBBY = "lobby"
MAX_ROOM_NAME_CHARS = 32
MAX_USERNAME_BYTES = 64
MAX_NETWORK_BYTES = 64
MAX_ADDRESS_BYTES = 262  # a 253-byte DNS name, brackets, colon, five digits
MAX_PORT = 65_535

ROOM_RULE = f"use 1 to {MAX_ROOM_NAME_CHARS} letters, digits, '-', '_' or '.', with or without a leading '#'"
USERNAME_RULE = (
    f"use 1 to {MAX_USERNAME_BYTES} bytes of printable text without spaces at its ends or line breaks in it"
)
NETWORK_RULE = f"use 1 to {MAX_NETWORK_BYTES} characters of a-z, 0-9, '-', '_' or '.'"

_MAX_PORT_DIGITS = 5
_NETWORK = re.compile(rf"[a-z0-9._-]{{1,{MAX_NETWORK_BYTES}}}")
_V6 = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]{1,15})?)\]")
"""With an interface's name behind it, at most 15 characters on Linux (IFNAMSIZ), for link-local ones."""

# Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point): two names would look alike.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


def room_name(text: str) -> str:
    """`#Lobby`, `lobby` and `LOBBY` are one room: `lobby`. Raises BadName."""
    folded = unicodedata.normalize("NFKC", text.strip().removeprefix("#")).casefold()
    name = unicodedata.normalize("NFKC", folded)  # again, because folding takes some letters apart
    if not 1 <= len(name) <= MAX_ROOM_NAME_CHARS or not all(_is_room_char(char) for char in name):
        raise BadName("room", text, ROOM_RULE)
    return name


def _is_room_char(char: str) -> bool:
    # Combining marks (M*) are letters' parts in Indic and other scripts.
    return char in "-_." or (unicodedata.category(char)[0] in "LNM" and not _INVISIBLE.match(char))


def is_visible(name: str) -> bool:
    """Whether every letter of it shows."""
    return not _INVISIBLE.search(name)


def room_id(network: str, name: str) -> RoomId:
    """A public room's id: BLAKE2b-256 of `network || 0x00 || name`, personalised `chatd-room`."""
    data = network.encode() + b"\0" + name.encode()
    return RoomId(hashlib.blake2b(data, digest_size=32, person=b"chatd-room").digest())


def username(text: str) -> str:
    """Raises BadName. A username is decoration, never identity: two people may choose the same."""
    fits = 1 <= len(text.encode(errors="replace")) <= MAX_USERNAME_BYTES
    if not fits or text != text.strip() or not text.isprintable():
        raise BadName("user", text, USERNAME_RULE)
    return text


def network_name(text: str) -> str:
    """Raises BadName."""
    if not _NETWORK.fullmatch(text):
        raise BadName("network", text, NETWORK_RULE)
    return text


def split_address(address: str) -> tuple[str, int]:
    """`host:port`, `1.2.3.4:port` or `[v6]:port` to its two halves. Raises BadAddress."""
    host, colon, port = address.rpartition(":")
    if not colon or len(port) > _MAX_PORT_DIGITS or not port.isascii() or not port.isdigit():
        raise BadAddress(address)
    if not 1 <= int(port) <= MAX_PORT:
        raise BadAddress(address)
    if v6 := _V6.fullmatch(host):
        try:
            return str(ipaddress.IPv6Address(v6[1])), int(port)
        except ValueError:
            raise BadAddress(address) from None
    if not _HOST.fullmatch(host):
        raise BadAddress(address)
    return host.lower(), int(port)


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def normal_address(address: str) -> str:
    """The one spelling of an address. Raises BadAddress."""
    return join_address(*split_address(address.strip()))
