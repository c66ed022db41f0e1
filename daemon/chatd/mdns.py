"""Multicast DNS by zeroconf: our service goes out, others come in. Decides nothing about them.

The only file that imports zeroconf, and itself imported only after the daemon is ready: it takes a tenth of
a second and some megabytes.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from chatd.asking import Asking
from chatd.interfaces import Interface
from chatd.servicerecord import SERVICE, Announcement, ServiceRecord

ASK_TIMEOUT_MS = 3000
"""For what the first packet of a service did not say. Ours say everything at once."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of services: one was heard or has changed; one (by its instance) is gone."""

    heard: Callable[[Announcement], None]
    gone: Callable[[str], None]


class Responder:
    """Announces one record on some interfaces and browses for others."""

    def __init__(self, record: ServiceRecord, port: int, listeners: Listeners) -> None:
        # It logs what we report, in its own words and not as our log lines are.
        logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
        self._record = record
        self._port = port
        self._listeners = listeners
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._asking = Asking(self._ask)
        self._announced: list[str] = []

    async def open(self, interfaces: Sequence[Interface], addresses: Sequence[str]) -> None:
        """Announce `addresses` on `interfaces`. Raises OSError, and whatever zeroconf thinks of."""
        choice, version = _choice(interfaces)
        self._zeroconf = AsyncZeroconf(interfaces=choice, ip_version=version)
        await self._zeroconf.zeroconf.async_wait_for_start()
        await self.browse()
        self._announced = list(addresses)
        # Nobody else has our random name: it need not be probed for (RFC 6762, section 8.1).
        await self._zeroconf.async_register_service(self._service(), cooperating_responders=True)

    async def update(self, interfaces: Sequence[Interface], addresses: Sequence[str]) -> None:
        """Announce on these instead, and what has changed."""
        assert self._zeroconf is not None
        choice, version = _choice(interfaces)
        await self._zeroconf.async_update_interfaces(choice, version)
        if self._announced != list(addresses):
            self._announced = list(addresses)
            await self._zeroconf.async_update_service(self._service())

    async def browse(self) -> None:
        """Ask who is there, now and every hour; tells of everybody, those known already too."""
        assert self._zeroconf is not None
        if self._browser is not None:
            await self._browser.async_cancel()
        # Questions for multicast answers: others on this machine share the port, and one of them would get
        # an answer meant for us alone.
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf, SERVICE, handlers=[self._on_change], question_type=DNSQuestionType.QM
        )

    async def close(self) -> None:
        """With goodbye, so that others do not look for us for two minutes."""
        await self._asking.close()
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._zeroconf is not None:
            await self._zeroconf.async_close()

    def _service(self) -> AsyncServiceInfo:
        instance = self._record.instance
        return AsyncServiceInfo(
            SERVICE,
            f"{instance}.{SERVICE}",
            port=self._port,
            properties=self._record.txt,
            server=f"{instance}.local.",  # not the machine's own name, which often is its owner's
            parsed_addresses=self._announced,
        )

    def _on_change(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        instance = _instance(name)
        if instance == self._record.instance:
            return
        if state_change is ServiceStateChange.Removed:
            self._asking.withdraw(name)
            self._listeners.gone(instance)
            return
        info = AsyncServiceInfo(service_type, name)
        if info.load_from_cache(zeroconf):
            self._tell(info)
        else:
            self._asking.add(name)

    async def _ask(self, name: str) -> None:
        assert self._zeroconf is not None
        info = AsyncServiceInfo(SERVICE, name)
        if await info.async_request(self._zeroconf.zeroconf, ASK_TIMEOUT_MS, DNSQuestionType.QM):
            self._tell(info)

    def _tell(self, info: AsyncServiceInfo) -> None:
        if info.port is not None:
            addresses = tuple(info.parsed_scoped_addresses())
            self._listeners.heard(Announcement(_instance(info.name), addresses, info.port, info.properties))


def _instance(name: str) -> str:
    return name.removesuffix(f".{SERVICE}").lower()


def _choice(
    interfaces: Sequence[Interface],
) -> tuple[list[str | int | tuple[tuple[str, int, int], int]], IPVersion]:
    """One socket for each interface and version of IP: by an address for 4, by its number for 6."""
    choice: list[str | int | tuple[tuple[str, int, int], int]] = []
    for interface in interfaces:
        versions = {network.version: network for network in reversed(interface.networks)}
        if 4 in versions:
            choice.append(str(versions[4].ip))
        if 6 in versions:
            choice.append(interface.index)
    with_6 = any(isinstance(item, int) for item in choice)
    return choice, IPVersion.All if with_6 else IPVersion.V4Only
