"""Active neighbours in a room: chosen, asked, admitted, lost, and mixed; and what nobody can take from us."""

import random
from collections.abc import Iterable

import pytest

from chatcore.config import GossipConfig, LinkConfig
from chatcore.errors import Unreachable, WrongPeer
from chatcore.events import Dial, DialFailed, Output, SetTimer, ShuffleDue
from chatcore.ids import LinkId
from chatcore.links import Link, Links
from chatcore.membership import (
    ASK_AGAIN_S,
    SAMPLE,
    URGENT_EVERY_S,
    Membership,
)
from chatcore.messages import (
    Disconnect,
    MembershipMessage,
    Neighbor,
    NeighborReply,
    PeerRequest,
    PeerResponse,
    Rooms,
    Shuffle,
    ShuffleReply,
)
from chatcore.passiveview import MAX_OF_ONE_TELLER, MAX_PASSIVE
from chatcore.peers import MAX_SPARES, SPARE_AFTER_S
from chatcore.records import Named, PeerRecord
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    START,
    WINE,
    Playbook,
    identity,
    link_to,
    of,
    one,
    sent,
    signed,
)

OVERLAY = GossipConfig(full_mesh_below=0)
CHOICES = 5
"""At a fanout of 8: half of it, and one more as long as there are no guests."""

GUESTS = 5
TELLER = b"group"


def records(*numbers: int) -> tuple[PeerRecord, ...]:
    return tuple(signed(identity(n), f"192.0.2.7:{n}") for n in numbers)


class Hood:
    """One room's views, and the links it may use: peer `identity(n)` is at link n."""

    def __init__(self, config: GossipConfig = OVERLAY, *, seed: int = 1) -> None:
        rng = random.Random(seed)
        self.now = START.mono
        self.links = Links(LinkConfig(), ANN.peer_id, rng)
        self.membership = Membership(LOBBY, config, self.links, own=ANN.peer_id, rng=rng, mono=self.now)

    def link(self, *numbers: int) -> None:
        for number in numbers:
            up = link_to(identity(number), number, dialled=f"192.0.2.7:{number}")
            self.links.add(up, self.now).records = records(number)

    def at(self, number: int) -> Link:
        link = self.links.get(LinkId(number))
        assert link is not None
        return link

    def hear(self, number: int, message: MembershipMessage) -> list[Output]:
        return self.membership.on_message(self.at(number), message, self.now)

    def lose(self, number: int) -> None:
        link = self.at(number)
        self.links.remove(link.link)
        self.membership.handle_link_gone(link)

    def fill(self) -> tuple[set[int], tuple[PeerRecord, ...]]:
        """The peers it asks, and those it wants a link to."""
        outputs, wanted = self.membership.fill(self.now)
        return {link for links, _ in sent(outputs, Neighbor) for link in links}, tuple(
            item.record for item in wanted
        )

    def accept(self, numbers: Iterable[int]) -> list[Output]:
        yes = NeighborReply(LOBBY, accepted=True, members=())
        return [output for number in numbers for output in self.hear(number, yes)]

    def choose(self) -> set[int]:
        asked, _ = self.fill()
        self.accept(asked)
        assert asked <= self.active
        return asked

    def request(self, number: int, *, urgent: bool = False) -> bool:
        """Whether a peer that asks is taken."""
        outputs = self.hear(number, Neighbor(LOBBY, urgent))
        ((links, reply),) = sent(outputs, NeighborReply)
        assert links == (number,)
        assert reply.accepted == (number in self.active)
        return reply.accepted

    def fetched(self, number: int) -> list[Output]:
        return self.membership.handle_fetched(self.at(number), self.now)

    def shuffle(self) -> list[Output]:
        return self.membership.handle_shuffle_due(self.now)

    @property
    def active(self) -> set[int]:
        return set(self.membership.active)

    @property
    def passive(self) -> set[PeerRecord]:
        return set(self.membership.passive)


def disconnected(outputs: Iterable[Output]) -> list[int]:
    return [link for links, _ in sent(outputs, Disconnect) for link in links]


