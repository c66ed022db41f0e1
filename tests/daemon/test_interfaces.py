"""Which interfaces reach a local network. (That changes are noticed is shown in e2e/test_lan.py.)"""

import asyncio
import ipaddress
import socket

import ifaddr
import pytest

from chatd import interfaces
from chatd.interfaces import MAX_INTERFACES, Changes, local_networks


def adapter(number: int, *addresses: tuple[str, int]) -> ifaddr.Adapter:
    name = f"if{number}"
    ips = [
        ifaddr.IP(host if "." in host else (host, 0, 0), prefix, name)  # as getifaddrs gives them
        for host, prefix in addresses
    ]
    return ifaddr.Adapter(name, name, ips, index=number)


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> list[ifaddr.Adapter]:
    """What the machine has; all of it fit for use."""
    found: list[ifaddr.Adapter] = []
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: found)
    monkeypatch.setattr(interfaces, "_reaches_a_local_network", lambda _asking, _name: True)
    monkeypatch.setattr(interfaces, "_unusable_addresses", lambda: {(1, "fe80::bad")})
    return found


def test_loopback_is_no_local_network() -> None:
    names = [interface.name for interface in local_networks()]
    assert "lo" not in names
    assert set(names) <= {name for _, name in socket.if_nameindex()}


def test_interface_has_its_addresses_ipv4_first(adapters: list[ifaddr.Adapter]) -> None:
    adapters += [adapter(1, ("fe80::1", 64), ("fe80::bad", 64), ("192.0.2.1", 24)), adapter(2)]
    (found,) = local_networks()
    assert (found.name, found.index) == ("if1", 1)
    assert found.networks == tuple(map(ipaddress.ip_interface, ("192.0.2.1/24", "fe80::1/64")))


def test_interfaces_are_bounded_and_those_with_ipv4_come_first(adapters: list[ifaddr.Adapter]) -> None:
    adapters += [adapter(number, ("fe80::1", 64)) for number in range(1, 100)]
    adapters.append(adapter(100, ("192.0.2.1", 24)))
    found = local_networks()
    assert len(found) == MAX_INTERFACES
    assert [interface.name for interface in found[:2]] == ["if100", "if1"]


def test_interface_that_is_gone_meanwhile_is_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        assert not interfaces._reaches_a_local_network(asking, "no-such-one")


async def test_changes_are_watched_and_let_go_of() -> None:
    changes = Changes()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await changes.wait()
    changes.close()
