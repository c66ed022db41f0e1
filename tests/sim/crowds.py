"""A day in a room of a thousand: real rosters and pauses, and nothing else of a node.

Between the machines there is no network: what one says, all hear a moment later. What a real one makes of
presence is measured where it is small enough; here it is about the thousand and the day.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chatcore.clock import COUNTER_BITS
from chatcore.config import PresenceConfig
from chatcore.envelopes import Announce, Body, Envelope, Join, Leave, message_id
from chatcore.events import Movement
from chatcore.ids import PeerId
from chatcore.presence import Passage, Presence, pause_s
from chatcore.rng import Rng
from tests.sim.attackers import LOBBY
from tests.sim.hosts import rng_for
from tests.sim.network import WALL_START_MS, World
from tests.sim.overlay import Plan
from tests.sim.results import Result, one_trace

MEMBERS = 1000
WATCHERS = 20
"""Have a roster each. The others only speak: their rosters would all be of the same size, as everybody hears
everybody, so how often they speak is taken from a watcher's."""

DAY_S = 86_400.0
COMING_S = 60.0
SPREADING_S = 0.3
LOOK_S = 15.0
"""As often as a node looks who has gone silent."""

MINUTE_S = 60.0
SETTLED_MIN = 20
"""From then on everybody speaks as often as a room of this size has it."""

EVERY_S = 3600.0
"""So often one crashes, one leaves, and two come."""


@dataclass(slots=True)
class Crowd:
    """`heard` counts what each watcher heard in each minute; all of them hear the same."""

    rng: Rng
    watchers: list[Presence]
    speaking: list[tuple[float, int]] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)
    crashed: dict[PeerId, float] = field(default_factory=dict)
    left: set[PeerId] = field(default_factory=set)
    heard: list[int] = field(default_factory=list)
    said: int = 0
    missed: int = 0
    removed: int = 0
    latest_s: float = 0.0
    """Of those that crashed, how long the last was on a roster yet."""

    def come(self, who: int, at: float) -> None:
        self.say(who, Join(), at)
        heapq.heappush(self.speaking, (at + pause_s(self._interval_s, self.rng), who))

    def speak(self) -> None:
        at, who = heapq.heappop(self.speaking)
        if who not in self.silent:
            self.say(who, Announce(self._interval_s), at)
            heapq.heappush(self.speaking, (at + pause_s(self._interval_s, self.rng), who))

    @property
    def _interval_s(self) -> int:
        return self.watchers[0].interval_s

    def say(self, who: int, body: Body, at: float) -> None:
        peer, envelope = peer_of(who), envelope_of(who, body, at, self.said)
        self.said += 1
        if isinstance(body, Announce):
            minute = int(at / MINUTE_S)
            self.heard += [0] * (minute + 1 - len(self.heard))
            self.heard[minute] += 1
        for watcher in self.watchers:
            passage = watcher.handle_envelope(peer, envelope, at + SPREADING_S)
            if passage is not None:
                self.note(passage, at)

    def look(self, at: float) -> None:
        for watcher in self.watchers:
            for passage in watcher.reap(at):
                self.note(passage, at)

    def note(self, passage: Passage, at: float) -> None:
        if passage.movement is not Movement.LOST:
            self.removed += passage.movement is Movement.LEFT
        elif passage.peer_id in self.crashed:
            self.removed += 1
            self.latest_s = max(self.latest_s, at - self.crashed[passage.peer_id])
        else:
            self.missed += 1

    def lose(self, who: int, at: float) -> None:
        self.silent.add(who)
        self.crashed[peer_of(who)] = at

    def leave(self, who: int, at: float) -> None:
        self.silent.add(who)
        self.left.add(peer_of(who))
        self.say(who, Leave(), at)


def peer_of(who: int) -> PeerId:
    return PeerId(who.to_bytes(32, "big"))


def envelope_of(who: int, body: Body, at: float, number: int) -> Envelope:
    """As it would come out of the signature check."""
    stamp = (WALL_START_MS + int(at * 1000) << COUNTER_BITS) + number % 2**COUNTER_BITS
    payload = number.to_bytes(120, "big")
    return Envelope(
        message_id(payload), LOBBY, who.to_bytes(32, "big"), stamp, f"n{who}", body, False, payload, bytes(64)
    )


def thousand(plan: Plan) -> Plan:
    """Brings nothing up: the crowd is made where it is measured."""
    return replace(plan, nodes=1, join_s=0.0, settle_s=0.0)


def crowded(world: World, plan: Plan) -> Result:
    crowd = a_day(plan.seed)
    minutes = crowd.heard[SETTLED_MIN:]
    silence_s = 3 * crowd.watchers[0].interval_s
    figures = {
        "heard_s": max(_sliding(minutes, 10)) / MINUTE_S,
        "busiest_s": max(minutes) / MINUTE_S,
        "missed": float(crowd.missed),
        "kept": float(WATCHERS * (len(crowd.crashed) + len(crowd.left)) - crowd.removed),
        "crashed_s": crowd.latest_s,
        "silence_s": float(silence_s),
    }
    return Result(figures, events=crowd.said, trace=one_trace(map(str, crowd.heard)))


def _sliding(counts: list[int], width: int) -> list[float]:
    """Means over so many minutes in a row."""
    return [sum(counts[at : at + width]) / width for at in range(len(counts) - width + 1)]


def a_day(seed: int, *, members: int = MEMBERS, seconds: float = DAY_S) -> Crowd:
    rng = rng_for(seed, "a crowd")
    crowd = Crowd(rng, [Presence(PresenceConfig()) for _ in range(WATCHERS)])
    coming = [(COMING_S * who / members, who) for who in range(members)]
    for at, what, who in _in_order(coming, members, seconds, rng):
        while crowd.speaking and crowd.speaking[0][0] <= at:
            crowd.speak()
        match what:
            case "come":
                crowd.come(who, at)
            case "crash":
                crowd.lose(who, at)
            case "leave":
                crowd.leave(who, at)
            case _:
                crowd.look(at)
    return crowd


def _in_order(
    coming: list[tuple[float, int]], members: int, seconds: float, rng: Rng
) -> Iterator[tuple[float, str, int]]:
    """What happens beside people saying that they are there. The last two hours nobody goes."""
    events = [(at, "come", who) for at, who in coming]
    events += [(LOOK_S * number, "look", 0) for number in range(int(seconds / LOOK_S) + 1)]
    goers = iter(rng.sample(range(members), members))
    newcomer = members
    for hour in range(1, int(seconds / EVERY_S) - 1):
        at = hour * EVERY_S + 0.5
        events += [(at, "crash", next(goers)), (at, "leave", next(goers))]
        events += [(at + 1, "come", newcomer), (at + 2, "come", newcomer + 1)]
        newcomer += 2
    return iter(sorted(events))
