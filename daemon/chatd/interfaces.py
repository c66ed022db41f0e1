"""The machine's network interfaces that reach a local network, and a word when they change.

Linux only: flags by ioctl (netdevice(7)), changes by netlink (rtnetlink(7)), so that nobody has to look again
and again.
"""

import asyncio
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

import ifaddr

MAX_INTERFACES = 16
"""A machine full of containers has hundreds, and the kernel lets one socket join 20 groups by default."""

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT, _IFF_MULTICAST = 0x1, 0x8, 0x10, 0x1000
_NAME_BYTES = 16
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_NEWS_BYTES = 65_536

_IF_INET6 = Path("/proc/net/if_inet6")
_UNUSABLE = 0x08 | 0x20 | 0x40
"""Of an IPv6 address: its check for duplicates failed; deprecated; not checked yet (linux/if_addr.h)."""


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    index: int
    networks: tuple[IPv4Interface | IPv6Interface, ...]
    """Its own addresses, each with its prefix; a link-local one has no scope here."""


def local_networks() -> tuple[Interface, ...]:
    """Those that are up and can multicast, without loopback and tunnels. Raises OSError."""
    found = []
    unusable = _unusable_addresses()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for adapter in ifaddr.get_adapters():
            if adapter.index is None or not _reaches_a_local_network(asking, adapter.name):
                continue
            networks = sorted(_networks(adapter, unusable), key=lambda network: (network.version, network))
            if networks:
                found.append(Interface(adapter.name, adapter.index, tuple(networks)))
    # Those with IPv4 first: the ends of containers' cables have IPv6 addresses that lead nowhere else.
    found.sort(key=lambda interface: (interface.networks[0].version, interface.index))
    return tuple(found[:MAX_INTERFACES])


def _reaches_a_local_network(asking: socket.socket, name: str) -> bool:
    request = struct.pack(f"{_NAME_BYTES}sH22x", name.encode()[: _NAME_BYTES - 1], 0)
    try:
        answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, request)
    except OSError:
        return False  # gone meanwhile
    flags: int = struct.unpack_from("H", answer, _NAME_BYTES)[0]
    wanted = _IFF_UP | _IFF_MULTICAST
    return flags & (wanted | _IFF_LOOPBACK | _IFF_POINTOPOINT) == wanted


def _networks(
    adapter: ifaddr.Adapter, unusable: Container[tuple[int | None, str]]
) -> list[IPv4Interface | IPv6Interface]:
    hosts = [(ip.ip if isinstance(ip.ip, str) else ip.ip[0], ip.network_prefix) for ip in adapter.ips]
    return [
        ipaddress.ip_interface(f"{host}/{prefix}")
        for host, prefix in hosts
        if (adapter.index, host) not in unusable
    ]


def _unusable_addresses() -> set[tuple[int | None, str]]:
    """Interface's number and address; a socket cannot be bound to them, or should not be."""
    try:
        lines = _IF_INET6.read_text().splitlines()
    except OSError:
        return set()  # no IPv6
    found = set[tuple[int | None, str]]()
    for address, index, _, _, flags, _ in map(str.split, lines):
        if int(flags, 16) & _UNUSABLE:
            found.add((int(index, 16), str(ipaddress.IPv6Address(bytes.fromhex(address)))))
    return found


class Changes:
    """Wakes whoever waits when an interface or an address came or went. Raises OSError where it cannot."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        try:
            self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        self._changed.set()
        try:
            while self._socket.recv(_NEWS_BYTES):
                pass
        except OSError:  # nothing more; or more than fitted, which is news as well
            pass

    async def wait(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
