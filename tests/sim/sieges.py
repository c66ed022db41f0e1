"""Many strangers against one node: they beg, and bring news, until it should have lost its own choices."""

from dataclasses import replace

from chatcore.clock import Now
from chatcore.events import Input, Output, Send
from chatcore.ids import LinkId
from chatcore.membership import URGENT_EVERY_S
from chatcore.messages import SHORT_ID_BYTES, Disconnect, Ihave, Neighbor, NeighborReply
from tests.sim.attackers import LOBBY, Attacker
from tests.sim.hosts import Host
from tests.sim.network import World
from tests.sim.overlay import Plan, active_links, bring_up, chosen_links, end_mixing
from tests.sim.results import Result, one_trace

NODES = 30
SETTLE_S = 90.0
"""Mixed first, so that everybody has guests and could lose them; not later: then a choice gone is lost."""

SIEGES = 200
"""Worlds for every seed: five seeds make 1,000."""

ATTACKERS = 20
ROUNDS = 10
BATCH = 50
"""20 attackers x 10 rounds x 50 make 10,000 requests."""

ROUND_S = URGENT_EVERY_S + 0.1
"""In every round somebody may be pushed out."""

NEWS_EVERY = 4
"""In each round one attacker of so many brings news, in turn."""

DIAL_S = 0.5
"""Of a round: enough for a handshake."""


def small_world(plan: Plan) -> Plan:
    return replace(plan, seed=plan.seed * SIEGES, nodes=NODES, join_s=5.0, settle_s=SETTLE_S)


def begged(world: World, plan: Plan) -> Result:
    """Once in each of many small worlds, of which `world` is the first."""
    events, lost, let_go, requests, answered, taken, traces = 0, 0, 0, 0, 0, 0.0, []
    for number in range(SIEGES):
        if number:
            world = bring_up(replace(plan, seed=plan.seed + number))
        end_mixing(world)
        victim = world.hosts[number % NODES]
        before = chosen_links(victim)
        watch = Watch(victim)
        siege = _Siege(world, victim)
        siege.run()
        gone = before.difference(active_links(victim))
        taken_away = {link for link in gone if link in watch.given_up or link not in victim.ends}
        lost += len(taken_away)
        let_go += len(gone) - len(taken_away)
        strangers = {attacker.host for attacker in siege.all}
        active = [victim.ends[link].other.host in strangers for link in active_links(victim)]
        taken = max(taken, sum(active) / max(1, len(active)))
        answered += sum(isinstance(message, NeighborReply) for item in siege.all for message in item.heard)
        requests += siege.requests
        events += world.events
        traces.append(world.trace)
    figures = {
        "lost": lost,
        "let_go": let_go,
        "taken": 100 * taken,
        "requests": requests / SIEGES,
        "answered": answered / SIEGES,
    }
    return Result(figures, events=events, trace=one_trace(traces))


class Watch:
    """Runs a host's node, and hears which neighbours it lets go of. A neighbour may let go of it, too: honest
    nodes ask each other urgently when the news of a siege reaches them late."""

    def __init__(self, victim: Host) -> None:
        assert victim.node is not None
        self._node = victim.node
        self.given_up: set[LinkId] = set()
        victim.machine = self

    def handle(self, event: Input, now: Now) -> list[Output]:
        outputs = self._node.handle(event, now)
        for output in outputs:
            if isinstance(output, Send) and isinstance(output.message, Disconnect):
                self.given_up.update(output.links)
        return outputs


class _Siege:
    """Who is let go of for what it did comes back as somebody else: keys cost nothing."""

    def __init__(self, world: World, victim: Host) -> None:
        self._world = world
        self._victim = victim
        self.all: list[Attacker] = []
        self.requests = 0

    def run(self) -> None:
        crowd = [self._another() for _ in range(ATTACKERS)]
        for place in range(ROUNDS):
            crowd = [item if self._is_linked(item) else self._another() for item in crowd]
            for attacker in crowd:
                if not self._is_linked(attacker):
                    attacker.dial(self._victim)
            self._world.run_for(DIAL_S)
            for number, (attacker, other) in enumerate(zip(crowd, [*crowd[1:], crowd[0]], strict=True)):
                if self._is_linked(attacker):
                    self._beg(attacker)
                    if number % NEWS_EVERY == place % NEWS_EVERY:
                        self._tell(attacker, other, place)
            self._world.run_for(ROUND_S - DIAL_S)

    def _another(self) -> Attacker:
        self.all.append(Attacker(self._world, f"m{len(self.all)}"))
        return self.all[-1]

    def _is_linked(self, attacker: Attacker) -> bool:
        return self._victim.peer_id in attacker.links

    def _beg(self, attacker: Attacker) -> None:
        self.requests += BATCH
        attacker.send(self._victim, *[Neighbor(LOBBY, urgent=number % 2 == 0) for number in range(BATCH)])

    def _tell(self, attacker: Attacker, other: Attacker, place: int) -> None:
        """What would make a good neighbour: news, its own and others', that nobody else has."""
        news = other.write(f"told {place}", self._world.clock())
        attacker.hoard[news.id[:SHORT_ID_BYTES]] = news
        own = attacker.write(f"own {place}", self._world.clock())
        attacker.send(self._victim, own, Ihave((news.id[:SHORT_ID_BYTES],)))