# Choosing


def test_linked_members_are_asked_first_and_then_it_says_whom_to_link_with() -> None:
    hood = Hood()
    hood.link(1, 2, 3)
    hood.membership.learn(records(*range(50, 60)), TELLER)

    asked, wanted = hood.fill()

    assert asked == {1, 2, 3}
    assert len(wanted) == len(set(wanted)) == CHOICES - 3
    assert set(wanted) <= set(records(*range(50, 60)))
    assert hood.active == set()  # asked is not answered


def test_enough_choices_ask_for_nobody_more() -> None:
    hood = Hood()
    hood.link(*range(1, 20))
    hood.membership.learn(records(*range(50, 60)), TELLER)

    assert len(hood.choose()) == CHOICES
    assert hood.fill() == (set(), ())


def test_first_requests_are_urgent_and_later_ones_are_not() -> None:
    hood = Hood()
    hood.link(1, 2)
    first, _ = hood.membership.fill(hood.now)
    assert {message.urgent for _, message in sent(first, Neighbor)} == {True}
    hood.accept([1, 2])
    hood.link(3)

    later, _ = hood.membership.fill(hood.now)

    assert sent(later, Neighbor) == [((3,), Neighbor(LOBBY, urgent=False))]


def test_member_is_not_asked_twice_while_it_may_still_answer() -> None:
    hood = Hood()
    hood.link(1)
    assert hood.fill()[0] == {1}

    hood.now += ASK_AGAIN_S - 0.1
    assert hood.fill()[0] == set()
    hood.now += 0.1
    assert hood.fill()[0] == {1}


def test_member_that_said_no_is_asked_again_after_a_while_and_says_whom_else_to_try() -> None:
    hood = Hood()
    hood.link(1)
    hood.fill()
    hood.hear(1, NeighborReply(LOBBY, accepted=False, members=records(50)))

    assert hood.fill() == (set(), records(50))
    hood.now += ASK_AGAIN_S
    assert hood.fill()[0] == {1}


def test_lost_choice_is_replaced_at_once_and_remembered() -> None:
    hood = Hood()
    hood.link(*range(1, 20))
    chosen = hood.choose()
    lost = min(chosen)

    hood.lose(lost)
    (asked, _) = hood.fill()

    assert lost not in hood.active
    assert len(asked) == 1
    assert not asked & chosen
    assert hood.passive == set(records(lost))


def test_neighbour_that_lets_go_is_replaced_at_once_and_not_asked_for_a_while() -> None:
    hood = Hood()
    hood.link(*range(1, CHOICES + 1))
    (first, *_) = hood.choose()
    hood.link(9)

    hood.hear(first, Disconnect(LOBBY))

    assert first not in hood.active
    assert hood.fill()[0] == {9}
    hood.now += ASK_AGAIN_S - 0.1
    hood.hear(9, NeighborReply(LOBBY, accepted=False, members=()))
    assert hood.fill()[0] == set()
    hood.now += 0.1
    assert hood.fill()[0] == {first}


def test_small_room_becomes_a_full_mesh() -> None:
    hood = Hood(GossipConfig())
    hood.link(*range(1, 7))
    hood.membership.learn(records(*range(1, 11)), TELLER)  # those we are linked with count once

    asked, wanted = hood.fill()

    assert asked == set(range(1, 7))
    assert set(wanted) == set(records(7, 8, 9, 10))
    hood.accept(asked)
    hood.link(7, 8, 9, 10)
    assert all(hood.request(number) for number in (7, 8, 9, 10))
    assert hood.active == set(range(1, 11))


def test_room_is_no_small_one_with_one_member_more() -> None:
    hood = Hood(GossipConfig())
    hood.link(*range(1, 12))

    assert len(hood.fill()[0]) == CHOICES


