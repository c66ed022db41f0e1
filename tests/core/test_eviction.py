"""Who makes way when all places are taken: not whom we chose, nor who is good for something."""

from collections import defaultdict
from collections.abc import Iterable

import pytest

from chatcore.addresses import group_at
from chatcore.config import GossipConfig, LinkConfig
from chatcore.errors import RemoteError
from chatcore.events import BlockPeer, CloseLink, Output
from chatcore.eviction import EVICT_EVERY_S, SAFE, Eviction
from chatcore.ids import LinkId, PeerId
from chatcore.links import OUTBOUND_PART, Link
from chatcore.messages import Goodbye, PeerResponse
from tests.support.core import BOB, Playbook, chat, identity, link_to, of, sent

SECRET = bytes(range(32))
PLACES = 50
CALLERS = PLACES - PLACES // OUTBOUND_PART


# The choice


def callers(count: int, *, one_group: Iterable[int] = ()) -> list[Link]:
    """The first called first; each from a network of its own, but for those of `one_group`."""
    links = Playbook().node.links
    crowd = set(one_group)
    made = [links.make(link_to(identity(number + 1), number + 1), float(number)) for number in range(count)]
    for number, link in enumerate(made):
        link.group = b"crowd" if number in crowd else f"g{number}".encode()
        link.rtt_s = 1.0
    return made


def gone(
    links: list[Link], scores: dict[PeerId, float] | None = None, *, rounds: int, secret: bytes = SECRET
) -> list[Link]:
    """Those that make way one after the other, with nobody coming."""
    eviction, left, went = Eviction(secret), list(links), list[Link]()
    every = defaultdict[PeerId, float](float, scores or {})
    for place in range(rounds):
        link = eviction.make_way(left, every, EVICT_EVERY_S * (1 + place))
        if link is None:
            break
        left.remove(link)
        went.append(link)
    return went


def test_few_callers_are_all_safe() -> None:
    assert gone(callers(2 * SAFE + 1), rounds=1) == []
    assert len(gone(callers(2 * SAFE + 2), rounds=1)) == 1


def test_youngest_of_the_largest_crowd_makes_way() -> None:
    links = callers(42, one_group=range(30, 38))

    assert gone(links, rounds=3) == [links[37], links[36], links[35]]


def test_youngest_makes_way_where_all_are_of_different_networks() -> None:
    links = callers(42)

    (first,) = gone(links, rounds=1)

    assert first.since >= 42 - SAFE - 1


def test_longest_linked_half_is_safe_even_of_a_crowd() -> None:
    links = callers(60, one_group=range(20))

    (first,) = gone(links, rounds=1)

    assert first.since > 20.0


def test_fastest_are_safe() -> None:
    links = callers(42, one_group=range(42))
    fast = links[-SAFE:]
    for link in fast:
        link.rtt_s = 0.001
    links[-SAFE - 1].rtt_s = None  # nobody knows

    went = gone(links, rounds=42)

    assert went[0] is links[-SAFE - 1]
    assert not {link.link for link in fast} & {link.link for link in went}


def test_most_useful_are_safe_and_useless_ones_are_not_for_being_the_least_bad() -> None:
    links = callers(42, one_group=range(42))
    useful = links[-SAFE:]

    went = gone(links, {link.peer_id: 1.0 for link in useful}, rounds=42)
    assert not {link.link for link in useful} & {link.link for link in went}

    bad = {link.peer_id: -1.0 - link.since for link in links}
    assert gone(links, bad, rounds=1) == [links[-1]]


def test_some_networks_are_safe_and_outsiders_cannot_tell_which() -> None:
    links = callers(42)
    for link in links[-12:]:
        link.rtt_s = 2.0

    def stayed(secret: bytes) -> frozenset[LinkId]:
        went = {link.link for link in gone(links, rounds=42, secret=secret)}
        return frozenset(link.link for link in links[-12:] if link.link not in went)

    found = {stayed(bytes([number]) * 32) for number in range(20)}
    assert len(found) > 5


def test_one_makes_way_in_ten_seconds() -> None:
    links, eviction = callers(42), Eviction(SECRET)
    scores = defaultdict[PeerId, float](float)
    assert eviction.make_way(links, scores, 100.0) is not None

    assert eviction.make_way(links, scores, 100.0 + EVICT_EVERY_S - 0.1) is None
    assert eviction.make_way(links, scores, 100.0 + EVICT_EVERY_S) is not None


# The node


