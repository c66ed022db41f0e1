"""What a row gives, and how figures are made of many messages."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tests.sim.measure import Spread
from tests.sim.overlay import Plan

CURVE_STEP_S = 0.0025
CURVE_POINTS = 200


@dataclass(slots=True)
class Result:
    """`figures` are by the names in `goals.py`; `curves` are for plots, `notes` for the curious."""

    figures: dict[str, float]
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
    events: int = 0
    trace: str = ""


def one_trace(traces: Iterable[str]) -> str:
    """Of a row that runs several worlds."""
    return hashlib.blake2b("".join(traces).encode(), digest_size=16).hexdigest()


def with_fanout(plan: Plan, fanout: int) -> Plan:
    return replace(plan, gossip=replace(plan.gossip, fanout=fanout))


def delivery_curve(spreads: Sequence[Spread]) -> list[tuple[float, float]]:
    """(seconds since it was said, percent that have it), over all messages."""
    steps = [CURVE_STEP_S * number for number in range(CURVE_POINTS + 1)]
    return [(step, 100 * mean([item.within(step) for item in spreads])) for step in steps]


def histogram(values: Iterable[int]) -> list[tuple[float, float]]:
    """(value, percent of all)."""
    counts = Counter(values)
    return [(float(value), 100 * count / counts.total()) for value, count in sorted(counts.items())]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
