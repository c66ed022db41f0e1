"""Finding nodes on the local network: what to announce there, and whom of those heard to tell the node of.

A convenience: whatever fails here is logged, told in `node.status`, and stops nothing. Whether anybody is
dialled is the node's to decide.
"""

import asyncio
import errno
import importlib
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from chatcore import api
from chatcore.errors import BadAddress
from chatcore.events import Discovered
from chatcore.lan import MAX_LAN_ADDRESSES, MAX_LAN_NODES
from chatcore.names import join_address, normal_address, split_address
from chatd.servicerecord import Announcement, ServiceRecord

if TYPE_CHECKING:  # loaded only after the daemon is ready, and not at all where mDNS is off
    from chatd.interfaces import Changes, Interface
    from chatd.mdns import Responder

GATHER_S = 0.05
TELL_EVERY_S = 1.0
"""Announcements come in bursts, and some LANs are noisy: the node hears of them at most so often."""

SETTLE_S = 0.5
"""An interface that comes up changes several times at once."""

GOODBYE_S = 1.0

RETRY_FIRST_S = 30.0
RETRY_MOST_S = 300.0
"""After a failure, doubling: a port that is taken becomes free without any interface changing."""

NO_INTERFACE = "no interface that can multicast has an address this node listens on"
PORT_TAKEN = "UDP port 5353 is in use by a program that does not share it"
NOT_PERMITTED = "the system does not permit it"
"""Reasons that want something particular done about them."""

Interfaces = Callable[[], "tuple[Interface, ...]"]
Pause = Callable[["Changes | None", float | None], Awaitable[None]]
"""Until interfaces change, or so many seconds have passed; None for seconds without end."""

log = structlog.get_logger()


class State(StrEnum):
    OFF = "off"
    WORKING = "working"
    FAILED = "failed"