def test_small_fanout_makes_a_full_mesh_only_of_those_that_leave_a_place() -> None:
    hood = Hood(GossipConfig(fanout=4))
    hood.link(*range(1, 6))
    assert hood.fill()[0] == set(range(1, 6))

    hood = Hood(GossipConfig(fanout=4))
    hood.link(*range(1, 7))
    assert len(hood.fill()[0]) == 3


# Guests


def test_guests_are_taken_up_to_the_cap_and_the_others_are_told_whom_to_try() -> None:
    hood = Hood()
    hood.link(*range(1, 21))

    taken = [number for number in range(1, 21) if hood.request(number)]

    assert taken == list(range(1, GUESTS + 1))
    ((_, reply),) = sent(hood.hear(20, Neighbor(LOBBY, urgent=False)), NeighborReply)
    assert len(reply.members) == SAMPLE
    assert not set(reply.members) & set(records(20))


def test_neighbour_that_asks_again_is_told_yes_and_takes_no_second_place() -> None:
    hood = Hood()
    hood.link(*range(1, 21))
    for _ in range(3):
        assert hood.request(1)

    assert sum(hood.request(number) for number in range(2, 21)) == GUESTS - 1


def test_two_that_ask_each_other_chose_each_other() -> None:
    hood = Hood()
    hood.link(*range(1, CHOICES + 1))
    asked, _ = hood.fill()

    assert all(hood.request(number) for number in asked)
    hood.accept(asked)  # the answers to our own requests, which cross theirs

    assert hood.active == asked
    hood.link(*range(50, 70))
    assert sum(hood.request(number) for number in range(50, 70)) == GUESTS  # none of their places is used


@pytest.mark.parametrize("urgent", [True, False])
def test_own_choices_are_never_evicted(*, urgent: bool) -> None:
    hood = Hood()
    hood.link(*range(1, 10))
    chosen = hood.choose()

    for number in range(100, 1100):
        hood.link(number)
        hood.request(number, urgent=urgent)
        hood.now += URGENT_EVERY_S
        assert chosen <= hood.active

    assert len(hood.active) == CHOICES + GUESTS


def test_urgent_request_evicts_a_guest_but_only_one_in_two_seconds() -> None:
    hood = Hood()
    hood.link(*range(1, 21))
    guests = {number for number in range(1, 21) if hood.request(number)}

    outputs = hood.hear(20, Neighbor(LOBBY, urgent=True))
    (evicted,) = disconnected(outputs)
    assert hood.active == guests - {evicted} | {20}
    hood.now += URGENT_EVERY_S - 0.1
    assert not hood.request(19, urgent=True)
    hood.now += 0.1
    assert hood.request(19, urgent=True)


def test_urgent_request_is_refused_when_there_are_no_guests_to_evict() -> None:
    hood = Hood(GossipConfig(fanout=2, full_mesh_below=0))
    hood.link(1, 2, 3)
    assert hood.choose() == {1, 2, 3}
    hood.link(4)

    assert not hood.request(4, urgent=True)
    assert hood.active == {1, 2, 3}


def test_unasked_reply_makes_no_neighbour() -> None:
    hood = Hood()
    hood.link(1)

    assert hood.accept([1]) == []
    assert hood.active == set()


def test_late_reply_brings_nothing_back() -> None:
    hood = Hood(GossipConfig(fanout=4, full_mesh_below=0))
    hood.link(1, 2, 3)
    assert hood.fill()[0] == {1, 2, 3}
    hood.accept([1, 2])
    hood.link(4)
    assert hood.request(4)
    hood.now += ASK_AGAIN_S
    assert hood.fill() == (set(), ())  # enough without 3

    hood.accept([3])

    assert hood.active == {1, 2, 4}


def test_reply_that_comes_twice_counts_once() -> None:
    hood = Hood()
    hood.link(1)
    hood.fill()
    hood.accept([1])

    hood.hear(1, NeighborReply(LOBBY, accepted=False, members=()))

    assert hood.active == {1}


# Mixing


