"""Spreading: pushed along a tree per author, announced beside it, fetched when it does not come."""

import random
from collections.abc import Collection, Iterable

import pytest

from chatcore.broadcast import MAX_RETRANSMISSIONS, MAX_ROUNDS, MOST_RTT_S, Broadcast
from chatcore.config import GossipConfig, LinkConfig
from chatcore.counters import Counters
from chatcore.envelopes import Envelope, Join
from chatcore.events import GraftDue, IhaveDue, Output, Priority, RumourDue, Send, SetTimer
from chatcore.feeders import MAX_KNOWN_AUTHORS, PREFER_S, SETTLED_S
from chatcore.identity import Identity
from chatcore.ids import LinkId, RoomId
from chatcore.links import Link, Links
from chatcore.messages import MAX_SHORT_IDS, Graft, Ihave, Prune, Publish, Resume
from chatcore.recent import MAX_RECENT_BYTES, MAX_RECENT_MESSAGES, Recent, short_id
from chatcore.trees import MAX_TREES, Trees
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    FULL_TTL,
    LOBBY,
    START,
    TEA,
    WINE,
    Playbook,
    chat,
    identity,
    link_to,
    of,
    publish,
    pushed,
    sent,
    written,
)

RTT_S = 0.1


class Spreading:
    """A broadcast and its links: peer `identity(100 + n)` at link n, all of them active."""

    def __init__(self, links: int = 5, **config: int) -> None:
        self.now = START.mono
        self.rtt_s = RTT_S
        self.counters = Counters()
        self.broadcast = Broadcast(GossipConfig(**config), self.counters)
        self._links = Links(LinkConfig(), ANN.peer_id, random.Random(1))
        self.active = [LinkId(number) for number in range(1, links + 1)]
        for number in self.active:
            self._links.add(link_to(identity(100 + number), number), self.now)

    def at(self, number: int) -> Link:
        link = self._links.get(LinkId(number))
        assert link is not None
        return link

    def spread(self, envelope: Envelope, *senders: int, hops: int = FULL_TTL) -> list[Output]:
        found = [self.at(number) for number in senders]
        return self.broadcast.spread(envelope, hops, found, self.active, self.now).outputs

    def copy(self, envelope: Envelope, sender: int) -> list[Output]:
        return self.broadcast.on_copy(envelope.id, self.at(sender), self.active_in, self.now)

    def prune(self, envelope: Envelope, *links: int) -> None:
        for link in links:
            self.broadcast.on_prune(LinkId(link), Prune((short_id(envelope.id),)))

    def graft(self, envelope: Envelope, link: int) -> list[Output]:
        return self.broadcast.on_graft(LinkId(link), Graft((short_id(envelope.id),)))

    def ihave(self, envelope: Envelope, link: int) -> list[Output]:
        batch = Ihave((short_id(envelope.id),))
        return self.broadcast.on_ihave(LinkId(link), batch, self.active_in, self.now)

    def active_in(self, room: RoomId) -> Collection[LinkId]:
        return self.active if room == LOBBY else ()

    def announced(self) -> dict[int, list[bytes]]:
        batches = sent(self.broadcast.handle_ihave_due(), Ihave)
        return {link: list(batch.ids) for links, batch in batches for link in links}

    def ask(self) -> list[Output]:
        """What the timer that asks for missing messages brings, at the time it was set for."""
        return self.broadcast.handle_graft_due(self.now, self._rtt_of)

    def _rtt_of(self, link: LinkId) -> float | None:
        return None if self._links.get(link) is None else self.rtt_s

    def lose(self, number: int) -> None:
        self._links.remove(LinkId(number))
        self.active.remove(LinkId(number))
        self.broadcast.handle_link_gone(LinkId(number))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def neighbours(self, *, came: Collection[int] = (), left: Collection[int] = ()) -> list[Output]:
        for number in left:
            self.active.remove(LinkId(number))
        for number in came:
            if self._links.get(LinkId(number)) is None:
                self._links.add(link_to(identity(100 + number), number), self.now)
        self.active.extend(map(LinkId, came))
        new, gone = [self.at(number) for number in came], [LinkId(link) for link in left]
        return self.broadcast.handle_neighbours(LOBBY, came=new, left=gone, active=self.active, mono=self.now)

    def rumours(self, *spares: int) -> dict[int, list[bytes]]:
        self.wait(1.0)
        told = self.broadcast.handle_rumour_due({LOBBY: [LinkId(spare) for spare in spares]}, self.now)
        return {link: list(batch.ids) for links, batch in sent(told, Ihave) for link in links}


