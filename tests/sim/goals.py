"""Every figure of the table: what it is called, and what the design promises for it."""

from dataclasses import dataclass

TABLE_NODES = (50, 500, 5_000, 10_000)


@dataclass(frozen=True, slots=True)
class Figure:
    """`goals` maps a number of nodes to the goal from there down to the next; None promises nothing."""

    row: str
    name: str
    title: str
    unit: str = ""
    goals: dict[int, float] | None = None
    at_most: bool = True
    digits: int = 2

    def goal(self, nodes: int) -> float | None:
        if self.goals is None:
            return None
        return self.goals[min((size for size in self.goals if size >= nodes), default=max(self.goals))]

    def is_met(self, value: float, nodes: int) -> bool | None:
        goal = self.goal(nodes)
        if goal is None:
            return None
        return value <= goal if self.at_most else value >= goal


def _each(*goals: float) -> dict[int, float]:
    return dict(zip(TABLE_NODES, goals, strict=True))


def _all(goal: float) -> dict[int, float]:
    return {max(TABLE_NODES): goal}


def _least(row: str, name: str, title: str, goal: float) -> Figure:
    return Figure(row, name, title, "%", _all(goal), at_most=False, digits=3)


FIGURES = (
    _least("spread", "delivered", "delivered, no faults", 100),
    Figure("spread", "copies_known", "copies per node, known author, r=2", "", _all(2.1)),
    Figure("lean", "copies_known", "copies per node, known author, r=1", "", _all(1.1)),
    _least("lean", "delivered", "delivered, r=1", 100),
    Figure("spread", "copies_unknown", "copies per node, unknown author", "", _all(7.1)),
    Figure("spread", "last_owd", "last delivery", "OWD", _each(3.2, 4.2, 5.5, 6.2)),
    Figure("spread", "slowest_owd", "  of the slowest message", "OWD"),
    Figure("spread", "floor_owd", "  by the fastest paths of the overlay", "OWD"),
    Figure("spread", "p50_ms", "delivery, p50", "ms", digits=0),
    Figure("spread", "p99_ms", "delivery, p99", "ms", digits=0),
    Figure("spread", "hops", "most hops", "", _each(6, 9, 12, 13), digits=0),
    Figure("spread", "wire_bytes", "wire bytes per node and 300 B message", "B", _all(900), digits=0),
    Figure("spread", "quiet_bytes_s", "wire bytes per node and second when quiet", "B", digits=0),
    Figure("spread", "degree", "neighbours per node", "", digits=1),
    Figure("spread", "parts", "parts of the overlay", "", _all(1), digits=0),
    _least("kill30", "at_kill", "30% killed: delivered of what was said then", 100),
    _least("kill30", "later", "30% killed: delivered from 5 s after detection", 100),
    Figure("kill30", "later_p99_ms", "30% killed: p99 once detected", "ms", _all(500), digits=0),
    _least("kill50", "at_once", "50% killed: delivered at once", 99),
    _least("kill50", "later", "50% killed: delivered from 5 s after detection", 100),
    Figure("kill50", "later_p99_ms", "50% killed: p99 once detected", "ms", digits=0),
    _least("kill80", "later", "80% killed: delivered from 5 s after detection", 100),
    _least("kill80", "repaired", "80% killed: held by every survivor after repair", 100),
    Figure("kill80", "later_p99_ms", "80% killed: p99 once detected", "ms", digits=0),
    Figure("split", "bridged_s", "split for 60 s: bridged after", "s", _all(1.0)),
    Figure("split", "equal_s", "split for 60 s: histories equal after that", "s", _all(2.0)),
    Figure("split", "copies", "split for 60 s: copies per healed message", "", _all(4.0)),
    Figure("split6", "bridged_s", "6 nodes split: bridged after", "s", _all(36.0)),
    Figure("split6", "equal_s", "6 nodes split: histories equal after that", "s", _all(2.0)),
    Figure("split6", "copies", "6 nodes split: copies per healed message", "", _all(4.0)),
    Figure("sizes", "bytes", "10,000 messages, 100 missing: bytes to find out", "B", _all(10_000), digits=0),
    Figure("sizes", "messages", "  comparisons and their answers", "", _all(4), digits=0),
    Figure("sizes", "both_bytes", "  bytes with what the other side asks", "B", digits=0),
    Figure("sizes", "equal_bytes", "equal histories: bytes of a comparison", "B", _all(64), digits=0),
    _least("drop20", "delivered", "20% drop silently: delivered", 100),
    Figure("drop20", "p99_ms", "20% drop silently: p99", "ms", _all(320), digits=0),
    _least("lie20", "delivered", "20% announce and never deliver: delivered", 100),
    Figure("lie20", "p99_ms", "20% announce and never deliver: p99", "ms", digits=0),
    _least("drop50", "delivered", "50% drop silently, active view 12: delivered", 100),
    Figure("drop50", "p99_ms", "50% drop silently, active view 12: p99", "ms", _all(400), digits=0),
    Figure("forged", "lost", "10,000 forged requests: own choices lost", "", _all(0), digits=0),
    Figure("forged", "taken", "10,000 forged requests: active view taken", "%", digits=0),
    Figure("presence", "heard_s", "presence, 30 min: refreshes heard at a node", "/s", _all(4)),
    Figure("presence", "missed", "  alive, and taken off a roster", "", _all(0), digits=0),
    Figure("presence", "crashed_s", "  crashed, and off every roster after", "s", _all(60), digits=1),
    Figure(
        "presence", "crashed_least_s", "  the same, off the first", "s", _all(30), at_most=False, digits=1
    ),
    Figure("presence", "left_s", "  said so, and off every roster after", "s", _all(1)),
    Figure("presence", "newcomer_s", "  newcomer knows everybody after", "s", _all(2)),
    Figure("crowd", "heard_s", "24 h, 1,000 present: refreshes heard, 10 min", "/s", _all(4)),
    Figure("crowd", "busiest_s", "  the same in the busiest minute", "/s"),
    Figure("crowd", "missed", "  alive, and taken off a roster", "", _all(0), digits=0),
    Figure("crowd", "kept", "  crashed or left, and still on a roster", "", _all(0), digits=0),
    Figure("crowd", "crashed_s", "  crashed, and off every roster after", "s", _all(975), digits=0),
    Figure("poison", "dials_1", "50,000 poisoned addresses of 1 group: of dials", "%", _all(10), digits=1),
    Figure("poison", "dials_4", "  of 4 groups", "%", _all(27), digits=1),
    Figure("poison", "dials_16", "  of 16 groups", "%", _all(45), digits=1),
    Figure("forged", "let_go", "10,000 forged requests: neighbours that let go of it", "", digits=0),
    Figure("forged", "requests", "10,000 forged requests: sent", "", digits=0),
    Figure("forged", "answered", "10,000 forged requests: answered", "", digits=0),
)
