"""How a newcomer learns who is in a room."""

import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Announce, Body, Chat, Envelope, Join, Leave
from chatcore.events import CloseLink, MemberChanged, Movement, PresenceDue, Priority, Send, Verify
from chatcore.ids import LinkId
from chatcore.messages import MAX_ROSTER_WORDS, Publish, Roster, RosterRequest, ToldWord
from chatcore.presence import MAX_WORD_BYTES
from chatcore.welcome import ANSWER_BURST, ANSWER_EVERY_S, MAX_WORDS, WELCOMERS
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    STAMP,
    WINE,
    Playbook,
    forged,
    identity,
    of,
    of_kind,
    one,
    sent,
    written,
)


def told(*envelopes: Envelope, age_s: int = 1, last: bool = True) -> Roster:
    return Roster(LOBBY, last, tuple(ToldWord(age_s, item.payload, item.signature) for item in envelopes))


def roster(book: Playbook) -> list[str]:
    return sorted(member.username for member in book.node.rooms[LOBBY].members)


def answers(book: Playbook, link: LinkId) -> list[Roster]:
    return [message for _, message in sent(book.receive(link, RosterRequest(LOBBY)), Roster)]


# Asking


def test_first_neighbours_are_asked_who_is_here_and_no_others() -> None:
    book = Playbook()
    asked = []
    for number in range(100, 104):
        outputs = book.link_up(identity(number))
        asked += [book.newest] * len(sent(book.befriend(book.newest, outputs), RosterRequest))

    assert asked == [LinkId(1), LinkId(2)]
    assert len(asked) == WELCOMERS


def test_linked_peer_that_is_no_neighbour_is_not_asked() -> None:
    book = Playbook()
    assert sent(book.link_up(BOB), RosterRequest) == []


def test_neighbours_are_asked_again_after_none_was_left() -> None:
    book = Playbook()
    for link in book.neighbours(3):
        book.link_down(link)
    outputs = book.link_up(BOB)

    assert [links for links, _ in sent(book.befriend(book.newest, outputs), RosterRequest)] == [
        (book.newest,)
    ]


def test_neighbour_that_went_before_it_answered_is_replaced_by_the_next() -> None:
    book = Playbook()
    silent, _ = book.neighbours(2)
    book.link_down(silent)
    asked = []
    for who in (BOB, CARL):
        outputs = book.link_up(who)
        asked += sent(book.befriend(book.newest, outputs), RosterRequest)

    assert [links for links, _ in asked] == [(LinkId(3),)]


def test_neighbour_that_went_after_it_answered_is_not_replaced() -> None:
    book = Playbook()
    answered, _ = book.neighbours(2)
    book.settle(book.receive(answered, told(written(CARL, Join()))))
    book.link_down(answered)
    outputs = book.link_up(BOB)

    assert sent(book.befriend(book.newest, outputs), RosterRequest) == []


# What is learned


def test_roster_makes_its_members_known_as_having_been_here() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    words = [written(BOB, Join(), username="bob"), written(CARL, Announce(15), username="carl")]

    outputs = book.settle(book.receive(link, told(*words)))

    assert of(outputs, MemberChanged) == [
        MemberChanged("lobby", BOB.peer_id, "bob", Movement.HERE),
        MemberChanged("lobby", CARL.peer_id, "carl", Movement.HERE),
    ]
    assert sent(outputs, Publish) == []
    assert roster(book) == ["bob", "carl"]


def test_signatures_of_a_roster_are_checked_behind_what_is_said_now() -> None:
    book = Playbook()
    link = book.neighbour(DORA)

    assert one(book.receive(link, told(written(BOB, Join()))), Verify).history


def test_roster_with_a_member_nobody_is_ends_the_link() -> None:
    book = Playbook()
    link = book.neighbour(DORA)

    outputs = book.settle(book.receive(link, told(forged(written(BOB, Join())))))

    assert one(outputs, CloseLink).error.kind == "bad_signature"
    assert roster(book) == []


@pytest.mark.parametrize("body", [Leave(), Chat("hi")])
def test_roster_with_anything_but_announcements_ends_the_link(body: Body) -> None:
    book = Playbook()
    link = book.neighbour(DORA)

    assert one(book.receive(link, told(written(BOB, body))), CloseLink).error.kind == "malformed"


def test_roster_with_somebody_of_another_room_ends_the_link() -> None:
    book = Playbook()
    link = book.neighbour(DORA)

    assert one(book.receive(link, told(written(BOB, Join(), room=WINE))), CloseLink).error.kind == "malformed"


def test_roster_nobody_asked_for_is_ignored() -> None:
    book = Playbook()
    link = book.link(DORA)

    assert book.receive(link, told(written(BOB, Join()))) == []
    assert book.refused == {"unasked_roster": 1}


def test_roster_is_over_with_its_last_frame() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    book.settle(book.receive(link, told(written(BOB, Join()), last=False)))
    book.settle(book.receive(link, told(written(CARL, Join()))))
    assert len(roster(book)) == 2

    assert book.receive(link, told(written(identity(77), Join()))) == []