def receivers(outputs: Iterable[Output]) -> list[int]:
    return [link for links, _ in sent(outputs, Publish) for link in links]


def pruned(outputs: Iterable[Output]) -> list[int]:
    return [link for links, _ in sent(outputs, Prune) for link in links]


def asked(outputs: Iterable[Output]) -> list[int]:
    return [link for links, _ in sent(outputs, Graft) for link in links]


def resumed(outputs: Iterable[Output]) -> list[int]:
    return [link for links, _ in sent(outputs, Resume) for link in links]


def timer(outputs: Iterable[Output]) -> float:
    keys = (IhaveDue, GraftDue)
    (at,) = [output.at for output in outputs if isinstance(output, SetTimer) and isinstance(output.key, keys)]
    return at


HI = chat(BOB, "hi")
AGAIN = chat(BOB, "again")


# Pushing


def test_unknown_authors_message_is_pushed_to_all_active_links_but_its_senders() -> None:
    spreading = Spreading()

    outputs = spreading.spread(HI, 1, 2)

    assert outputs == [
        pushed(map(LinkId, (3, 4, 5)), publish(HI, FULL_TTL - 1)),
        SetTimer(RumourDue(), START.mono + 1.0),
    ]


def test_third_copys_sender_is_asked_to_stop_for_that_author_only() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    assert spreading.copy(HI, 2) == []

    outputs = spreading.copy(HI, 3)

    assert outputs == [Send((LinkId(3),), Prune((short_id(HI.id),)), Priority.CONTROL)]
    assert spreading.counters.prunes == 1


def test_link_that_asked_to_stop_is_no_longer_pushed_that_author_in_that_room() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)

    spreading.prune(HI, 4)

    assert receivers(spreading.spread(AGAIN, 1)) == [2, 3, 5]
    assert receivers(spreading.spread(chat(CARL, "hi"), 1)) == [2, 3, 4, 5]
    assert receivers(spreading.spread(chat(BOB, "hi", room=WINE), 1)) == [2, 3, 4, 5]
    assert (spreading.broadcast.lazy_links(LOBBY), spreading.broadcast.lazy_links(WINE)) == (1, 0)


def test_copies_wanted_is_configured() -> None:
    spreading = Spreading(copies_wanted=1)
    spreading.spread(HI, 1)

    assert pruned(spreading.copy(HI, 2)) == [2]


def test_copies_that_came_while_the_signature_was_checked_count() -> None:
    book = Playbook()
    links = book.neighbours(4)
    received = book.receive(links[0], publish(HI))
    for link in links[1:3]:
        assert book.receive(link, publish(HI)) == []

    outputs = book.settle(received)

    assert receivers(outputs) == [links[3]]
    assert pruned(outputs) == [links[2]]
    assert pruned(book.receive(links[3], publish(HI))) == [links[3]]


def test_author_itself_is_never_asked_to_stop() -> None:
    author = identity(103)
    hers = chat(author, "mine")
    spreading = Spreading()
    assert pruned(spreading.spread(hers, 1, 2, 3, 4)) == [4]  # 3 is hers

    assert spreading.copy(hers, 3) == []
    assert pruned(spreading.copy(hers, 5)) == [5]


def test_own_message_goes_to_links_that_asked_to_stop_too() -> None:
    spreading = Spreading()
    mine = chat(ANN, "hello")
    spreading.broadcast.publish(mine, spreading.active, spreading.now)
    spreading.prune(mine, 2, 3)

    outputs = spreading.broadcast.publish(chat(ANN, "again"), spreading.active, spreading.now)

    assert receivers(outputs) == [1, 2, 3, 4, 5]


def test_copy_and_prune_for_what_is_long_forgotten_change_nothing() -> None:
    spreading = Spreading()

    assert spreading.copy(HI, 1) == []
    spreading.prune(HI, 1)
    assert spreading.broadcast.lazy_links(LOBBY) == 0
    assert spreading.graft(HI, 1) == []


