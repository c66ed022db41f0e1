"""From Dial to LinkUp on both sides, or to DialFailed, in the time that TCP and the handshake take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcore.addresses import host_at
from chatcore.codec import encode_message
from chatcore.config import LinkConfig
from chatcore.errors import HandshakeFailed, RemoteError, SelfDialed, Unreachable, WrongPeer
from chatcore.events import Dial, DialFailed, LinkUp, Priority
from tests.sim.frames import FRAME_OVERHEAD_BYTES, HANDSHAKE_BYTES, HANDSHAKE_FRAMES, frames_of
from tests.sim.hosts import End, Host, caller_address

if TYPE_CHECKING:
    from tests.sim.network import World

DIAL_TIMEOUT_S = 10.0
"""As in the daemon: nobody says that nobody is there."""

HANDSHAKE_TIMEOUT_S = LinkConfig().handshake_s

SELF_DIAL_S = 0.001

LISTENER_DELAYS = 5
"""SYN, SYN-ACK, frames 1, 2 and 3: with the dialler's hello behind frame 3 the listener's link is up. Its
own hello takes one delay more, so the dialler's link is up after three round trips."""


DIALLER_DELAYS = 4
"""Until frame 2 tells the dialler who is there."""


def dial(world: "World", dialler: Host, output: Dial) -> None:
    address, expected = output.address, output.expected
    target = world.at_address(address)
    if target is dialler:
        _fail(world, dialler, output, SelfDialed(), SELF_DIAL_S)
    elif target is None or target.silent or target.side != dialler.side:
        unreachable = Unreachable(f"no answer within {DIAL_TIMEOUT_S:.0f} s")
        _fail(world, dialler, output, unreachable, DIAL_TIMEOUT_S)
    else:
        delay_s = world.delay_s(dialler, target)
        if target.up and expected not in {None, target.peer_id}:
            _fail(world, dialler, output, WrongPeer("somebody else is there"), DIALLER_DELAYS * delay_s)
        elif target.up:
            call = Call(world, dialler, target, output, delay_s, world.now)
            world.call_at(world.now + LISTENER_DELAYS * delay_s, call.arrive)
        else:
            refused = Unreachable("connection refused: nobody listens there")
            _fail(world, dialler, output, refused, 2 * delay_s)


@dataclass(frozen=True, slots=True)
class Call:
    """A connection before either side has a link."""

    world: "World"
    dialler: Host
    target: Host
    output: Dial
    delay_s: float
    since: float

    def arrive(self) -> None:
        """Frame 3 and the dialler's hello are with the one who was called."""
        world, target = self.world, self.target
        if not self.dialler.up:
            return
        deadline = self.since + HANDSHAKE_TIMEOUT_S
        if not target.up or target.side != self.dialler.side or target.paused_until > deadline:
            error = HandshakeFailed(f"no handshake within {HANDSHAKE_TIMEOUT_S:.0f} s")
            _fail(world, self.dialler, self.output, error, max(0.0, deadline - world.now))
        elif target.paused_until > world.now:
            world.call_at(target.paused_until, self.arrive)
        else:
            self._link()

    def _link(self) -> None:
        address = self.output.address
        ours = End(self.dialler, address, self.delay_s)
        theirs = End(self.target, None, self.delay_s)
        ours.other, theirs.other = theirs, ours
        theirs.last = self.world.now
        ours.last = self.world.now + self.delay_s
        _count_handshake(self.world, ours, theirs)
        binding = self.world.new_binding()
        for end, other_end, delay_s in (
            (theirs, caller_address(self.dialler), 0.0),
            (ours, address, self.delay_s),
        ):
            host, other = end.host, end.other.host
            host.ends[end.link] = end
            told = host.hello().rooms
            event = LinkUp(
                end.link,
                other.peer_id,
                other.hello(),
                other_end,
                end.dialled,
                told,
                binding,
                host_at(host.address),
            )
            self.world.post(host, event, delay_s)


def _count_handshake(world: "World", *ends: End) -> None:
    traffic = world.tally.traffic
    traffic.frames += HANDSHAKE_FRAMES
    traffic.wire_bytes += HANDSHAKE_BYTES
    for end in ends:
        hello = end.host.hello()
        encoded = encode_message(hello)
        ((_, plaintext),) = frames_of([(Priority.CONTROL, hello, encoded)])
        traffic.frames += 1
        traffic.wire_bytes += FRAME_OVERHEAD_BYTES + len(plaintext)
        traffic.messages[type(hello)] += 1
        traffic.message_bytes[type(hello)] += len(encoded)


def _fail(world: "World", dialler: Host, output: Dial, error: RemoteError, delay_s: float) -> None:
    world.post(dialler, DialFailed(output.address, error, output.expected), delay_s)
