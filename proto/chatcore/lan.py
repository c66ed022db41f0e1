"""Nodes announced on the local network: which of them are still to be called.

Each is called until it has answered once, however many links there are; from then on its address is one like
any other. Announcements cost their sender nothing, so there is a bound on how many are taken, and how fast.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chatcore.limits import TokenBucket
from chatcore.rng import Rng

MAX_LAN_NODES = 64
MAX_LAN_ADDRESSES = 4
"""Of one node: a cable, a wireless network, and IPv6 on both."""

CALLS_AT_ONCE = 12
CALLS_PER_S = 0.2
"""New nodes called. Twelve are a full mesh in any room (`full_mesh_below`); after them it only matters that
everybody is called some day, so that parts of a network that know nothing of each other come together."""


@dataclass(slots=True)
class _Announced:
    addresses: list[str]
    """The next to be tried is the first."""

    called: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Calls:
    """One address for each node that has not answered; `more_at` is when others may be called for the first
    time, on the monotonic clock."""

    addresses: list[str]
    more_at: float | None


class Lan:
    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._nodes: dict[tuple[str, ...], _Announced] = {}
        self._bucket = TokenBucket(CALLS_PER_S, CALLS_AT_ONCE, 0.0)

    def __len__(self) -> int:
        return len(self._nodes)

    def handle_discovered(self, nodes: Iterable[tuple[str, ...]]) -> list[str]:
        """Take what is announced now; the addresses that are not any more."""
        before = self._nodes
        self._nodes = {}
        for addresses in nodes:
            if len(self._nodes) < MAX_LAN_NODES and addresses:
                fresh = _Announced(list(addresses[:MAX_LAN_ADDRESSES]))
                self._nodes[addresses] = before.get(addresses, fresh)
        now = {address for node in self._nodes.values() for address in node.addresses}
        return [address for node in before.values() for address in node.addresses if address not in now]

    def call(self, mono: float, linked: Collection[str | None]) -> Calls:
        """Whom to call; `linked` are addresses of those there is a link to, whoever dialled."""
        waiting: list[_Announced] = []
        for node in self._nodes.values():
            node.answered = node.answered or any(address in linked for address in node.addresses)
            if not node.called and not node.answered:
                waiting.append(node)
        # In random order, or everybody would call the same node first.
        for node in self._rng.sample(waiting, len(waiting)):
            node.called = self._bucket.take(mono)
        wanted = [node for node in self._nodes.values() if node.called and not node.answered]
        more = any(not node.called for node in waiting)
        return Calls([node.addresses[0] for node in wanted], mono + 1 / CALLS_PER_S if more else None)

    def handle_answered(self, address: str) -> None:
        for node in self._nodes.values():
            if address in node.addresses:
                node.answered = True

    def handle_failed(self, address: str) -> None:
        """Its other addresses, if there are any, come before it."""
        for node in self._nodes.values():
            if node.addresses[0] == address:
                node.addresses.append(node.addresses.pop(0))