# Announcing


def test_pruned_links_get_one_batch_five_milliseconds_later() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.prune(HI, 4, 5)
    more = [chat(BOB, f"{number}") for number in range(3)]

    first = spreading.spread(more[0], 1)
    later = [output for item in more[1:] for output in spreading.spread(item, 1)]

    assert timer(first) == pytest.approx(START.mono + 0.005)
    assert not of(later, SetTimer)
    shorts = [short_id(item.id) for item in more]
    assert spreading.announced() == {4: shorts, 5: shorts}
    assert spreading.announced() == {}


def test_link_that_showed_it_has_the_message_is_not_told_of_it() -> None:
    spreading = Spreading(links=7)
    spreading.spread(HI, 1)
    spreading.prune(HI, 3, 4, 5, 6)
    spreading.spread(AGAIN, 1)

    spreading.copy(AGAIN, 3)
    spreading.ihave(AGAIN, 4)
    spreading.prune(AGAIN, 5)

    assert spreading.announced() == {6: [short_id(AGAIN.id)]}


def test_long_batch_is_cut_into_messages_of_the_greatest_length() -> None:
    spreading = Spreading(links=2)
    spreading.spread(HI, 1)
    spreading.prune(HI, 2)
    for number in range(MAX_SHORT_IDS + 1):
        spreading.spread(chat(BOB, f"{number}"), 1)

    batches = sent(spreading.broadcast.handle_ihave_due(), Ihave)

    assert [(links, len(batch.ids)) for links, batch in batches] == [((2,), MAX_SHORT_IDS), ((2,), 1)]


def test_durable_message_without_hops_left_is_announced_to_all() -> None:
    spreading = Spreading()

    assert receivers(spreading.spread(HI, 1, hops=0)) == []

    assert sorted(spreading.announced()) == [2, 3, 4, 5]


def test_ephemeral_message_without_hops_left_stops_here() -> None:
    spreading = Spreading()

    assert spreading.spread(written(BOB, Join()), 1, hops=0) == []
    assert spreading.announced() == {}


def test_ephemeral_message_with_a_hop_left_goes_one_further() -> None:
    spreading = Spreading()
    here = written(BOB, Join())

    ((_, copy),) = sent(spreading.spread(here, 1, hops=1), Publish)

    assert copy.hops == 0
    assert spreading.counters.forwarded == 0


# Fetching


def test_announced_message_that_does_not_come_is_asked_for_from_one_announcer_after_the_other() -> None:
    spreading = Spreading()
    assert timer(spreading.ihave(HI, 1)) == pytest.approx(spreading.now + 0.080)
    assert spreading.ihave(HI, 2) == []
    assert asked(spreading.ask()) == []  # too early

    spreading.now += 0.080
    outputs = spreading.ask()
    assert sent(outputs, Graft) == [((1,), Graft((short_id(HI.id),)))]
    assert timer(outputs) == pytest.approx(spreading.now + 0.040 + RTT_S)

    spreading.now = timer(outputs)
    assert asked(spreading.ask()) == [2]
    assert (spreading.counters.grafts, spreading.counters.promises_broken) == (2, 0)


def test_message_that_comes_is_asked_for_no_more() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)
    spreading.spread(HI, 2)
    spreading.now += 1

    assert spreading.ask() == []
    assert (spreading.counters.grafts, spreading.counters.fetched) == (0, 0)


def test_fetched_message_is_counted() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)
    spreading.now += 1
    assert asked(spreading.ask()) == [1]

    spreading.spread(HI, 1)

    assert spreading.counters.fetched == 1
    spreading.now += 1
    assert spreading.ask() == []


def test_copy_of_what_is_held_no_more_is_an_arrival_too() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)

    spreading.copy(HI, 1)

    spreading.now += 1
    assert spreading.ask() == []


def test_message_that_never_comes_is_given_up_after_three_rounds_each() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)
    spreading.ihave(HI, 2)
    rounds: list[int] = []
    for _ in range(20):
        spreading.now += 1
        rounds += asked(spreading.ask())

    assert rounds == [1, 2] * MAX_ROUNDS