def test_roster_that_does_not_end_is_not_read_on() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    frame = told(*[written(BOB, Join())] * MAX_ROSTER_WORDS, last=False)
    for _ in range(MAX_WORDS // MAX_ROSTER_WORDS):
        book.settle(book.receive(link, frame))
    assert book.refused == {}

    book.receive(link, frame)
    assert book.refused == {"unasked_roster": 1}


@pytest.mark.parametrize(("said_s", "age_s"), [(46, 1), (1, 46), (100, 100)])
def test_what_is_older_than_three_intervals_is_not_taken(said_s: int, age_s: int) -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    old = written(BOB, Announce(15), stamp=(book.now.wall_ms - 1000 * said_s) << COUNTER_BITS)

    assert book.settle(book.receive(link, told(old, age_s=age_s))) == []
    assert roster(book) == []


def test_what_was_said_ahead_of_time_is_not_taken() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    ahead = written(BOB, Join(), stamp=(book.now.wall_ms + 3_600_000) << COUNTER_BITS)

    assert book.receive(link, told(ahead)) == []
    assert book.refused == {"future": 1}


def test_old_word_with_a_long_interval_is_taken() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    old = written(BOB, Announce(312), stamp=(book.now.wall_ms - 900_000) << COUNTER_BITS)
    book.settle(book.receive(link, told(old, age_s=900)))

    assert roster(book) == ["somebody"]


def test_told_member_is_reaped_when_the_teller_would_have() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    book.settle(book.receive(link, told(written(BOB, Announce(15)), age_s=40)))

    book.wait(5)
    assert of(book.fire(PresenceDue()), MemberChanged) == []
    book.wait(0.1)
    assert one(book.fire(PresenceDue()), MemberChanged).movement is Movement.LOST


def test_roster_makes_nobody_seem_silent_who_was_heard_since() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    book.hear(link, written(BOB, Join(), stamp=STAMP))
    book.settle(book.receive(link, told(written(BOB, Announce(15), stamp=STAMP + 1), age_s=44)))
    book.wait(40)

    assert of(book.fire(PresenceDue()), MemberChanged) == []


def test_roster_brings_nobody_back_who_left_or_was_lost() -> None:
    book = Playbook()
    link = book.neighbour(DORA)
    book.hear(link, written(BOB, Join()), written(BOB, Leave(), stamp=STAMP + 2))
    # By a clock that is ahead, so that the word does not look old when its author is given up.
    carl = written(CARL, Announce(15), stamp=STAMP + (20_000 << COUNTER_BITS))
    book.hear(link, carl)
    book.wait(45.1)
    book.fire(PresenceDue())
    late = told(written(BOB, Join(), stamp=STAMP + 1), carl, age_s=0)

    assert of(book.settle(book.receive(link, late)), MemberChanged) == []
    assert roster(book) == []


def test_we_are_no_member_of_our_own_roster_whoever_says_so() -> None:
    book = Playbook()
    link = book.neighbour(DORA)

    assert book.receive(link, told(written(ANN, Join()))) == []


# Answering


def test_answer_holds_what_the_members_said_themselves_the_latest_first() -> None:
    book = Playbook()
    link = book.link(DORA)
    bob, carl = written(BOB, Join()), written(CARL, Announce(15))
    book.hear(link, bob)
    book.wait(3)
    book.hear(link, carl)
    book.wait(4)

    outputs = book.receive(link, RosterRequest(LOBBY))

    words = (ToldWord(4, carl.payload, carl.signature), ToldWord(7, bob.payload, bob.signature))
    assert outputs == [Send((link,), Roster(LOBBY, last=True, words=words), Priority.HISTORY)]


def test_answer_of_an_empty_room_says_that_there_is_nobody() -> None:
    book = Playbook()
    assert answers(book, book.link(DORA)) == [Roster(LOBBY, last=True, words=())]


def test_answer_leaves_out_who_has_been_silent_for_too_long() -> None:
    book = Playbook()
    link = book.link(DORA)
    book.hear(link, written(BOB, Join()))
    book.wait(45.1)

    assert answers(book, link) == [Roster(LOBBY, last=True, words=())]


def test_answer_leaves_out_who_said_more_than_is_kept() -> None:
    book = Playbook()
    link = book.link(DORA)
    book.hear(link, of_kind(BOB, 130, 15, bytes(MAX_WORD_BYTES)))

    assert roster(book) == ["somebody"]
    assert answers(book, link) == [Roster(LOBBY, last=True, words=())]


def test_large_roster_is_answered_in_small_frames_and_capped() -> None:
    book = Playbook()
    link = book.link(DORA)
    crowd = [written(identity(1000 + number), Announce(312)) for number in range(MAX_WORDS + 10)]
    for item in crowd:
        book.node.rooms[LOBBY].handle_heard(item, book.now)

    frames = answers(book, link)

    assert [len(frame.words) for frame in frames] == [MAX_ROSTER_WORDS] * (MAX_WORDS // MAX_ROSTER_WORDS)
    assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]


def test_request_of_the_same_link_is_answered_again_only_after_a_while() -> None:
    book = Playbook()
    link = book.link(DORA)
    assert len(answers(book, link)) == 1
    book.wait(ANSWER_EVERY_S - 0.1)
    assert answers(book, link) == []
    assert book.refused == {"roster_rate": 1}
    book.wait(0.1)
    assert len(answers(book, link)) == 1


def test_requests_over_ever_new_links_are_answered_only_so_often() -> None:
    book = Playbook()
    answered = 0
    for _ in range(3 * ANSWER_BURST):
        link = book.link(DORA)
        answered += len(answers(book, link))
        book.link_down(link)

    assert answered == ANSWER_BURST


def test_request_for_a_room_not_shared_is_not_answered() -> None:
    book = Playbook()
    link = book.link(DORA, rooms=[WINE])

    assert book.receive(link, RosterRequest(LOBBY), RosterRequest(WINE)) == []
    assert book.refused == {"not_in_room": 2}
