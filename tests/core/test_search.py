"""Finding members of a room whom no neighbour is linked with."""

import pytest

from chatcore import search
from chatcore.events import Dial, Output, RoomRecord, ShuffleDue
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.messages import Neighbor, NeighborReply, RoomRequest, RoomResponse, Rooms
from chatcore.names import room_id
from chatcore.records import PeerRecord
from chatcore.search import (
    ASK_FIRST_S,
    ASK_MOST_S,
    MAX_ROOMS_ASKED,
    MAX_WALKS,
    QUESTION_S,
    REQUESTS_BURST,
    WALK_HOPS,
)
from tests.support.core import ANN, BOB, CARL, DORA, LOBBY, TEA, WINE, Playbook, identity, of, sent, signed

FAR = "198.51.100.1:1"


def record(who: Identity, address: str = FAR) -> PeerRecord:
    return signed(who, address)


def asked(outputs: list[Output]) -> list[tuple[LinkId, RoomRequest]]:
    return [(link, request) for links, request in sent(outputs, RoomRequest) for link in links]


def answered(outputs: list[Output]) -> list[tuple[LinkId, RoomResponse]]:
    return [(link, response) for links, response in sent(outputs, RoomResponse) for link in links]


def members(outputs: list[Output]) -> set[bytes]:
    ((_, response),) = answered(outputs)
    return {item.peer_id for item in response.members}


def joined(book: Playbook, room: str = "wine") -> list[Output]:
    return book.settle(book.join(room))


# Asking


def test_newcomer_asks_every_linked_peer_when_none_is_in_the_room() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)

    questions = asked(joined(book))

    assert {link for link, _ in questions} == {bob, carl}
    assert {(request.room, request.hops) for _, request in questions} == {(WINE, WALK_HOPS - 1)}
    assert len({request.nonce for _, request in questions}) == 1


def test_question_sets_out_on_so_many_links_at_most() -> None:
    book = Playbook()
    book.links(MAX_WALKS + 5)

    assert len({link for link, _ in asked(joined(book))}) == MAX_WALKS


def test_room_entered_without_links_is_asked_about_with_the_first() -> None:
    book = Playbook(rooms=[RoomRecord(WINE, "wine", joined=True), RoomRecord(LOBBY, "lobby", joined=True)])

    ((link, request),) = asked(book.link_up(BOB))

    assert (link, request.room) == (book.newest, WINE)


def test_only_so_many_rooms_ask_at_a_time() -> None:
    names = [f"room-{number}" for number in range(MAX_ROOMS_ASKED + 3)]
    book = Playbook(rooms=[RoomRecord(room_id("main", name), name, joined=True) for name in names])

    first = asked(book.link_up(BOB))
    rest = asked(book.fire(ShuffleDue()))

    assert len(first) == MAX_ROOMS_ASKED
    assert len({request.room for _, request in first + rest}) == len(names)


def test_question_is_asked_again_after_pauses_that_double_up_to_five_minutes() -> None:
    book = Playbook()
    book.link(BOB)
    joined(book)

    pauses: list[int] = []
    pause = 0
    while len(pauses) < 8:
        book.wait(1)
        pause += 1
        if any(request.room == WINE for _, request in asked(book.fire(ShuffleDue()))):
            pauses.append(pause)
            pause = 0

    assert pauses == [min(ASK_FIRST_S * 2**number, ASK_MOST_S) for number in range(8)]


def test_room_with_linked_members_asks_only_after_they_had_their_time() -> None:
    book = Playbook()
    bob = book.neighbour(BOB, rooms=[LOBBY, WINE])
    assert asked(joined(book)) == []
    book.receive(bob, NeighborReply(WINE, accepted=True, members=()))
    book.wait(ASK_FIRST_S)

    # One neighbour there and one in the lobby are fewer than are wanted.
    assert {request.room for _, request in asked(book.fire(ShuffleDue()))} == {LOBBY, WINE}


def test_room_with_enough_neighbours_does_not_ask() -> None:
    book = Playbook()
    book.neighbours(4)
    book.wait(ASK_FIRST_S)

    assert asked(book.fire(ShuffleDue())) == []


