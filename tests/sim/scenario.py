"""What people do in a simulated network: say things, a while apart, and see how far they get."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatcore.codec import encode_message
from chatcore.envelopes import Chat, seal
from chatcore.events import RequestId
from chatcore.identity import Identity
from chatcore.messages import Publish
from tests.sim.attackers import LOBBY
from tests.sim.hosts import Host, rng_for
from tests.sim.network import WALL_START_MS, World
from tests.sim.tally import Traffic, Trail

MESSAGE_BYTES = 300
"""A message of the goal table, as it stands in a frame: text, header, signature."""

SPREADING_S = 5.0
"""Longer than any message is under way."""


def text_of(message_bytes: int = MESSAGE_BYTES) -> str:
    """Such that the Publish around it has about so many bytes."""
    bare = seal(Identity(bytes(32)), LOBBY, WALL_START_MS << 16, "n1234", Chat("x" * 100))
    return "x" * max(1, 100 + message_bytes - len(encode_message(Publish.of(bare, 16))))


def some_authors(world: World, count: int, purpose: str, among: Sequence[int]) -> list[Host]:
    chosen = rng_for(world.seed, purpose).sample(list(among), count)
    return [world.hosts[index] for index in chosen]


def chat(world: World, authors: Sequence[Host], rounds: int, every_s: float = 1.0) -> list[Trail]:
    """Everybody says something in every round, one after the other; returns when all is quiet again."""
    text = text_of()
    requests = []
    for number in range(rounds):
        for place, author in enumerate(authors):
            requests.append(world.say(author, f"{text[6:]}{number:03d}{place:03d}"))
            world.run_for(every_s / len(authors))
    world.run_for(SPREADING_S)
    return trails_of(world, requests)


def trails_of(world: World, requests: Sequence[RequestId]) -> list[Trail]:
    """Raises LookupError when one was never stored at its author: it would else not count as lost."""
    said = world.tally.by_request
    unsaid = [request for request in requests if request not in said]
    if unsaid:
        raise LookupError(f"{len(unsaid)} of {len(requests)} messages were never said")
    return [said[request] for request in requests]


@dataclass(frozen=True, slots=True)
class Window:
    """`quiet` is as long as `busy` and came right before it."""

    trails: list[Trail]
    busy: Traffic
    quiet: Traffic


def measured_chat(world: World, authors: Sequence[Host], rounds: int, every_s: float = 1.0) -> Window:
    start = world.tally.traffic.copy()
    world.run_for(rounds * every_s + SPREADING_S)
    middle = world.tally.traffic.copy()
    trails = chat(world, authors, rounds, every_s)
    return Window(trails, world.tally.traffic - middle, middle - start)
