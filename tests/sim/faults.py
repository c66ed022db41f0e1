"""What goes wrong: hosts die, paths vanish, networks split, nodes do not pass things on."""

from collections.abc import Iterable, Sequence
from functools import partial

from chatcore.errors import ClosedByPeer
from chatcore.events import Send
from chatcore.messages import Ihave, LinkMessage, Publish
from tests.sim.hosts import End, Host, rng_for
from tests.sim.network import CLOSED, World


def some(world: World, share: float, purpose: str, *, spare: Iterable[Host] = ()) -> list[Host]:
    """A random share of the hosts that are up, never one of `spare`."""
    up = [host for host in world.hosts if host.up]
    kept = set(spare)
    choice = [host for host in up if host not in kept]
    return rng_for(world.seed, purpose).sample(choice, min(len(choice), round(share * len(up))))


def kill(world: World, hosts: Iterable[Host], *, silently: bool = True) -> None:
    """Silently: the machine is gone, and only pings tell. Otherwise its system closes every stream."""
    for host in hosts:
        host.up = False
        host.silent = silently
        host.timers.clear()
        host.backlog.clear()
        for end in host.ends.values():
            end.up = False
            if not silently:
                world.transmit(end.other, CLOSED, ClosedByPeer())


def make_hole(world: World, one: Host, other: Host) -> None:
    """Whatever the two send each other from now on is lost, and neither is told."""
    for end in one.ends.values():
        if end.other.host is other:
            for side in (end, end.other):
                side.blocked = side.hole = True


def split(world: World, parts: Sequence[Iterable[Host]]) -> None:
    """Nothing passes between the parts. Hosts in none of them stay with the first."""
    for side, part in enumerate(parts):
        for host in part:
            host.side = side
    for end in _all_ends(world):
        end.blocked = end.hole or end.host.side != end.other.host.side


def heal(world: World) -> None:
    """The parts are one again; what TCP still holds for a link that lives gets through, in order."""
    for host in world.hosts:
        host.side = 0
    for end in _all_ends(world):
        end.blocked = end.hole
        held, end.held = end.held, []
        for item in held:
            world.transmit(end, *item)


def _all_ends(world: World) -> list[End]:
    """Also of links that one side has given up already."""
    near = {end: None for host in world.hosts for end in host.ends.values()}
    return list(near | {end.other: None for end in near})


def pause(world: World, host: Host, seconds: float) -> None:
    """Its event loop stalls: whatever comes waits, timers too, and is handled in order afterwards."""
    host.paused_until = max(host.paused_until, world.now + seconds)
    world.call_at(host.paused_until, partial(world.resume, host))


def make_dropper(host: Host, *, announces: bool = False) -> None:
    """It takes everything in and passes on nothing but its own; or, if it `announces`, only promises to."""
    host.twist = partial(_promise if announces else _swallow, host)


def _swallow(host: Host, output: Send) -> LinkMessage | None:
    message = output.message
    if isinstance(message, Ihave) or (isinstance(message, Publish) and not _wrote(host, message)):
        return None
    return message


def _promise(host: Host, output: Send) -> LinkMessage | None:
    message = output.message
    return output.instead if isinstance(message, Publish) and not _wrote(host, message) else message


def _wrote(host: Host, message: Publish) -> bool:
    return host.public_key in message.payload[:_HEADER_BYTES]


_HEADER_BYTES = 80
"""An envelope's payload opens with kind, room and author: 5 + 2 x 34 bytes at most."""