def test_shuffle_is_answered_with_a_sample_and_both_learn() -> None:
    mine, other = Hood(seed=1), Hood(seed=2)
    for hood, first in ((mine, 50), (other, 80)):
        hood.link(1)
        hood.choose()
        hood.membership.learn(records(*range(first, first + 10)), TELLER)  # of whom it has only heard
        hood.link(*range(first + 10, first + 15))
        for number in range(first + 10, first + 15):
            hood.lose(number)

    ((to, shuffle),) = sent(mine.shuffle(), Shuffle)
    ((back, reply),) = sent(other.hear(1, shuffle), ShuffleReply)
    mine.hear(1, reply)

    assert to == back == (1,)
    for members, given in ((shuffle.members, range(50, 65)), (reply.members, range(80, 95))):
        assert len(set(members)) == SAMPLE
        assert set(members) <= set(records(*given))  # and not the partner itself
    assert set(shuffle.members) <= other.passive
    assert set(reply.members) <= mine.passive


def test_nobody_to_shuffle_with_is_no_shuffle() -> None:
    assert Hood().shuffle() == []


def test_swap_lets_go_of_one_old_choice_only_when_the_new_one_said_yes() -> None:
    hood = Hood()
    hood.link(*range(1, 20))
    chosen = hood.choose()
    while hood.membership.lacking() == 0:
        assert disconnected(hood.shuffle()) == []
    assert hood.membership.lacking() == 1

    (refuser,) = hood.fill()[0]
    hood.hear(refuser, NeighborReply(LOBBY, accepted=False, members=()))
    assert hood.active == chosen
    (newcomer,) = hood.fill()[0]
    assert hood.active == chosen
    (old,) = disconnected(hood.accept([newcomer]))

    assert old in chosen
    assert hood.active == chosen - {old} | {newcomer}
    assert hood.fill() == (set(), ())


def test_slower_of_two_choices_is_let_go_of() -> None:
    hood = Hood()
    hood.link(*range(1, 30))
    choices = hood.choose()
    fastest = min(choices)
    for number in range(1, 30):
        hood.at(number).rtt_s = 0.01 if number == fastest else 0.1

    for _ in range(50):
        hood.shuffle()
        hood.choose()

    assert hood.active & choices == {fastest}


def test_spare_that_had_what_no_neighbour_passed_on_becomes_a_neighbour_beside_the_choices() -> None:
    hood = Hood()
    hood.link(*range(1, 30))
    choices = hood.choose()
    spare, other = sorted(set(range(1, 30)) - choices)[:2]

    assert hood.fetched(max(choices)) == []
    assert sent(hood.fetched(spare), Neighbor) == [((spare,), Neighbor(LOBBY, urgent=True))]
    assert hood.fetched(other) == []  # not so soon

    assert sent(hood.accept([spare]), Disconnect) == []
    assert hood.active == choices | {spare}


def test_spare_that_asks_back_while_it_is_asked_becomes_no_choice() -> None:
    hood = Hood()
    hood.link(*range(1, 30))
    choices = hood.choose()
    for spare in sorted(set(range(1, 30)) - choices)[:4]:
        hood.now += OVERLAY.shuffle_every_s
        hood.fetched(spare)
        assert hood.request(spare)
    hood.now += 3600  # no swaps

    for _ in range(10):
        hood.shuffle()

    assert len(choices & hood.active) == 4  # one was too many once there were guests


@pytest.mark.parametrize("how", ["refuses", "does not answer", "comes again"])
def test_spare_that_had_a_message_and_was_no_neighbour_may_be_chosen_later(how: str) -> None:
    hood = Hood()
    hood.link(*range(1, 7))
    choices = hood.choose()
    (spare,) = set(range(1, 7)) - choices
    assert len(hood.fetched(spare)) == 1
    if how == "refuses":
        hood.hear(spare, NeighborReply(LOBBY, accepted=False, members=()))
    elif how == "comes again":
        hood.lose(spare)
        hood.link(spare)
    hood.lose(min(choices))
    hood.now += ASK_AGAIN_S

    assert hood.choose() == {spare}

    assert set(hood.membership.chosen) == choices - {min(choices)} | {spare}


