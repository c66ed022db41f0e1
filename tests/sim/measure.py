"""From trails to figures: how many got a message, when, over how many links, in how many copies."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tests.sim.network import MEAN_DELAY_S, World
from tests.sim.tally import NEVER, Traffic, Trail


@dataclass(frozen=True, slots=True)
class Spread:
    """One message among those who count, its author left out. Times in seconds since it was said."""

    delivered: float
    """Share, 0 to 1."""

    times: tuple[float, ...]
    """Sorted, one for everybody who got it."""

    copies: float
    """Publish messages received, per node."""

    copies_by_node: tuple[int, ...]
    hops: tuple[int, ...]
    """Links the first copy travelled, for everybody whom one reached."""

    @property
    def last_s(self) -> float:
        return self.times[-1] if self.times else float("inf")

    def within(self, seconds: float) -> float:
        """The share that had it so soon."""
        return self.delivered * sum(time <= seconds for time in self.times) / max(1, len(self.times))


def spread_of(trail: Trail, among: Collection[int]) -> Spread:
    """`among` are indexes of hosts: those alive and honest."""
    others = [index for index in among if index != trail.author and index < len(trail.times)]
    times = sorted(trail.times[index] - trail.said_at for index in others if trail.times[index] != NEVER)
    copies = tuple([trail.copies[index] for index in others])
    return Spread(
        delivered=len(times) / max(1, len(others)),
        times=tuple(times),
        copies=sum(copies) / max(1, len(others)),
        copies_by_node=copies,
        hops=tuple([trail.hops[index] for index in others if trail.hops[index]]),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the least that is not below `share` of them; infinite for none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("inf")


def merged_times(spreads: Iterable[Spread]) -> list[float]:
    return sorted(time for spread in spreads for time in spread.times)


def in_delays(seconds: float) -> float:
    """In mean one-way delays (OWD)."""
    return seconds / MEAN_DELAY_S


def bytes_per_node_and_message(window: Traffic, quiet: Traffic, nodes: int, messages: int) -> float:
    """What `messages` messages cost on the wire beyond what an equally long quiet window does."""
    return (window.wire_bytes - quiet.wire_bytes) / (nodes * messages)


def by_type(window: Traffic, nodes: int, messages: int) -> dict[str, float]:
    """Messages of each type, per node and tracked message."""
    return {kind.__name__: count / (nodes * messages) for kind, count in sorted_types(window.messages)}


def sorted_types(counts: Counter[type]) -> list[tuple[type, int]]:
    return sorted(counts.items(), key=lambda item: item[0].__name__)


def alive(world: World) -> list[int]:
    return [host.index for host in world.hosts if host.up and host.node is not None]


def honest(world: World) -> list[int]:
    """Alive, and passing on what comes."""
    return [index for index in alive(world) if world.hosts[index].twist is None]
