"""What an address says of where somebody is: how far away, and in whose network."""

import ipaddress
from enum import IntEnum


class Scope(IntEnum):
    HOST = 0
    LAN = 1
    INTERNET = 2


_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""A provider's own (RFC 6598): nobody outside reaches it."""


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    host = address.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def is_everywhere(address: str) -> bool:
    """Whether who listens there does so at all addresses of the machine."""
    ip = _ip(address)
    return ip is not None and ip.is_unspecified


def scope_of(address: str) -> Scope:
    """Of `host:port`. A name may lead anywhere."""
    ip = _ip(address)
    if ip is None:
        return Scope.INTERNET
    if ip.is_loopback:
        return Scope.HOST
    near = ip.is_private or ip.is_link_local or (ip.version == 4 and ip in _SHARED)
    return Scope.LAN if near else Scope.INTERNET


def group_of(address: str) -> str:
    """Whose network it is in: /16 of IPv4, /32 of IPv6 (Heilman et al. 2015, section 2.2). In a LAN, where a
    network says nothing, every host is a group of its own."""
    ip = _ip(address)
    if ip is None or scope_of(address) is not Scope.INTERNET:
        return address if ip is None else str(ip)
    return str(ipaddress.ip_network(f"{ip}/{16 if ip.version == 4 else 32}", strict=False))
