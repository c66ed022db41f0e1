"""Discovery: what it makes of what it hears, what becomes of failures, and real multicast over loopback."""

import asyncio
import errno
import ipaddress
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from chatcore.events import Discovered
from chatcore.ids import PeerId
from chatcore.lan import MAX_LAN_NODES
from chatd import discovery as discovery_module
from chatd.discovery import Discovery
from chatd.doctor.nearby import check_mdns
from chatd.interfaces import Changes, Interface
from chatd.mdns import Listeners, Responder
from chatd.servicerecord import SERVICE, Announcement, ServiceRecord

DEADLINE_S = 10.0
LOOPBACK = Interface("lo", 1, (ipaddress.ip_interface("127.0.0.1/8"),))
LAN = Interface(
    "eth0",
    2,
    tuple(map(ipaddress.ip_interface, ("192.0.2.1/24", "fe80::1/64", "2001:db8::1/64"))),
)


class Found:
    """Takes what is posted, and lets a test wait for it."""

    def __init__(self) -> None:
        self.nodes: tuple[tuple[str, ...], ...] = ()
        self.times = 0
        self._changed = asyncio.Event()

    def post(self, event: Discovered) -> None:
        self.nodes = event.nodes
        self.times += 1
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.nodes) != count:
                self._changed.clear()
                await self._changed.wait()


def record(who: bytes = b"a", network: str = "main") -> ServiceRecord:
    return ServiceRecord(network, None, PeerId(who * 32))


def heard(*addresses: str, port: int = 8080, network: str = "main") -> Announcement:
    said = record(b"x", network)
    txt: dict[bytes, bytes | None] = {key.encode(): value.encode() for key, value in said.txt.items()}
    return Announcement(said.instance, addresses, port, txt)


class Deaf(Discovery):
    """Hears only what a test says."""

    def __init__(self, found: Found, *interfaces: Interface) -> None:
        super().__init__(record(), ("0.0.0.0:8080", "[::]:8080"), found.post)
        self._interfaces = interfaces or (LAN,)

    def tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._tell()


@pytest.fixture
async def found() -> Found:
    return Found()


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["192.0.2.7"], ["192.0.2.7:8080"]),
        (["2001:db8::7", "192.0.2.7"], ["[2001:db8::7]:8080", "192.0.2.7:8080"]),
        (["fe80::7%2"], ["[fe80::7%2]:8080"]),
        (["fe80::7%3"], []),
        (["fe80::7"], []),
        (["198.51.100.7", "192.0.2.7", "127.0.0.1", "::1"], ["192.0.2.7:8080"]),
        (["0.0.0.0", "224.0.0.251", "::", "ff02::fb"], []),
        ([f"192.0.2.{number}" for number in range(10, 90)], [f"192.0.2.{n}:8080" for n in range(10, 14)]),
    ],
)
async def test_only_addresses_on_our_own_networks_are_taken(
    found: Found, addresses: list[str], taken: list[str]
) -> None:
    deaf = Deaf(found)
    deaf.handle_heard(heard(*addresses))
    deaf.tell()
    assert found.nodes == ((tuple(taken),) if taken else ())


async def test_address_that_is_also_ours_comes_last_and_never_with_our_port(found: Found) -> None:
    deaf = Deaf(found)
    deaf.handle_heard(heard("192.0.2.1", "192.0.2.7"))
    deaf.handle_heard(heard("192.0.2.1", "192.0.2.7", port=9))
    deaf.tell()
    assert found.nodes == (("192.0.2.7:8080",), ("192.0.2.7:9", "192.0.2.1:9"))


async def test_own_and_other_networks_are_not_found(found: Found) -> None:
    deaf = Deaf(found)
    own = record()
    said: dict[bytes, bytes | None] = {key.encode(): value.encode() for key, value in own.txt.items()}
    deaf.handle_heard(Announcement(own.instance, ("192.0.2.7",), 8080, said))
    deaf.handle_heard(heard("192.0.2.7", network="other"))
    deaf.tell()
    assert found.times == 0