class Discovery:
    """`listening` are this node's own addresses; `post` takes what is found."""

    def __init__(
        self,
        record: ServiceRecord,
        listening: tuple[str, ...],
        post: Callable[[Discovered], None],
        *,
        wanted: bool = True,
        interfaces: Interfaces | None = None,
        pause: Pause | None = None,
    ) -> None:
        self._record = record
        self._pause = pause or _pause
        self._post = post
        self._local_networks = interfaces or _local_networks
        self._interfaces: tuple[Interface, ...] = ()
        self._port = split_address(listening[0])[1]
        self._hosts = [
            ipaddress.ip_address(host) for host, port in map(split_address, listening) if port == self._port
        ]
        self._heard: dict[str, Announcement] = {}
        self._told: tuple[tuple[str, ...], ...] = ()
        self._told_at = -TELL_EVERY_S
        self._telling: asyncio.TimerHandle | None = None
        self._responder: Responder | None = None
        self._task: asyncio.Task[None] | None = None
        self._state = State.OFF
        self._reason: str | None = None
        if not wanted:
            self._reason = "turned off with --no-mdns"
        elif all(host.is_loopback for host in self._hosts):
            self._reason = "this node listens on this machine alone"

    def status(self) -> api.MdnsState:
        return {"state": self._state.value, "reason": self._reason, "found": len(self._told)}

    # Life

    def start(self, group: asyncio.TaskGroup) -> None:
        """Unless it is off. Nothing has been imported or opened before."""
        if self._reason is None:
            self._reason = "it is starting"
            self._task = group.create_task(self._run(), name="mdns")

    async def stop(self) -> None:
        """Returns once goodbye is said."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        changes = await _changes()
        retry_s = RETRY_FIRST_S
        try:
            while True:
                await self._refresh()
                if self._state is State.WORKING:
                    retry_s = RETRY_FIRST_S
                    await self._pause(changes, None)
                else:
                    await self._pause(changes, retry_s)
                    retry_s = min(2 * retry_s, RETRY_MOST_S)
        finally:
            if changes is not None:
                changes.close()
            if self._telling is not None:
                self._telling.cancel()
            await self._close()

    async def _refresh(self) -> None:
        """Announce on the interfaces there are now; what failed before is tried again."""
        try:
            await self._follow(self._local_networks())
        except Exception as error:  # noqa: BLE001 - the daemon goes on without it, whatever it was
            await self._close()
            self._fail(_why(error))

    async def _follow(self, every: "tuple[Interface, ...]") -> None:
        interfaces = tuple(interface for interface in every if self._listened([interface]))
        if interfaces == self._interfaces and self._responder is not None:
            return
        self._interfaces = interfaces
        addresses = self._listened(interfaces)
        if not addresses:
            await self._close()
            self._fail(NO_INTERFACE)
            return
        if self._responder is None:
            self._responder = await self._make_responder()
            await self._responder.open(interfaces, addresses)
        else:
            await self._responder.update(interfaces, addresses)
            self._heard.clear()  # what is still near is told again
            await self._responder.browse()
        if self._state is not State.WORKING:
            log.info("mdns_working", interfaces=[interface.name for interface in interfaces])
        self._state, self._reason = State.WORKING, None
        self._tell_soon()

    async def _make_responder(self) -> "Responder":
        await asyncio.to_thread(importlib.import_module, "chatd.mdns")
        from chatd.mdns import Listeners, Responder  # noqa: PLC0415 - loaded by now, without holding up the loop

        listeners = Listeners(heard=self.handle_heard, gone=self.handle_gone)
        return Responder(self._record, self._port, listeners)

    async def _close(self) -> None:
        responder, self._responder = self._responder, None
        if responder is None:
            return
        try:
            async with asyncio.timeout(GOODBYE_S):
                await responder.close()
        except Exception as error:  # noqa: BLE001 - as above
            log.debug("mdns_close_failed", why=_why(error))

    def _fail(self, why: str) -> None:
        if (self._state, self._reason) != (State.FAILED, why):
            log.warning(
                "mdns_failed", why=why, hint="nodes on this network are not found; --no-mdns is quiet"
            )
        self._state, self._reason = State.FAILED, why
        self._heard.clear()
        self._tell_soon()

    # What is announced

    def _listened(self, interfaces: Sequence["Interface"]) -> list[str]:
        """Those of their addresses that this node listens on."""
        listened = []
        for interface in interfaces:
            for network in interface.networks:
                wild = any(host.is_unspecified and host.version == network.version for host in self._hosts)
                if wild or any(str(host).partition("%")[0] == str(network.ip) for host in self._hosts):
                    listened.append(str(network.ip))
        return listened

    # What is heard

    def handle_heard(self, heard: Announcement) -> None:
        ours = self._record.is_same_network(heard) and not self._record.is_own(heard)
        if not ours or not self._addresses(heard):
            self.handle_gone(heard.instance)
        elif heard.instance in self._heard or len(self._heard) < MAX_LAN_NODES:
            self._heard[heard.instance] = heard
            self._tell_soon()

    def handle_gone(self, instance: str) -> None:
        if self._heard.pop(instance, None) is not None:
            self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            pause = max(GATHER_S, self._told_at + TELL_EVERY_S - loop.time())
            self._telling = loop.call_later(pause, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._told_at = asyncio.get_running_loop().time()
        # One that has crashed is announced a second time, and without this would be dialled as two.
        nodes = tuple(dict.fromkeys(self._addresses(heard) for heard in self._heard.values()))
        if nodes != self._told:
            self._told = nodes
            self._post(Discovered(nodes))

    def _addresses(self, heard: Announcement) -> tuple[str, ...]:
        """Where it may be dialled: on a network we are on ourselves, or anybody could send us anywhere."""
        own = set(self._listened(self._interfaces))
        found: list[tuple[bool, str]] = []
        for text in heard.addresses:
            host, _, scope = text.partition("%")
            if not self._is_near(host, scope) or (host in own and heard.port == self._port):
                continue
            try:
                # An address that is ours as well is either on this machine, or the other one's own affair.
                found.append((host in own, normal_address(join_address(text, heard.port))))
            except BadAddress:
                continue
        found.sort(key=lambda item: item[0])
        return tuple(address for _, address in found)[:MAX_LAN_ADDRESSES]

    def _is_near(self, host: str, scope: str) -> bool:
        address = ipaddress.ip_address(host)
        if address.is_unspecified or address.is_multicast:
            return False
        return any(
            address in network.network
            and (not address.is_link_local or address.version == 4 or scope == str(interface.index))
            for interface in self._interfaces
            for network in interface.networks
        )


def _local_networks() -> "tuple[Interface, ...]":
    from chatd.interfaces import local_networks  # noqa: PLC0415 - as in _make_responder

    return local_networks()


async def _changes() -> "Changes | None":
    try:
        await asyncio.to_thread(importlib.import_module, "chatd.interfaces")
        from chatd.interfaces import Changes  # noqa: PLC0415 - as in _make_responder

        return Changes()
    except Exception as error:  # noqa: BLE001 - the interfaces there are at the start will do
        log.info("interfaces_not_watched", why=_why(error))
        return None


async def _pause(changes: "Changes | None", most_s: float | None) -> None:
    try:
        async with asyncio.timeout(most_s):
            if changes is None:
                await asyncio.get_running_loop().create_future()
            else:
                await changes.wait()
                await asyncio.sleep(SETTLE_S)
    except TimeoutError:
        pass


def _why(error: Exception) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return PORT_TAKEN
        case OSError(errno=errno.EACCES | errno.EPERM):
            return NOT_PERMITTED
        case OSError(strerror=str(text)) if text:
            return text.lower()
        case _:
            return str(error) or type(error).__name__
