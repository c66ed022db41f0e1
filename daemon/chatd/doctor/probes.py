"""A look out of the window: does a name resolve now, and does anybody take a connection there?"""

import asyncio
import errno
import socket

from chatcore.names import split_address
from chatd.doctor.bootstrap import Probe

PROBE_S = 3.0
"""For each of the two: `chatctl` waits for 10 s in all."""


async def probe(address: str, *, connect: bool) -> Probe:
    """Without `connect` only the name is looked up: somebody is known to answer there."""
    host, port = split_address(address)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PROBE_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Probe(unresolved=_why(error))
    hosts = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not connect:
        return Probe(hosts)
    try:
        async with asyncio.timeout(PROBE_S):
            transport, _ = await loop.create_connection(asyncio.Protocol, host, port)
    except (OSError, UnicodeError) as error:
        return Probe(hosts, unanswered=_why(error))
    transport.abort()
    return Probe(hosts)


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {PROBE_S:.0f} s"
        case ConnectionRefusedError():
            return "connection refused: nobody listens there"
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return "there is no way to it from this machine: is the network up?"
        case OSError(strerror=str(text)) if text:
            return text.lower()
        case _:
            return str(error) or type(error).__name__