def test_message_announced_again_after_it_was_given_up_is_asked_for_again() -> None:
    spreading = Spreading()
    for _ in range(2):
        spreading.ihave(HI, 1)
        rounds = []
        for _ in range(20):
            spreading.now += 1
            rounds += asked(spreading.ask())
        assert rounds == [1] * MAX_ROUNDS


def test_announcer_that_is_gone_is_passed_over_and_takes_no_rounds_from_the_next() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)
    spreading.ihave(HI, 2)
    spreading.now += 1
    assert asked(spreading.ask()) == [1]
    spreading.lose(1)
    rounds = []
    for _ in range(20):
        spreading.now += 1
        rounds += asked(spreading.ask())

    assert rounds == [2] * MAX_ROUNDS


def test_announcer_far_away_does_not_choose_how_long_the_next_one_waits() -> None:
    spreading = Spreading()
    spreading.rtt_s = 20.0
    spreading.ihave(HI, 1)
    spreading.ihave(HI, 2)
    spreading.wait(0.080)
    assert asked(first := spreading.ask()) == [1]
    assert timer(first) == pytest.approx(spreading.now + 0.040 + MOST_RTT_S)

    spreading.wait(0.040 + MOST_RTT_S)

    assert asked(spreading.ask()) == [2]


def test_message_whose_announcers_are_all_gone_is_given_up() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 1)
    spreading.lose(1)
    spreading.now += 1

    assert spreading.ask() == []


def test_many_missing_messages_are_asked_for_all_at_once_in_messages_of_the_greatest_length() -> None:
    spreading = Spreading()
    shorts = [number.to_bytes(8, "big") for number in range(MAX_SHORT_IDS + 1)]
    half = MAX_SHORT_IDS // 2
    for link, part in ((1, shorts[:half]), (2, shorts[half:]), (2, shorts[:half])):
        batch = Ihave(tuple(part))
        spreading.broadcast.on_ihave(LinkId(link), batch, spreading.active_in, spreading.now)
    spreading.lose(1)
    spreading.now += 1

    grafts = sent(spreading.ask(), Graft)

    assert sorted(short for _, graft in grafts for short in graft.ids) == shorts
    assert [len(graft.ids) for _, graft in grafts] == [MAX_SHORT_IDS, 1]


def test_timer_is_set_for_what_is_due_first() -> None:
    spreading = Spreading()
    first = timer(spreading.ihave(HI, 1))
    spreading.now += 0.01
    assert spreading.ihave(AGAIN, 1) == []  # the timer stands, and what is due later waits for it

    spreading.now = first
    assert timer(spreading.ask()) == pytest.approx(first + 0.01)


# Being asked


def test_graft_brings_the_message_and_undoes_the_prune() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.prune(HI, 4)

    assert spreading.graft(HI, 4) == [pushed([LinkId(4)], publish(HI, FULL_TTL - 1))]

    assert receivers(spreading.spread(AGAIN, 1)) == [2, 3, 4, 5]


def test_graft_for_an_author_nobody_pruned_brings_the_message() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1, hops=0)

    assert receivers(spreading.graft(HI, 4)) == [4]


def test_message_is_served_three_times_to_each_link() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)

    served = [receivers(spreading.graft(HI, 4)) for _ in range(10)]

    assert served == [[4]] * MAX_RETRANSMISSIONS + [[]] * (10 - MAX_RETRANSMISSIONS)
    assert receivers(spreading.graft(HI, 5)) == [5]


# Links that go


def test_link_gone_is_neither_announced_to_nor_remembered_as_pruned() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.prune(HI, 4, 5)
    spreading.spread(AGAIN, 1)

    spreading.lose(4)

    assert spreading.announced() == {5: [short_id(AGAIN.id)]}
    assert spreading.broadcast.lazy_links(LOBBY) == 1


def test_link_gone_in_a_node_is_asked_for_nothing() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    late = chat(DORA, "late")
    for link in (bob, carl):
        book.receive(link, Ihave((short_id(late.id),)))
    book.link_down(bob)
    book.wait(0.08)

    assert asked(book.fire(GraftDue())) == [carl]
    assert receivers(book.hear(carl, late)) == []
    assert book.node.counters.fetched == 1


