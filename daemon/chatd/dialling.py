"""From a name and a port to a connected socket: every address behind it, of either family, the first that
answers (RFC 8305, "happy eyeballs"). Knows nothing of what is said on it."""

import asyncio
import random
import socket
from collections.abc import Collection

import aiohappyeyeballs

from chatcore.names import join_address

NEXT_AFTER_S = 0.25
"""Before the next address is tried beside one that has not answered (RFC 8305, section 5)."""

MAX_ADDRESSES = 16
"""Of one name, at once or one after the other, a random choice: a name of many nodes shows other ones each
time."""

_Info = aiohappyeyeballs.AddrInfoType


class NoneLeft(Exception):
    """Every address behind the name was tried."""


async def connect(host: str, port: int, tried: Collection[str]) -> socket.socket:
    """Raises NoneLeft, or OSError when nobody answers."""
    loop = asyncio.get_running_loop()
    found: list[_Info] = list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    left = [info for info in dict.fromkeys(found) if join_address(info[4][0], info[4][1]) not in tried]
    if not left:
        raise NoneLeft
    chosen = random.sample(left, min(MAX_ADDRESSES, len(left)))
    return await aiohappyeyeballs.start_connection(chosen, happy_eyeballs_delay=NEXT_AFTER_S, interleave=1)