def full(most: int = PLACES) -> Playbook:
    """Every place for callers is taken, each by one of a network of its own; none is a neighbour."""
    book = Playbook(link=LinkConfig(max_peers=most))
    for number in range(most - most // OUTBOUND_PART):
        book.wait(1.0)
        book.link_up(identity(100 + number), address=f"20.{number}.0.1:4000", rooms=[])
    return book


def calls(book: Playbook, number: int, address: str = "66.6.6.6:4000") -> list[Output]:
    return book.link_up(identity(1000 + number), address=address, rooms=[])


def errors(outputs: list[Output]) -> list[tuple[LinkId, RemoteError]]:
    return [(output.link, output.error) for output in of(outputs, CloseLink)]


def test_caller_takes_the_place_of_another_who_hears_why() -> None:
    book = full()

    outputs = calls(book, 0)

    ((link, error),) = errors(outputs)
    assert (link == book.newest, error.kind) == (False, "made_way")
    assert sent(outputs, Goodbye) == [
        ((link,), Goodbye("it made way for another peer, as all places are taken"))
    ]
    assert book.node.links.get(book.newest) is not None
    assert len(book.node.links) == CALLERS
    assert book.refused == {}


def test_next_caller_within_ten_seconds_is_turned_away_with_others_to_try() -> None:
    book = full()
    calls(book, 0)

    outputs = calls(book, 1)

    ((link, error),) = errors(outputs)
    assert (link, error.kind) == (book.newest, "full")
    assert len(sent(outputs, PeerResponse)) == 1


def test_place_is_kept_for_those_we_dial() -> None:
    book = full()
    for number in range(PLACES // OUTBOUND_PART):
        book.link_up(identity(500 + number), dialled=f"30.{number}.0.1:8080", rooms=[])

    assert len(book.node.links) == PLACES
    ((_, error),) = errors(book.link_up(identity(600), dialled="31.0.0.1:8080", rooms=[]))
    assert error.kind == "full"


@pytest.mark.parametrize("blocked", [True, False])
def test_nobody_makes_way_for_whom_we_do_not_link_with(blocked: bool) -> None:
    book = full()
    book.settle(book.handle(BlockPeer(book.next_request(), BOB.peer_id, "bob", blocked=blocked)))

    kinds = [error.kind for _, error in errors(book.link_up(BOB, address="66.6.6.6:1", rooms=[]))]

    assert kinds == (["blocked"] if blocked else ["made_way"])


def test_second_link_of_a_peer_makes_nobody_go() -> None:
    book = full()
    book.wait(60.0)

    outputs = book.link_up(identity(100), address="20.0.0.1:4001", rooms=[])

    assert [error.kind for _, error in errors(outputs)] == ["replaced"]


def test_whom_we_dialled_or_chose_stays_though_it_is_the_youngest_of_a_crowd() -> None:
    book = full()
    for link in list(book.node.links)[:2]:
        book.link_down(link.link)
    ours = [
        book.link(identity(500 + n), dialled=f"66.6.0.{n}:1", address=f"66.6.0.{n}:1", rooms=[])
        for n in range(3)
    ]
    ours += [book.neighbour(identity(600 + n), address=f"66.6.1.{n}:4000") for n in range(2)]
    assert set(ours[3:]) <= {link for room in book.node.rooms.values() for link in room.chosen}

    for number in range(30):
        book.wait(EVICT_EVERY_S)
        for link in list(book.node.links):
            link.heard = book.now.mono
        assert calls(book, number)
        assert all(book.node.links.get(link) is not None for link in ours)


def test_flood_of_identities_pushes_out_itself() -> None:
    """Of one network, or of sixteen: whom we dialled, whom we chose, and nearly all others stay."""
    for networks in (1, 16):
        book = Playbook(link=LinkConfig(max_peers=PLACES), gossip=GossipConfig(fanout=4))
        own = [book.link(identity(500 + n), dialled=f"30.{n}.0.1:8080", rooms=[]) for n in range(4)]
        own += [book.neighbour(identity(600 + n), address=f"40.{n}.0.1:4000") for n in range(3)]
        chosen = set().union(*(room.chosen for room in book.node.rooms.values()))
        assert chosen
        honest: list[LinkId] = []
        while not book.node.links.full_for_callers:
            book.wait(1.0)
            honest.append(book.link(identity(100 + len(honest)), address=f"20.{len(honest)}.0.1:1", rooms=[]))
        for number in range(200):
            book.wait(EVICT_EVERY_S)
            for link in list(book.node.links):
                link.heard = book.now.mono
            calls(book, number, f"66.{number % networks}.6.6:4000")

        left = {link.link for link in book.node.links}
        assert chosen | set(own[:4]) <= left
        assert len(set(honest) & left) >= 0.6 * len(honest)


def test_useful_caller_stays_though_it_came_last() -> None:
    book = full()
    book.link_down(next(iter(book.node.links)).link)
    bob = book.link(BOB, address="66.6.6.6:1")
    book.hear(bob, chat(BOB, "news"))
    assert book.node.conduct.score(BOB.peer_id, book.now.mono) > 0

    for number in range(50):
        book.wait(EVICT_EVERY_S)
        calls(book, number, "66.6.7.7:1")

    assert book.node.links.get(bob) is not None


def test_groups_of_links_are_those_of_their_addresses() -> None:
    book = full(12)

    assert {link.group for link in book.node.links} == {group_at(f"20.{n}.0.1:1") for n in range(10)}