async def test_node_that_says_goodbye_or_changes_network_is_gone(found: Found) -> None:
    deaf = Deaf(found)
    first, second = heard("192.0.2.7"), heard("192.0.2.8")
    for announcement in (first, second):
        deaf.handle_heard(announcement)
    deaf.tell()
    assert len(found.nodes) == deaf.status()["found"] == 2
    deaf.handle_gone(first.instance)
    deaf.handle_heard(Announcement(second.instance, second.addresses, 8080, {}))
    deaf.handle_gone("never heard of")
    deaf.tell()
    assert len(found.nodes) == 0


async def test_node_is_told_once_of_what_stays_the_same(found: Found) -> None:
    deaf = Deaf(found)
    for _ in range(3):
        deaf.handle_heard(heard("192.0.2.7"))  # under three names, as after two crashes
        deaf.tell()
    assert (found.nodes, found.times) == ((("192.0.2.7:8080",),), 1)


async def test_flood_of_announcements_is_bounded_and_told_at_most_once_a_second(found: Found) -> None:
    deaf = Deaf(found)
    for number in range(10_000):
        deaf.handle_heard(heard(f"192.0.2.{number % 250 + 2}", port=1 + number // 250))
    assert len(deaf._heard) == MAX_LAN_NODES
    await found.until(MAX_LAN_NODES)
    deaf.handle_gone(next(iter(deaf._heard)))
    assert deaf._telling is not None
    assert deaf._telling.when() - asyncio.get_running_loop().time() > 0.5
    deaf.tell()
    assert found.times == 2


# When it is off or fails


@pytest.mark.parametrize(
    ("listening", "wanted", "why"),
    [
        (("0.0.0.0:8080",), False, "turned off with --no-mdns"),
        (("127.0.0.1:8080",), True, "this node listens on this machine alone"),
        (("127.0.0.1:8080", "[::1]:8080"), True, "this node listens on this machine alone"),
    ],
)
async def test_discovery_that_is_off_says_why_and_starts_nothing(
    found: Found, listening: tuple[str, ...], wanted: bool, why: str
) -> None:
    off = Discovery(record(), listening, found.post, wanted=wanted)
    async with asyncio.TaskGroup() as group:
        off.start(group)
        assert off._task is None
        await off.stop()
    assert off.status() == {"state": "off", "reason": why, "found": 0}


def no_interfaces() -> tuple[Interface, ...]:
    return ()


def no_permission() -> tuple[Interface, ...]:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def port_taken() -> tuple[Interface, ...]:
    raise OSError(errno.EADDRINUSE, "Address already in use")


def nonsense() -> tuple[Interface, ...]:
    raise ValueError("nobody foresaw this")


@pytest.mark.parametrize(
    ("interfaces", "why", "fix"),
    [
        (
            no_interfaces,
            "no interface that can multicast has an address this node listens on",
            "connect this machine",
        ),
        (no_permission, "the system does not permit it", "let chatd open"),
        (port_taken, "UDP port 5353 is in use by a program that does not share it", "stop that program"),
        (nonsense, "nobody foresaw this", "let UDP port 5353 in and out"),
    ],
)
async def test_failure_is_logged_once_told_and_stops_nothing(
    found: Found, interfaces: discovery_module.Interfaces, why: str, fix: str
) -> None:
    failing = Discovery(record(), ("0.0.0.0:8080",), found.post, interfaces=interfaces)
    with capture_logs() as lines:
        for _ in range(3):
            await failing._refresh()
    assert [(line["event"], line["why"]) for line in lines] == [("mdns_failed", why)]
    assert failing.status() == {"state": "failed", "reason": why, "found": 0}
    assert check_mdns(failing.status()).fix.startswith(fix)
    assert failing._telling is not None
    failing._telling.cancel()


async def test_failure_that_passes_leaves_it_working(found: Found) -> None:
    answers = [(), (LOOPBACK,)]
    one = Discovery(
        record(), ("127.0.0.1:8080", "0.0.0.0:8080"), found.post, interfaces=lambda: answers.pop(0)
    )
    await one._refresh()
    assert one.status()["state"] == "failed"
    await one._refresh()
    assert one.status() == {"state": "working", "reason": None, "found": 0}
    await one._close()


async def test_failure_is_tried_again_later_and_later_until_it_passes(found: Found) -> None:
    pauses: list[float | None] = []
    answers: list[discovery_module.Interfaces] = [port_taken] * 5 + [lambda: (LOOPBACK,), port_taken]
    works_again = asyncio.Event()

    async def pause(_changes: Changes | None, most_s: float | None) -> None:
        pauses.append(most_s)
        if not answers:
            works_again.set()
            await asyncio.get_running_loop().create_future()

    def interfaces() -> tuple[Interface, ...]:
        return answers.pop(0)()

    one = Discovery(record(), ("0.0.0.0:1001",), found.post, interfaces=interfaces, pause=pause)
    async with asyncio.TaskGroup() as group, asyncio.timeout(DEADLINE_S):
        one.start(group)
        await works_again.wait()
        await one.stop()
    assert pauses == [30, 60, 120, 240, 300, None, 30]


@pytest.mark.parametrize("watched", [False, True])
async def test_pause_after_a_failure_ends_though_no_interface_changes(watched: bool) -> None:
    changes = Changes() if watched else None
    try:
        async with asyncio.timeout(DEADLINE_S):
            await discovery_module._pause(changes, 0.01)
    finally:
        if changes is not None:
            changes.close()


async def test_interfaces_that_cannot_be_watched_are_used_all_the_same(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Changes) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Changes, "__init__", refused)
    other = Found()
    async with announced(found, b"a", 1001), announced(other, b"b", 1002):
        await found.until(1)


async def test_node_is_announced_only_where_it_listens() -> None:
    found = Found()
    choosy = Discovery(
        record(), ("127.0.0.1:8080", "192.0.2.9:8080"), found.post, interfaces=lambda: (LAN, LOOPBACK)
    )
    await choosy._refresh()
    assert (choosy.status()["state"], choosy._interfaces) == ("working", (LOOPBACK,))
    await choosy._close()


# Real multicast, on loopback


@asynccontextmanager
async def announced(found: Found, who: bytes, port: int, network: str = "main") -> AsyncIterator[Discovery]:
    one = Discovery(record(who, network), (f"0.0.0.0:{port}",), found.post, interfaces=lambda: (LOOPBACK,))
    async with asyncio.TaskGroup() as group:
        one.start(group)
        yield one
        await one.stop()


async def test_two_of_a_network_find_each_other_and_hear_goodbye() -> None:
    ann, bob, carl = Found(), Found(), Found()
    async with announced(ann, b"a", 1001) as first, announced(carl, b"c", 1003, network="other"):
        async with announced(bob, b"b", 1002):
            await ann.until(1)
            await bob.until(1)
            assert ann.nodes == (("127.0.0.1:1002",),)
            assert bob.nodes == (("127.0.0.1:1001",),)
            assert first.status() == {"state": "working", "reason": None, "found": 1}
        await ann.until(0)
        assert carl.times == 0


async def test_what_a_service_did_not_say_at_first_is_asked_for() -> None:
    answers: asyncio.Queue[Announcement] = asyncio.Queue()
    ann = Responder(record(b"a"), 1001, Listeners(heard=answers.put_nowait, gone=lambda _: None))
    bob_record = record(b"b")
    bob = Responder(bob_record, 1002, Listeners(heard=lambda _: None, gone=lambda _: None))
    for one, address in ((bob, "127.0.0.2"), (ann, "127.0.0.1")):
        await one.open((LOOPBACK,), [address])
    async with asyncio.timeout(DEADLINE_S):
        heard = await answers.get()
        await ann._ask(f"{bob_record.instance}.{SERVICE}")
        asked = await answers.get()
        await ann.close()
        await bob.close()
    assert (asked.instance, asked.port, asked.addresses) == (bob_record.instance, 1002, ("127.0.0.2",))
    assert heard.instance == asked.instance


def test_daemon_and_chatctl_start_without_the_libraries() -> None:
    for module in ("chatd.main", "chatctl.commands.root", "chatctl.commands.node", "chatctl.render"):
        program = f"import sys, {module}; assert not {{'zeroconf', 'ifaddr'}} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)