def test_room_whose_last_member_goes_asks_at_once_unless_it_just_did() -> None:
    book = Playbook()
    book.links(2)
    joined(book)
    bob = book.neighbour(BOB, rooms=[WINE])
    # Who comes and goes must not make it ask each time.
    assert asked(book.link_down(bob)) == []

    bob = book.neighbour(BOB, rooms=[WINE])
    book.wait(ASK_FIRST_S)
    questions = asked(book.link_down(bob))

    assert WINE in {request.room for _, request in questions}


def test_room_that_was_left_asks_no_more() -> None:
    book = Playbook()
    book.neighbours(4)
    joined(book)
    book.settle(book.leave("wine"))
    book.wait(ASK_MOST_S)

    assert asked(book.fire(ShuffleDue())) == []


# Answering


def test_peer_outside_the_room_names_linked_members_but_not_who_asks() -> None:
    book = Playbook()
    asker = book.link(BOB, rooms=[LOBBY, WINE], port=1)
    book.link(CARL, rooms=[LOBBY, WINE], port=2)
    book.link(DORA, rooms=[LOBBY], port=3)

    outputs = book.receive(asker, RoomRequest(WINE, 7, 0))

    assert members(outputs) == {CARL.peer_id}
    assert answered(outputs)[0][0] == asker


def test_peer_in_the_room_names_members_it_only_knows_of() -> None:
    book = Playbook()
    joined(book)
    carl = book.link(CARL, rooms=[WINE], port=1)
    book.receive(carl, NeighborReply(WINE, accepted=True, members=(record(DORA),)))
    asker = book.link(BOB)

    assert members(book.receive(asker, RoomRequest(WINE, 7, 0))) == {CARL.peer_id, DORA.peer_id}


def test_answer_has_so_many_records_at_most() -> None:
    book = Playbook()
    for number in range(20):
        book.link(identity(100 + number), rooms=[WINE], port=1)
    asker = book.link(BOB)

    assert len(members(book.receive(asker, RoomRequest(WINE, 7, 0)))) == search.SAMPLE


def test_member_that_does_not_listen_is_not_named() -> None:
    book = Playbook()
    book.link(CARL, rooms=[WINE], port=0)
    asker = book.link(BOB)

    assert answered(book.receive(asker, RoomRequest(WINE, 7, 0))) == []


@pytest.mark.parametrize(("known", "goes_on"), [(0, True), (1, True), (2, False), (3, False)])
def test_question_goes_on_until_two_members_are_known(known: int, *, goes_on: bool) -> None:
    book = Playbook()
    asker = book.link(BOB)
    for number in range(known):  # one of them may be who asks
        book.link(identity(100 + number), rooms=[WINE], port=1)
    book.link(CARL)

    outputs = book.receive(asker, RoomRequest(WINE, 7, 3))

    assert [request for _, request in asked(outputs)] == [RoomRequest(WINE, 7, 2)] * goes_on
    assert asker not in {link for link, _ in asked(outputs)}


@pytest.mark.parametrize(("hops", "left"), [(0, []), (1, [0]), (255, [WALK_HOPS - 2])])
def test_question_makes_so_many_hops_at_most(hops: int, left: list[int]) -> None:
    book = Playbook()
    asker = book.link(BOB)
    book.link(CARL)

    outputs = book.receive(asker, RoomRequest(WINE, 7, hops))

    assert [request.hops for _, request in asked(outputs)] == left


def test_question_that_comes_again_is_not_answered_again_but_goes_on_to_another() -> None:
    book = Playbook()
    one, other = book.link(BOB), book.link(CARL)
    book.link(DORA, rooms=[WINE], port=1)
    book.links(3)

    first = book.receive(one, RoomRequest(WINE, 7, 3))
    again = book.receive(other, RoomRequest(WINE, 7, 2))

    assert (len(answered(first)), len(answered(again))) == (1, 0)
    ((link, _),), ((next_link, _),) = asked(first), asked(again)
    assert next_link not in {link, other}


