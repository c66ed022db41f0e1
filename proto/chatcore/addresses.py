"""What an IP address says of where somebody lives: how far away, and in whose network.

Knows nothing of names: what a name stands for only a resolver knows, and may say otherwise tomorrow.
"""

import ipaddress
from enum import IntEnum
from functools import lru_cache

from chatcore.names import join_address, split_address

V4_BYTES = 4
V6_BYTES = 16
PORT_BYTES = 2

_MEMO = 8192


class Scope(IntEnum):
    """From where an address can be reached. What is told over a link is of its scope or a wider one."""

    LOOPBACK = 0
    LAN = 1
    GLOBAL = 2


_LAN = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    )
]
"""RFC 1918, RFC 3927, RFC 6598 (a provider's own), RFC 4193."""

_NOWHERE = [
    ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
]
"""Nobody can be dialled there; at fe80::/10 not without an interface's name, which is everybody's own."""

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=_MEMO)
def _ip_of(host: str) -> _Ip | None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def host_bytes(host: str) -> bytes | None:
    """4 or 16 bytes. None for what is no IP address."""
    ip = _ip_of(host)
    return None if ip is None else ip.packed


def host_of(packed: bytes) -> str:
    """Raises ValueError when it is neither 4 nor 16 bytes, or an IPv4 address in 16."""
    host = str(ipaddress.ip_address(packed))
    if len(host_bytes(host) or b"") != len(packed):
        raise ValueError("an IPv4 address written as one of IPv6")
    return host


@lru_cache(maxsize=_MEMO)
def scope_of(host: str) -> Scope | None:
    """None for a name, and for an address where nobody can live."""
    ip = _ip_of(host)
    if ip is None or any(ip in network for network in _NOWHERE):
        return None
    if ip.is_loopback:
        return Scope.LOOPBACK
    return Scope.LAN if any(ip in network for network in _LAN) else Scope.GLOBAL


def is_everywhere(host: str) -> bool:
    """Whether who listens there does so at all addresses of the machine."""
    ip = _ip_of(host)
    return ip is not None and ip.is_unspecified


def nearness(host: str) -> Scope:
    """How far away the other end of a link is; far, where that cannot be told."""
    ip = _ip_of(host)
    if ip is not None and ip.is_link_local:
        return Scope.LAN
    scope = scope_of(host)
    return Scope.GLOBAL if scope is None else scope


@lru_cache(maxsize=_MEMO)
def group_of(host: str) -> bytes:
    """Whose network it is in: few own many /16 of IPv4 or /32 of IPv6 (Heilman et al. 2015, section 2.2).

    In a LAN, where a network says nothing, every host is a group of its own; so is a name.
    """
    ip = _ip_of(host)
    if ip is None:
        return host.encode()
    if scope_of(host) is not Scope.GLOBAL:
        return ip.packed
    return ip.packed[: 2 if ip.version == 4 else 4]


@lru_cache(maxsize=_MEMO)
def home_of(host: str) -> bytes | None:
    """Which subscriber's it is, who has as many addresses of a /64 of IPv6 as there are, of IPv4 one.

    None for a name, and within a machine or a LAN, where many may rightly share one.
    """
    ip = _ip_of(host)
    if ip is None or nearness(host) is not Scope.GLOBAL:
        return None
    return ip.packed[: 4 if ip.version == 4 else 8]


def network_of(host: str) -> str:
    """Its group, for people: 192.0.0.0/16, 2001:db8::/32, or the host itself."""
    ip = _ip_of(host)
    if ip is None or scope_of(host) is not Scope.GLOBAL:
        return host
    return str(ipaddress.ip_network((ip, 16 if ip.version == 4 else 32), strict=False))


def pack_address(address: str) -> bytes:
    """IP address and port, 6 or 18 bytes. Raises ValueError for a name, BadAddress for neither."""
    host, port = split_address(address)
    packed = host_bytes(host)
    if packed is None:
        raise ValueError(f"{host} is a name")
    return packed + port.to_bytes(PORT_BYTES, "big")


def unpack_address(packed: bytes) -> str:
    """Raises ValueError when nobody can be dialled there."""
    host, port = host_of(packed[:-PORT_BYTES]), int.from_bytes(packed[-PORT_BYTES:], "big")
    if scope_of(host) is None or port == 0:
        raise ValueError("nobody can be dialled there")
    return join_address(host, port)


def host_at(address: str) -> str:
    """Of an address that need not be one to dial: the far end of a stream has any port, or none."""
    return address.rpartition(":")[0].strip("[]")


@lru_cache(maxsize=_MEMO)
def scope_at(address: str) -> Scope | None:
    return scope_of(host_at(address))


@lru_cache(maxsize=_MEMO)
def group_at(address: str) -> bytes:
    return group_of(host_at(address))