def test_prune_and_graft_reach_the_tree_of_their_room() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    book.hear(bob, HI)
    book.receive(carl, Prune((short_id(HI.id),)))
    assert (book.node.lazy_links(LOBBY), book.node.lazy_links(TEA)) == (1, 0)
    assert receivers(book.hear(bob, AGAIN)) == []
    assert sent(book.fire(IhaveDue()), Ihave) == [((carl,), Ihave((short_id(AGAIN.id),)))]

    assert receivers(book.receive(carl, Graft((short_id(AGAIN.id),)))) == [carl]
    assert book.node.lazy_links(LOBBY) == 0


# Neighbours that come and go


def test_feeder_that_leaves_is_replaced_by_the_next_fastest() -> None:
    spreading = Spreading(links=6)
    spreading.spread(HI, 1)
    for late in (2, 3, 4):
        spreading.copy(HI, late)

    assert resumed(spreading.neighbours(left=[5])) == []
    assert resumed(spreading.neighbours(left=[2])) == [3]
    assert resumed(spreading.neighbours(left=[1, 3])) == [4]
    assert resumed(spreading.neighbours(left=[4])) == []


def test_links_that_feed_several_authors_are_replaced_with_one_message() -> None:
    spreading = Spreading()
    ours = [chat(author, "hi") for author in (BOB, CARL, DORA)]
    for envelope in ours:
        spreading.spread(envelope, 1, 2, 3)

    ((links, message),) = sent(spreading.neighbours(left=[1]), Resume)

    assert links == (3,)
    assert set(message.ids) == {short_id(envelope.id) for envelope in ours}


def test_feeder_is_not_replaced_by_who_left_with_it() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1, 2, 3)

    assert resumed(spreading.neighbours(left=[1, 3])) == []


def test_newcomer_is_asked_not_to_push_authors_that_are_well_fed() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1, 2)
    spreading.spread(chat(CARL, "hi"), 1)  # one copy is not enough

    outputs = spreading.neighbours(came=[9])

    assert sent(outputs, Prune) == [((9,), Prune((short_id(HI.id),)))]


def test_newcomer_is_asked_about_the_last_authors_only() -> None:
    spreading = Spreading()
    hellos = [chat(identity(200 + number), "hi") for number in range(MAX_KNOWN_AUTHORS + 1)]
    for envelope in hellos:
        spreading.spread(envelope, 1, 2)

    ((_, prune),) = sent(spreading.neighbours(came=[9]), Prune)

    assert set(prune.ids) == {short_id(envelope.id) for envelope in hellos[1:]}


def test_announcer_well_before_the_second_copy_takes_its_senders_place() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    assert spreading.ihave(HI, 2) == []
    spreading.wait(0.01)

    outputs = spreading.copy(HI, 3)

    assert (resumed(outputs), pruned(outputs)) == ([2], [3])


def test_announcer_hardly_before_the_second_copy_changes_nothing() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.ihave(HI, 2)
    spreading.wait(PREFER_S)

    assert spreading.copy(HI, 3) == []


def test_announcer_before_the_first_copy_is_faster_than_the_second() -> None:
    spreading = Spreading()
    spreading.ihave(HI, 5)
    spreading.wait(0.01)
    assert resumed(spreading.spread(HI, 1)) == []

    outputs = spreading.copy(HI, 2)

    assert (resumed(outputs), pruned(outputs)) == ([5], [2])


def test_second_copy_from_the_author_itself_is_kept_whoever_was_faster() -> None:
    spreading = Spreading()
    mine = chat(identity(103), "hi")
    spreading.spread(mine, 1)
    spreading.ihave(mine, 2)
    spreading.wait(0.01)

    assert spreading.copy(mine, 3) == []


def test_announcer_that_did_not_push_after_all_is_not_preferred_again() -> None:
    spreading = Spreading()

    def preferred(text: str, first: int) -> list[int]:
        message = chat(BOB, text)
        spreading.spread(message, first)
        spreading.ihave(message, 2)
        spreading.wait(0.01)
        return resumed(spreading.copy(message, 3))

    assert preferred("once", 1) == [2]
    assert preferred("it goes on announcing", 1) == []
    spreading.spread(chat(BOB, "now it pushes"), 2)
    assert preferred("and announces again", 1) == [2]