def test_questions_beyond_the_rate_are_dropped_and_counted() -> None:
    book = Playbook()
    asker = book.link(BOB)
    book.link(CARL)
    questions = [RoomRequest(WINE, number, 3) for number in range(REQUESTS_BURST + 5)]

    assert len(asked(book.receive(asker, *questions))) == REQUESTS_BURST
    assert book.refused["room_request_rate"] == 5
    book.wait(0.25)
    assert len(asked(book.receive(asker, RoomRequest(WINE, 99, 3)))) == 1


# Answers on their way


def handed_on(book: Playbook, asker: LinkId, nonce: int = 7, hops: int = 3) -> LinkId:
    ((link, _),) = asked(book.receive(asker, RoomRequest(WINE, nonce, hops)))
    return link


def test_answer_goes_back_the_way_the_question_came() -> None:
    book = Playbook()
    asker, other = book.link(BOB), book.link(CARL)
    assert handed_on(book, asker) == other
    answer = RoomResponse(7, (record(DORA),))

    assert answered(book.receive(other, answer)) == [(asker, answer)]


def test_answers_are_as_many_as_peers_the_question_may_come_to() -> None:
    book = Playbook()
    asker, other = book.link(BOB), book.link(CARL)
    handed_on(book, asker, hops=3)
    answers = [RoomResponse(7, (record(DORA),))] * 5

    assert len(answered(book.receive(other, *answers))) == 3
    assert book.refused["unasked_members"] == 2


def test_answer_nobody_asked_for_is_dropped_and_counted() -> None:
    book = Playbook()
    bob, carl, dora = book.link(BOB), book.link(CARL), book.link(DORA)
    way = handed_on(book, bob)
    (elsewhere,) = {carl, dora} - {way}

    assert book.receive(bob, RoomResponse(8, (record(DORA),))) == []
    assert book.receive(elsewhere, RoomResponse(7, (record(DORA),))) == []
    book.wait(QUESTION_S)
    assert book.receive(way, RoomResponse(7, (record(DORA),))) == []
    assert book.refused["unasked_members"] == 3


def test_answer_for_a_link_that_is_gone_is_dropped() -> None:
    book = Playbook()
    asker, other = book.link(BOB), book.link(CARL)
    handed_on(book, asker)
    book.link_down(asker)

    assert book.receive(other, RoomResponse(7, (record(DORA),))) == []


def test_oldest_question_makes_way_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_QUESTIONS", 2)
    book = Playbook()
    asker, other = book.link(BOB), book.link(CARL)
    for nonce in (1, 2, 3):
        handed_on(book, asker, nonce)

    got = [bool(answered(book.receive(other, RoomResponse(nonce, (record(DORA),))))) for nonce in (1, 2, 3)]

    assert got == [False, True, True]


# What comes of it


def test_members_that_an_answer_names_are_dialled() -> None:
    book = Playbook()
    bob = book.link(BOB)
    ((_, request),) = asked(joined(book))

    outputs = book.receive(bob, RoomResponse(request.nonce, (record(CARL), record(ANN, "198.51.100.2:1"))))

    assert of(outputs, Dial) == [Dial(FAR, CARL.peer_id)]
    outputs = book.link_up(CARL, dialled=FAR, rooms=[WINE])
    assert sent(outputs, Neighbor) == [((book.newest,), Neighbor(WINE, urgent=True))]


def test_answer_for_a_room_that_was_left_meanwhile_is_nothing_to_us() -> None:
    book = Playbook()
    bob = book.link(BOB)
    ((_, request),) = asked(joined(book))
    book.settle(book.leave("wine"))

    assert book.receive(bob, RoomResponse(request.nonce, (record(CARL),))) == []


def test_peer_that_comes_into_the_room_ends_the_search() -> None:
    book = Playbook()
    others = book.links(4)
    joined(book)
    for link in others:
        book.befriend(link, book.receive(link, Rooms(frozenset({WINE, TEA}))))
    book.wait(ASK_MOST_S)

    assert WINE not in {request.room for _, request in asked(book.fire(ShuffleDue()))}
