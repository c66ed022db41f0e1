"""Which addresses are this machine's, and so which lead back to a daemon on it. Dials nobody to find out."""

import importlib
from collections.abc import Iterable

from chatcore.addresses import Scope, host_at, host_bytes, is_everywhere, scope_of
from chatcore.names import split_address

_LOCALHOST = ("127.0.0.1", "::1")


def own_hosts() -> list[str]:
    """This machine's addresses, but for loopback and those that only mean something on one cable."""
    ifaddr = importlib.import_module("ifaddr")
    hosts = [
        ip.ip if isinstance(ip.ip, str) else ip.ip[0]
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    return [host for host in hosts if not host.startswith(("127.", "fe80:")) and host != "::1"]


def is_own(address: str, listening: Iterable[str]) -> bool:
    """Whether a daemon that listens there hears who dials the address. Of names only localhost is known."""
    host, port = split_address(address)
    heard = [host_at(item) for item in listening if split_address(item)[1] == port]
    if not heard:
        return False
    hosts = _LOCALHOST if host == "localhost" else (host,)
    return any(_hears(listener, item) for listener in heard for item in hosts)


def _hears(listener: str, host: str) -> bool:
    there, ours = host_bytes(host), host_bytes(listener)
    if there is None or ours is None or len(there) != len(ours):
        return False
    if there == ours:
        return True
    if not is_everywhere(listener):
        return False
    return scope_of(host) is Scope.LOOPBACK or there in map(host_bytes, own_hosts())