def test_author_of_whom_too_few_copies_came_is_fed_by_one_more() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.ihave(HI, 4)
    assert resumed(spreading.spread(AGAIN, 1)) == []  # the second copy may still be under way
    spreading.ihave(AGAIN, 4)

    spreading.wait(1.0)

    assert resumed(spreading.spread(chat(BOB, "later"), 1)) == [4]


def test_resume_undoes_a_prune_and_sends_nothing() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.prune(HI, 4)

    spreading.broadcast.on_resume(LinkId(4), Resume((short_id(HI.id), bytes(8))))

    assert receivers(spreading.spread(AGAIN, 1)) == [2, 3, 4, 5]


def test_message_that_comes_twice_over_one_link_makes_one_feeder() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    assert spreading.copy(HI, 1) == []
    assert pruned(spreading.copy(HI, 2)) == []

    assert pruned(spreading.copy(HI, 3)) == [3]


def test_spare_that_brings_a_message_feeds_nobody() -> None:
    spreading = Spreading(links=4)
    spreading.active.remove(LinkId(4))
    spreading.spread(HI, 4)

    assert pruned(spreading.copy(HI, 1)) == pruned(spreading.copy(HI, 2)) == []


def test_newcomer_that_feeds_an_author_is_not_asked_to_stop() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1, 2)
    everybody = list(map(int, spreading.active))

    # As after leaving the room and coming back: all neighbours are new, and nobody feeds us any more.
    outputs = spreading.neighbours(left=everybody)
    outputs += spreading.neighbours(came=everybody)

    assert pruned(outputs) == []


def test_author_that_becomes_a_neighbour_is_not_asked_to_stop() -> None:
    spreading = Spreading()
    spreading.spread(chat(identity(109), "hi"), 1, 2)

    assert pruned(spreading.neighbours(came=[9])) == []


def test_neighbour_that_left_and_came_again_is_pushed_again() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.prune(HI, 4)
    spreading.neighbours(left=[4])
    spreading.neighbours(came=[4])

    assert 4 in receivers(spreading.spread(AGAIN, 1))


def test_announcements_of_strangers_are_no_alternative() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    for stranger in (11, 12, 13, 14):
        spreading.ihave(HI, stranger)
    spreading.ihave(HI, 2)

    assert resumed(spreading.neighbours(left=[1])) == [2]


def test_author_that_talks_fast_is_looked_at_every_half_second() -> None:
    spreading = Spreading()
    asked_for = []
    for number in range(20):
        message = chat(BOB, f"{number}")
        asked_for += resumed(spreading.spread(message, 1))
        spreading.ihave(message, 2)
        spreading.wait(SETTLED_S / 5)

    assert asked_for == [2]


def test_two_messages_with_one_short_id_break_nothing() -> None:
    spreading = Spreading()
    one, other = _made_up(BOB, 1, 10), _made_up(CARL, 1, 10)
    assert short_id(one.id) == short_id(other.id)
    for envelope in (
        one,
        other,
        *[_made_up(DORA, number, 10) for number in range(2, MAX_RECENT_MESSAGES + 2)],
    ):
        spreading.spread(envelope, 1, 2)

    assert pruned(spreading.neighbours(came=[9])) == [9]
    assert resumed(spreading.neighbours(left=[1])) == []


def test_links_that_are_gone_are_not_remembered_as_resumed() -> None:
    spreading = Spreading()
    for number in range(50):
        newcomer = 200 + number
        spreading.neighbours(came=[newcomer])
        message = chat(BOB, f"{number}")
        spreading.spread(message, 1)
        spreading.ihave(message, newcomer)
        spreading.wait(SETTLED_S + 0.1)
        spreading.spread(chat(BOB, f"{number} again"), 1)
        spreading.neighbours(left=[newcomer])

    (voice,) = spreading.broadcast._feeders._voices.values()
    assert voice.resumed == set()


# Rumours


def test_spares_are_told_once_a_second_what_is_new() -> None:
    spreading = Spreading()
    first = spreading.spread(HI, 1)
    second = spreading.spread(AGAIN, 1)

    assert of(first, SetTimer) == [SetTimer(RumourDue(), spreading.now + 1)]
    assert not of(second, SetTimer)
    spreading.ihave(AGAIN, 7)
    assert spreading.rumours(6, 7) == {6: [short_id(HI.id), short_id(AGAIN.id)], 7: [short_id(HI.id)]}
    assert spreading.rumours(6, 7) == {}


