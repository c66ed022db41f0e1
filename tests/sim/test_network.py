"""The simulated network itself: it keeps order, time and count as the daemon and TCP would."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from chatcore.clock import Now
from chatcore.codec import MAX_BATCH_MESSAGES, encode_message
from chatcore.config import NodeConfig
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.errors import ClosedByPeer
from chatcore.events import (
    CloseLink,
    Committed,
    Dial,
    DialFailed,
    Input,
    JobId,
    LinkDown,
    LinkUp,
    Output,
    Persist,
    PingDue,
    PresenceDue,
    Priority,
    Received,
    Send,
    SetTimer,
    TimerFired,
    Verified,
    Verify,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.messages import Goodbye, Hello, Ihave, LinkMessage, Ping, Pong, Publish
from chatcore.session import SendEncoded
from tests.sim import faults
from tests.sim.attackers import LOBBY, Attacker, forged
from tests.sim.frames import FRAME_OVERHEAD_BYTES, HANDSHAKE_BYTES, frames_of
from tests.sim.hosts import Host, address_of, index_of
from tests.sim.network import LEAST_DELAY_S, MOST_DELAY_S, World, WorldConfig
from tests.support.core import ANN, BOB, hello
from tests.support.core_sessions import credentials, exchange, pair


@dataclass
class Probe:
    """Writes down what comes and when; says nothing unless told."""

    inputs: list[tuple[float, Input]] = field(default_factory=list)
    answers: dict[type, list[Output]] = field(default_factory=dict)
    """What it does on the first input of a type."""

    def handle(self, event: Input, now: Now) -> list[Output]:
        self.inputs.append((now.mono, event))
        return self.answers.pop(type(event), [])

    def of(self, kind: type) -> list[tuple[float, Input]]:
        return [(at, event) for at, event in self.inputs if isinstance(event, kind)]

    @property
    def heard(self) -> list[LinkMessage]:
        return [item for _, event in self.inputs if isinstance(event, Received) for item in event.messages]


def probe(world: World, number: int) -> tuple[Host, Probe]:
    machine = Probe()
    identity = Identity(number.to_bytes(32, "big"))
    host = world.add_machine(identity, machine, Hello(0, (), "main", "sim", 8080, f"p{number}", frozenset()))
    world.start(host)
    return host, machine


def two(
    config: WorldConfig | None = None, seed: int = 1
) -> tuple[World, tuple[Host, Probe], tuple[Host, Probe]]:
    """Two hosts; the first has dialled the second."""
    world = World(seed, config)
    one, other = probe(world, 1), probe(world, 2)
    world.run_for(0.0)
    world.act(one[0], Dial(other[0].address, None))
    world.run_for(1.0)
    return world, one, other


def link_of(machine: Probe) -> LinkId:
    ((_, event),) = machine.of(LinkUp)
    assert isinstance(event, LinkUp)
    return event.link


def say(world: World, host: Host, link: LinkId, *messages: LinkMessage) -> None:
    world.act(host, *[Send((link,), message, Priority.LIVE) for message in messages])


def chat(number: int = 1, size: int = 10) -> Envelope:
    return seal(ANN, LOBBY, number, "ann", Chat("x" * size))


# Addresses and delays


@pytest.mark.parametrize("index", [0, 1, 249, 250, 9_999, 123_456])
def test_address_names_its_host(index: int) -> None:
    assert index_of(address_of(index)) == index


@pytest.mark.parametrize("address", ["example.org:8080", "20.0.0.0:8080", "20.0.0.1:80", "21.0.0.1:8080"])
def test_address_outside_the_network_names_nobody(address: str) -> None:
    assert index_of(address) is None


def test_delays_are_within_bounds_and_the_same_both_ways() -> None:
    world = World(1)
    hosts = [probe(world, number)[0] for number in range(1, 41)]
    delays = [world.delay_s(one, other) for one in hosts for other in hosts if one is not other]
    assert LEAST_DELAY_S <= min(delays) < 0.012
    assert 0.048 < max(delays) <= MOST_DELAY_S
    assert all(world.delay_s(one, other) == world.delay_s(other, one) for one in hosts for other in hosts)
    assert World(2).delay_s(hosts[0], hosts[1]) != world.delay_s(hosts[0], hosts[1])


# Dialling


def test_dial_brings_both_sides_a_link_after_the_round_trips_it_takes() -> None:
    world, (host, caller), (other, called) = two()
    delay_s = world.delay_s(host, other)
    ((there, theirs),) = called.of(LinkUp)
    ((here, ours),) = caller.of(LinkUp)
    assert there == pytest.approx(5 * delay_s)
    assert here == pytest.approx(6 * delay_s)
    assert isinstance(theirs, LinkUp)
    assert isinstance(ours, LinkUp)
    assert (ours.dialled, ours.address, ours.hello.username) == (other.address, other.address, "p2")
    assert (theirs.dialled, theirs.hello.username) == (None, "p1")
    assert theirs.address.partition(":")[0] == host.address.partition(":")[0]
    assert ours.peer_id == other.peer_id
    assert ours.binding == theirs.binding


def test_handshake_counts_the_bytes_that_sessions_write() -> None:
    dialler, listener = pair(credentials(ANN), credentials(BOB), greetings=(hello("ann"), hello("bob")))
    written = 0
    while dialler.written or listener.written:
        for source, target in ((dialler, listener), (listener, dialler)):
            data = source.take()
            written += len(data)
            target.feed(data)
    hellos = [
        frames_of([(Priority.CONTROL, said, encode_message(said))]) for said in (hello("ann"), hello("bob"))
    ]
    assert written == HANDSHAKE_BYTES + sum(FRAME_OVERHEAD_BYTES + len(frames[0][1]) for frames in hellos)


@pytest.mark.parametrize(("silently", "after_s"), [(True, 10.0), (False, 0.1)])
def test_dial_to_the_dead_fails(silently: bool, after_s: float) -> None:
    world = World(1)
    (one, caller), (other, _) = probe(world, 1), probe(world, 2)
    world.run_for(0.0)
    faults.kill(world, [other], silently=silently)
    world.act(one, Dial(other.address, None))
    world.run_for(after_s)
    ((_, event),) = caller.of(DialFailed)
    assert isinstance(event, DialFailed)
    assert event.address == other.address


def test_dial_to_oneself_and_to_nobody_fails() -> None:
    world = World(1)
    one, caller = probe(world, 1)
    world.run_for(0.0)
    world.act(one, Dial(one.address, None), Dial(address_of(77), None))
    world.run_for(10.0)
    failed = [event for _, event in caller.of(DialFailed) if isinstance(event, DialFailed)]
    assert [(event.address, event.error.kind) for event in failed] == [
        (one.address, "self"),
        (address_of(77), "unreachable"),
    ]


def test_dial_that_reaches_somebody_else_fails() -> None:
    world = World(1)
    (one, caller), (other, called) = probe(world, 1), probe(world, 2)
    world.run_for(0.0)
    world.act(one, Dial(other.address, one.peer_id), Dial(other.address, other.peer_id))
    world.run_for(1.0)
    ((at, event),) = caller.of(DialFailed)
    assert at == pytest.approx(4 * world.delay_s(one, other))
    assert isinstance(event, DialFailed)
    assert event.error.kind == "wrong_peer"
    assert len(called.of(LinkUp)) == 1


def test_dial_to_a_host_that_dies_meanwhile_fails_when_the_handshake_is_due() -> None:
    world = World(1)
    (one, caller), (other, _) = probe(world, 1), probe(world, 2)
    world.run_for(0.0)
    world.act(one, Dial(other.address, None))
    world.run_for(0.02)
    faults.kill(world, [other])
    world.run_for(6.0)
    ((at, _),) = caller.of(DialFailed)
    assert at == pytest.approx(5.0)


# Frames


def test_link_keeps_order() -> None:
    world, (host, caller), (_, called) = two()
    link = link_of(caller)
    for number in range(50):
        say(world, host, link, Ping(number))
        world.run_for(0.001)
    world.run_for(1.0)
    assert called.heard == [Ping(number) for number in range(50)]


def test_what_one_turn_says_on_a_link_leaves_as_one_frame_most_urgent_first() -> None:
    world, (host, caller), (_, called) = two()
    link = link_of(caller)
    before = world.tally.traffic.copy()
    said = Publish.of(chat(), 3)
    world.act(
        host,
        Send((link,), Goodbye("later"), Priority.BULK),
        Send((link,), said, Priority.LIVE),
        Send((link,), Ping(1), Priority.CONTROL),
        Send((link,), Ping(2), Priority.CONTROL),
    )
    world.run_for(1.0)
    ((_, event),) = called.of(Received)
    assert isinstance(event, Received)
    assert event.messages == (Ping(1), Ping(2), said, Goodbye("later"))
    spent = world.tally.traffic - before
    assert (spent.frames, spent.messages[Ping], spent.messages[Publish]) == (1, 2, 1)


@pytest.mark.parametrize("sizes", [[10], [10] * 15, [10] * 16, [20_000] * 9, [1] * (MAX_BATCH_MESSAGES + 1)])
def test_frames_count_the_bytes_that_a_session_writes(sizes: Iterable[int]) -> None:
    messages = [Publish.of(seal(ANN, LOBBY, size, "ann", Chat("x" * min(size, 16_000))), 3) for size in sizes]
    items = [(Priority.LIVE, message, encode_message(message)) for message in messages]
    dialler, listener = pair(credentials(ANN), credentials(BOB))
    exchange(dialler, listener)
    dialler.handle(SendEncoded([encoded for *_, encoded in items]))

    frames = frames_of(list(items))

    assert sum(FRAME_OVERHEAD_BYTES + len(plaintext) for _, plaintext in frames) == len(dialler.written)
    assert [message for batch, _ in frames for message in batch] == messages


def test_bytes_are_counted_for_every_link_and_by_type() -> None:
    world = World(1)
    (one, caller), (other, _), (third, _) = (probe(world, number) for number in (1, 2, 3))
    world.run_for(0.0)
    world.act(one, Dial(other.address, None), Dial(third.address, None))
    world.run_for(1.0)
    links = tuple([event.link for _, event in caller.of(LinkUp) if isinstance(event, LinkUp)])
    before = world.tally.traffic.copy()
    world.act(one, Send(links, Ping(7), Priority.CONTROL))
    spent = world.tally.traffic - before
    size = len(encode_message(Ping(7)))
    assert (spent.frames, spent.messages[Ping], spent.message_bytes[Ping]) == (2, 2, 2 * size)
    assert spent.wire_bytes == 2 * (4 + 16 + 1 + size)


def test_send_on_a_closed_link_goes_nowhere() -> None:
    world, (host, caller), (_, called) = two()
    link = link_of(caller)
    world.act(host, CloseLink(link, ClosedByPeer()), Send((link,), Ping(1), Priority.CONTROL))
    say(world, host, link, Ping(2))
    world.run_for(1.0)
    assert called.heard == []


# Ends of links


def test_close_flushes_first_and_both_sides_hear_of_it() -> None:
    world, (host, caller), (other, called) = two()
    link = link_of(caller)
    start = world.now
    world.act(host, Send((link,), Goodbye("bye"), Priority.BULK), CloseLink(link, ClosedByPeer()))
    world.run_for(1.0)
    assert called.heard == [Goodbye("bye")]
    ((here, _),) = caller.of(LinkDown)
    ((there, _),) = called.of(LinkDown)
    assert here == start
    assert there == pytest.approx(start + world.delay_s(host, other))
    assert list(world.open_ends()) == []


def test_silent_death_is_told_to_nobody() -> None:
    world, (host, caller), (other, called) = two()
    say(world, other, link_of(called), Ping(1))
    faults.kill(world, [other])
    say(world, host, link_of(caller), Ping(2))
    world.run_for(60.0)
    assert caller.of(LinkDown) == []
    assert caller.heard == [Ping(1)]  # it was on its way already
    assert called.heard == []


def test_death_of_a_process_closes_its_streams() -> None:
    world, (host, caller), (other, called) = two()
    start = world.now
    faults.kill(world, [other], silently=False)
    world.run_for(1.0)
    ((at, _),) = caller.of(LinkDown)
    assert at == pytest.approx(start + world.delay_s(host, other))
    assert called.of(LinkDown) == []


def test_hole_swallows_both_ways() -> None:
    world, (host, caller), (other, called) = two()
    faults.make_hole(world, host, other)
    say(world, host, link_of(caller), Ping(1))
    say(world, other, link_of(called), Ping(2))
    world.run_for(60.0)
    faults.heal(world)
    world.run_for(60.0)
    assert caller.heard == called.heard == []


def test_split_holds_what_is_said_until_it_heals() -> None:
    world, (host, caller), (other, called) = two()
    faults.split(world, [[host], [other]])
    say(world, host, link_of(caller), Ping(1))
    say(world, host, link_of(caller), Ping(2))
    world.act(host, Dial(other.address, None))
    world.run_for(10.0)
    assert called.heard == []
    assert len(caller.of(DialFailed)) == 1
    faults.heal(world)
    say(world, host, link_of(caller), Ping(3))
    world.run_for(1.0)
    assert called.heard == [Ping(1), Ping(2), Ping(3)]


def test_split_hides_a_close_until_it_heals() -> None:
    world, (host, caller), (other, called) = two()
    faults.split(world, [[host], [other]])
    world.act(host, CloseLink(link_of(caller), ClosedByPeer()))
    world.run_for(10.0)
    assert called.of(LinkDown) == []
    faults.heal(world)
    world.run_for(1.0)
    assert len(called.of(LinkDown)) == 1


def test_paused_host_handles_everything_afterwards_in_order() -> None:
    world, (host, caller), (other, called) = two()
    start = world.now
    world.act(other, SetTimer(PingDue(), start + 0.5))
    faults.pause(world, other, 3.0)
    for number in range(3):
        say(world, host, link_of(caller), Ping(number))
        world.run_for(0.4)
    assert called.heard == []
    world.run_for(3.0)
    late = [(at, event) for at, event in called.inputs if at > start]
    assert {at for at, _ in late} == {start + 3.0}
    assert [type(event) for _, event in late] == [Received, Received, TimerFired, Received]
    assert called.heard == [Ping(0), Ping(1), Ping(2)]


# Timers and slow work


def test_timer_replaces_one_of_the_same_key_only() -> None:
    world = World(1)
    host, machine = probe(world, 1)
    world.act(host, SetTimer(PingDue(), 1.0), SetTimer(PresenceDue(), 1.5), SetTimer(PingDue(), 2.0))
    world.run_for(3.0)
    fired = [(at, event.key) for at, event in machine.of(TimerFired) if isinstance(event, TimerFired)]
    assert fired == [(1.5, PresenceDue()), (2.0, PingDue())]


def test_timer_of_the_past_fires_now() -> None:
    world = World(1)
    host, machine = probe(world, 1)
    world.run_for(5.0)
    world.act(host, SetTimer(PingDue(), 1.0))
    world.run_for(0.0)
    assert machine.of(TimerFired) == [(5.0, TimerFired(PingDue()))]


@pytest.mark.parametrize("slow_s", [0.0, 0.25])
def test_slow_work_is_answered_when_it_is_done(slow_s: float) -> None:
    world = World(1, WorldConfig(verify_s=slow_s, commit_s=slow_s))
    host, machine = probe(world, 1)
    false = forged(world, chat(2))
    world.run_for(1.0)
    world.act(host, Verify(JobId(1), LinkId(1), (chat(1), false)), Persist(JobId(2), (chat(1), chat(3))))
    world.act(host, Persist(JobId(3), (chat(3), chat(4))))
    world.run_for(1.0)
    ((at, checked),) = machine.of(Verified)
    assert at == 1.0 + slow_s
    assert checked == Verified(JobId(1), (True, False))
    stored = [
        [(item.seq, item.envelope.stamp) for item in event.stored]
        for at, event in machine.of(Committed)
        if isinstance(event, Committed) and at == 1.0 + slow_s
    ]
    assert stored == [[(1, 1), (2, 3)], [(3, 4)]]
    assert host.store.known([chat(1).id, chat(9).id]) == {chat(1).id}


# Strangers


def node_and_attacker() -> tuple[World, Host, Attacker]:
    world = World(1, WorldConfig(through_wire=True))
    victim = world.add_node(NodeConfig(username="victim", listen_port=8080))
    world.start(victim)
    attacker = Attacker(world, "mallory")
    attacker.dial(victim)
    world.run_for(1.0)
    return world, victim, attacker


def test_attacker_is_taken_for_a_peer_as_long_as_it_answers_pings() -> None:
    world, victim, attacker = node_and_attacker()
    world.run_for(60.0)
    assert victim.peer_id in attacker.links
    assert any(isinstance(message, Pong | Ping) for message in attacker.heard)


def test_forged_message_costs_its_sender_the_link() -> None:
    world, victim, attacker = node_and_attacker()
    link = attacker.links[victim.peer_id]
    envelope = seal(attacker.identity, LOBBY, world.clock().wall_ms << 16, "mallory", Chat("hi"))
    attacker.send(victim, Publish.of(forged(world, envelope), 5))
    world.run_for(1.0)
    assert attacker.links.get(victim.peer_id) != link
    assert victim.store.known([envelope.id]) == set()


def test_dropper_passes_on_its_own_and_at_most_promises_the_rest() -> None:
    world, (host, caller), (_, called) = two()
    link = link_of(caller)
    own = Publish.of(seal(Identity((1).to_bytes(32, "big")), LOBBY, 1, "p1", Chat("mine")), 3)
    theirs = Publish.of(chat(), 3)
    promise = Ihave((theirs.id[:8],))

    def heard(*, announces: bool) -> list[LinkMessage]:
        called.inputs.clear()
        faults.make_dropper(host, announces=announces)
        for message in (own, theirs):
            world.act(host, Send((link,), message, Priority.LIVE, instead=promise))
        say(world, host, link, Ping(1), Ihave((b"announce",)))
        world.run_for(1.0)
        return called.heard

    assert heard(announces=False) == [own, Ping(1)]
    assert heard(announces=True) == [own, promise, Ping(1), Ihave((b"announce",))]