def test_those_that_had_what_no_neighbour_passed_on_take_the_places_of_guests_only() -> None:
    hood = Hood()
    hood.link(*range(1, 60))
    choices = hood.choose()
    for number in range(40, 60):
        hood.request(number)

    for spare in sorted(set(range(1, 40)) - choices)[:20]:
        hood.now += OVERLAY.shuffle_every_s
        hood.fetched(spare)
        hood.accept([spare])

    assert choices <= hood.active
    assert len(hood.active) <= 12
    assert hood.active & set(range(1, 40)) - choices


def test_swap_asks_nobody_who_called_us() -> None:
    hood = Hood()
    hood.link(*range(1, 6))
    choices = hood.choose()
    for number in range(40, 60):
        hood.links.add(link_to(identity(number), number), hood.now)

    for _ in range(50):
        hood.shuffle()
        assert hood.fill()[0] == set()

    assert hood.active == choices


def test_old_node_hardly_ever_swaps() -> None:
    hood = Hood()
    hood.link(*range(1, 20))
    hood.choose()
    hood.now += 3600

    for _ in range(1000):
        hood.shuffle()

    assert hood.membership.lacking() == 0


def test_choice_too_many_is_let_go_when_guests_have_come() -> None:
    hood = Hood()
    hood.now += 3600  # no swaps
    hood.link(*range(1, 20))
    chosen = hood.choose()
    assert disconnected(hood.shuffle()) == []
    guests = [number for number in range(1, 20) if number not in chosen][:2]
    assert all(hood.request(number) for number in guests)

    (gone,) = disconnected(hood.shuffle())

    assert gone in chosen
    assert disconnected(hood.shuffle()) == []


# Whom we know of


def test_passive_view_is_bounded_and_newcomers_take_random_places() -> None:
    hood = Hood()

    for number in range(1, 1001):
        hood.membership.learn(records(number), bytes([number % 20]))

    assert len(hood.passive) == MAX_PASSIVE
    assert hood.passive & set(records(*range(1, 873)))
    assert set(records(1000)) <= hood.passive


def test_flood_of_one_group_takes_the_places_of_none_but_its_own() -> None:
    hood = Hood()
    hood.membership.learn(records(*range(11, 21)), TELLER)

    hood.membership.learn(records(*range(100, 900)), b"flood")

    assert len(hood.passive) == 10 + MAX_OF_ONE_TELLER
    assert set(records(*range(11, 21))) <= hood.passive


def test_we_are_not_among_those_we_know_of() -> None:
    hood = Hood()
    hood.membership.learn([signed(ANN, "192.0.2.7:1")], TELLER)

    assert hood.passive == set()


def test_peer_that_left_the_room_is_forgotten() -> None:
    hood = Hood()
    hood.link(1)
    assert hood.request(1)
    assert hood.passive == set(records(1))

    hood.links.handle_rooms(hood.at(1), frozenset({WINE}))
    hood.membership.handle_link_gone(hood.at(1))

    assert hood.active == set()
    assert hood.passive == set()
    assert hood.fill() == (set(), ())


# In a node


@pytest.mark.parametrize(
    "message",
    [
        Neighbor(WINE, urgent=True),
        NeighborReply(WINE, accepted=True, members=records(50)),
        Disconnect(WINE),
        Shuffle(WINE, records(50)),
        ShuffleReply(WINE, records(50)),
    ],
)
@pytest.mark.parametrize("who_is_out", ["we", "they"])
def test_room_that_not_both_are_in_has_no_neighbours(message: MembershipMessage, who_is_out: str) -> None:
    book = Playbook()
    if who_is_out == "they":
        book.settle(book.join("wine"))
    bob = book.link(BOB, rooms=[LOBBY, WINE] if who_is_out == "we" else [LOBBY])

    assert book.receive(bob, message) == []
    assert book.refused == {"not_in_room": 1}
    assert book.node.links.get(bob) is not None