def test_other_spares_are_told_in_the_rounds_after_and_nobody_the_same_twice() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    first = spreading.rumours(6, 7, 8, 9, 10)
    again = spreading.spread(AGAIN, 1)
    rest = [spreading.rumours(6, 7, 8, 9, 10) for _ in range(4)]

    assert not of(again, SetTimer)  # it runs until all that is new has been told three times
    assert first == {6: [short_id(HI.id)], 7: [short_id(HI.id)]}
    both = [short_id(HI.id), short_id(AGAIN.id)]
    assert rest == [{8: both, 9: both}, {10: both, 6: [short_id(AGAIN.id)]}, {7: [short_id(AGAIN.id)]}, {}]


def test_presence_makes_no_rumours() -> None:
    spreading = Spreading()
    spreading.spread(written(BOB, Join()), 1)

    assert spreading.rumours(6) == {}


def test_spare_that_announces_is_not_asked_to_push() -> None:
    spreading = Spreading()
    spreading.spread(HI, 1)
    spreading.ihave(HI, 9)
    spreading.wait(0.01)

    assert resumed(spreading.copy(HI, 2)) == []


# Memory


def _held(recent: Recent, envelopes: Iterable[Envelope]) -> list[bool]:
    return [recent.get(short_id(envelope.id)) is not None for envelope in envelopes]


def _made_up(author: Identity, number: int, size: int) -> Envelope:
    envelope = chat(author, "hi")
    payload = number.to_bytes(8, "big") + bytes(size - 8)
    return envelope._replace(id=type(envelope.id)(payload[:8] + bytes(24)), payload=payload)


def test_oldest_recent_message_makes_way_beyond_the_most() -> None:
    recent = Recent()
    envelopes = [_made_up(BOB, number, 100) for number in range(MAX_RECENT_MESSAGES + 1)]
    for envelope in envelopes:
        recent.add(envelope, 1, [], START.mono)

    assert _held(recent, envelopes) == [False] + [True] * MAX_RECENT_MESSAGES


def test_oldest_recent_messages_make_way_beyond_the_most_bytes() -> None:
    recent = Recent()
    size = MAX_RECENT_BYTES // 8
    envelopes = [_made_up(BOB, number, size) for number in range(10)]
    for envelope in envelopes:
        recent.add(envelope, 1, [], START.mono)

    assert _held(recent, envelopes) == [False] * 2 + [True] * 8


def test_message_that_comes_again_because_it_could_not_be_stored_takes_its_room_once() -> None:
    recent = Recent()
    size = MAX_RECENT_BYTES // 8
    envelopes = [_made_up(BOB, number, size) for number in range(8)]
    for envelope in envelopes:
        recent.add(envelope, 1, [], START.mono)
    for _ in range(20):
        recent.add(envelopes[0], 1, [], START.mono)

    assert _held(recent, envelopes) == [True] * 8


def test_links_that_are_gone_are_forgotten_beside_each_message() -> None:
    spreading = Spreading(6, copies_wanted=1)
    for envelope in (HI, AGAIN):
        spreading.spread(envelope, 1, 2)
        spreading.ihave(envelope, 3)
        spreading.graft(envelope, 4)
    held = [spreading.broadcast.held(envelope.id) for envelope in (HI, AGAIN)]
    for item in held:
        assert item is not None
        assert (item.holders, set(item.alternatives), set(item.served)) == ({1, 2, 3, 4, 5, 6}, {2, 3}, {4})

    for number in (1, 2, 3, 4):
        spreading.lose(number)

    for item in held:
        assert item is not None
        assert (item.holders, item.alternatives, item.served) == ({5, 6}, {}, {})


def test_author_silent_for_longest_is_forgotten_first() -> None:
    trees = Trees()
    for number in range(MAX_TREES):
        trees.prune(LOBBY, number.to_bytes(32, "big"), LinkId(1))
    assert trees.lazy(LOBBY, bytes(32)) == {1}  # spoke again

    trees.prune(LOBBY, b"x" * 32, LinkId(1))

    assert len(trees) == MAX_TREES
    assert trees.lazy(LOBBY, bytes(32)) == {1}
    assert trees.lazy(LOBBY, (1).to_bytes(32, "big")) == set()