def test_node_dials_the_members_its_neighbours_name_and_forgets_the_dead() -> None:
    book = Playbook()
    outputs = book.link_up(BOB)
    assert len(sent(outputs, Neighbor)) == 1

    outputs = book.receive(book.newest, NeighborReply(LOBBY, accepted=True, members=records(50, 51)))

    named = records(50, 51)
    assert sorted((dial.address, dial.expected) for dial in of(outputs, Dial)) == [
        (record.address, record.peer_id) for record in named
    ]
    book.handle(DialFailed(named[0].address, Unreachable("no route"), named[0].peer_id))
    assert tuple(book.node.rooms[LOBBY].known) == named[1:]


def test_forged_claim_to_a_members_address_costs_the_member_nothing() -> None:
    book = Playbook()
    carl = book.neighbour(CARL)
    true = signed(BOB, "192.0.2.2:1")
    assert Dial(true.address, BOB.peer_id) in book.receive(carl, Shuffle(LOBBY, (true,)))
    bob = book.link(BOB, dialled=true.address, port=1)
    book.link_down(bob)
    book.wait(10)
    outputs = book.receive(carl, Shuffle(LOBBY, (signed(DORA, true.address),)))
    assert {dial.expected for dial in of(outputs, Dial) if dial.address == true.address} <= {DORA.peer_id}

    book.handle(DialFailed(true.address, WrongPeer("somebody else"), DORA.peer_id))

    assert tuple(book.node.rooms[LOBBY].known) == (true,)
    assert book.node.links.to(BOB.peer_id) is None
    ((_, told),) = sent(book.receive(carl, PeerRequest(8)), PeerResponse)
    assert told.peers == (true,)


def test_neighbour_that_leaves_the_room_is_one_no_more() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB, port=1), book.neighbour(CARL)

    book.receive(bob, Rooms(frozenset({WINE})))

    assert book.active() == {carl}
    ((_, reply),) = sent(book.receive(carl, Shuffle(LOBBY, ())), ShuffleReply)
    assert reply.members == ()


def test_dialled_links_that_no_room_needs_are_let_go_but_for_a_few() -> None:
    book = Playbook(gossip=OVERLAY, bootstrap=("kept.example:1",))
    kept = book.link(BOB, dialled="kept.example:1", rooms=[WINE])
    neighbour = book.neighbour(CARL, dialled="carl.example:1")
    spares = [
        book.link(identity(number), dialled=f"n{number}.example:1", rooms=[WINE])
        for number in range(100, 103 + MAX_SPARES)
    ]
    incoming = book.link(identity(99), rooms=[WINE])
    book.wait(SPARE_AFTER_S)
    assert disconnected(book.fire(ShuffleDue())) == []
    assert len(book.node.links) == 3 + len(spares)

    book.wait(0.1)
    book.fire(ShuffleDue())

    left = {link.link for link in book.node.links}
    assert left == {kept, neighbour, incoming, *spares[3:]}


def test_shuffles_never_come_all_at_once() -> None:
    waits = set()
    for seed in range(20):
        book = Playbook(seed=seed)
        waits.add(one(book.fire(ShuffleDue()), SetTimer).at - book.now.mono)

    assert all(8.0 <= wait <= 12.0 for wait in waits)
    assert len(waits) == 20


def test_member_that_one_room_seeks_is_dialled_no_later_because_another_room_seeks_too() -> None:
    book = Playbook()
    book.links(3)
    dialler = book.node._dialler
    soon, late = (Named(record, TELLER) for record in records(50, 60))
    for member in [late] * 6 + [soon]:
        book.wait(400.0 if member is late else 0.1)
        assert of(dialler.seek([member], book.now, others=True), Dial)
        book.handle(DialFailed(member.record.address, Unreachable("no route"), member.record.peer_id))

    first = one(dialler.seek([soon], book.now, others=True), SetTimer)

    assert one(dialler.seek([late], book.now, others=True), SetTimer) == first
    assert one(dialler.seek([late], book.now, others=False), SetTimer).at > first.at
