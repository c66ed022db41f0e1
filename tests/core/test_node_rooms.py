"""Coming into rooms, leaving them, and what a node refuses to do for its own people."""

import pytest

from chatcore.envelopes import Announce, Join, Leave, open_envelope
from chatcore.errors import (
    BadName,
    LocalError,
    NotInRoom,
    StoreFailed,
    TextEmpty,
    TextNotUnicode,
    TextTooLong,
    TooManyRooms,
)
from chatcore.events import (
    MemberChanged,
    Movement,
    Notice,
    Persist,
    PresenceDue,
    Priority,
    Rejected,
    Replied,
    RoomChanged,
    RoomRecord,
    RoomReply,
    Send,
    SetTimer,
    Started,
)
from chatcore.messages import MAX_ROOMS, Neighbor, Prune, Publish, Rooms
from chatcore.recent import short_id
from tests.support.core import (
    BOB,
    CARL,
    DORA,
    LOBBY,
    TEA,
    WINE,
    Playbook,
    chat,
    lobby,
    of,
    one,
    pushed,
    sent,
    written,
)


def bodies(outputs: list[Publish]) -> list[object]:
    return [open_envelope(message.payload, message.signature).body for message in outputs]


# The lobby


def test_new_node_is_in_the_lobby_and_stores_that() -> None:
    book = Playbook(started=False)
    assert book.node.room_ids == {LOBBY}

    assert one(book.handle(Started()), Persist).rooms == (RoomRecord(LOBBY, "lobby", joined=True),)


def test_lobby_that_cannot_be_stored_is_a_notice_and_nothing_more() -> None:
    book = Playbook(started=False)

    outputs = book.fail(book.handle(Started()))

    assert [notice.what for notice in of(outputs, Notice)] == ["commit_failed"]
    assert of(outputs, Rejected) == []
    assert book.node.room_ids == {LOBBY}


def test_stored_lobby_is_answered_to_nobody() -> None:
    book = Playbook(started=False)

    assert book.commit(book.handle(Started())) == []


def test_rooms_known_from_before_are_entered_and_not_stored_again() -> None:
    rooms = [RoomRecord(WINE, "wine", joined=True), RoomRecord(LOBBY, "lobby", joined=True)]
    book = Playbook(rooms=rooms, started=False)

    assert book.node.room_ids == {LOBBY, WINE}
    assert of(book.handle(Started()), Persist) == []


def test_lobby_left_before_a_restart_stays_left() -> None:
    book = Playbook(rooms=[RoomRecord(LOBBY, "lobby", joined=False), RoomRecord(TEA, "tea", joined=True)])

    assert book.node.room_ids == {TEA}


def test_room_left_before_a_restart_stays_left() -> None:
    assert Playbook(rooms=[RoomRecord(WINE, "wine", joined=False)]).node.room_ids == {LOBBY}


def test_lobbies_of_two_networks_are_two_rooms() -> None:
    assert Playbook(network="other").node.room_ids == {lobby("other")}
    assert lobby("other") != LOBBY


# Join and leave


def test_join_is_stored_before_it_is_answered_and_told() -> None:
    book = Playbook()
    bob = book.neighbour(BOB, rooms=[LOBBY, WINE])

    asked = book.join("#Wine")
    assert asked == [Persist(one(asked, Persist).job, rooms=(RoomRecord(WINE, "wine", joined=True),))]
    assert book.node.room_ids == {LOBBY}

    outputs = book.commit(asked)
    ((_, greeting),) = sent(outputs, Publish)
    assert outputs == [
        Replied(one(outputs, Replied).request, RoomReply("wine", changed=True)),
        Send((bob,), Rooms(frozenset({LOBBY, WINE})), Priority.CONTROL),
        Send((bob,), greeting, Priority.LIVE),
        RoomChanged("wine", joined=True),
        Send((bob,), Neighbor(WINE, urgent=True), Priority.CONTROL),
    ]
    assert greeting.hops == 0
    assert bodies([greeting]) == [Announce(15)]

    ((links, entering),) = sent(book.befriend(bob, outputs), Publish)
    assert (links, entering.hops) == ((bob,), 16)
    assert bodies([entering]) == [Join()]


def test_leave_is_stored_before_it_is_answered_and_told() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob = book.neighbour(BOB, rooms=[LOBBY, WINE])
    carl = book.neighbour(CARL)

    asked = book.leave("wine")
    assert asked == [Persist(one(asked, Persist).job, rooms=(RoomRecord(WINE, "wine", joined=False),))]
    assert book.node.room_ids == {LOBBY, WINE}

    outputs = book.commit(asked)
    ((_, leaving),) = sent(outputs, Publish)
    assert outputs == [
        Replied(one(outputs, Replied).request, RoomReply("wine", changed=True)),
        pushed([bob], leaving),
        Send((bob, carl), Rooms(frozenset({LOBBY})), Priority.CONTROL),
        RoomChanged("wine", joined=False),
    ]
    assert bodies([leaving]) == [Leave()]


def test_neighbour_that_wanted_less_is_pushed_all_again_after_leave_and_join() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob, carl = (book.neighbour(who, rooms=[LOBBY, WINE]) for who in (BOB, CARL))
    first, second, third = (chat(DORA, text, room=WINE) for text in ("one", "two", "three"))
    book.hear(carl, first)
    book.receive(bob, Prune((short_id(first.id),)))
    assert [links for links, _ in sent(book.hear(carl, second), Publish)] == []

    book.settle(book.leave("wine"))
    outputs = book.settle(book.join("wine"))
    for link in (bob, carl):
        book.befriend(link, outputs)

    assert [links for links, _ in sent(book.hear(carl, third), Publish)] == [(bob,)]


def test_join_without_links_tells_nobody() -> None:
    book = Playbook()

    assert of(book.settle(book.join("wine")), Send) == []


def test_join_of_a_room_we_are_in_changes_nothing() -> None:
    book = Playbook()

    assert [type(output) for output in book.join("lobby")] == [Replied]
    assert one(book.join("LOBBY"), Replied).reply == RoomReply("lobby", changed=False)


def test_second_of_two_joins_under_way_changes_nothing() -> None:
    book = Playbook()
    first, second = book.join("wine"), book.join("wine")

    assert one(book.commit(first), Replied).reply == RoomReply("wine", changed=True)
    assert [type(output) for output in book.commit(second)] == [Replied]


def test_second_of_two_leaves_under_way_changes_nothing() -> None:
    book = Playbook()
    first, second = book.leave("lobby"), book.leave("lobby")

    assert one(book.commit(first), Replied).reply == RoomReply("lobby", changed=True)
    assert one(book.commit(second), Replied).reply == RoomReply("lobby", changed=False)


def test_join_whose_commit_fails_is_rejected_and_we_stay_out() -> None:
    book = Playbook()

    outputs = book.fail(book.join("wine"))

    assert isinstance(one(outputs, Rejected).error, StoreFailed)
    assert book.node.room_ids == {LOBBY}


def test_leave_whose_commit_fails_is_rejected_and_we_stay_in() -> None:
    book = Playbook()

    assert isinstance(one(book.fail(book.leave("lobby")), Rejected).error, StoreFailed)
    assert book.node.room_ids == {LOBBY}


def test_room_joined_again_opens_with_join() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.settle(book.leave("lobby"))

    outputs = book.settle(book.join("lobby"))

    assert bodies([message for _, message in sent(outputs, Publish)]) == [Announce(15)]  # to the link alone
    assert bodies([message for _, message in sent(book.befriend(bob, outputs), Publish)]) == [Join()]


# A room's neighbours


def test_rooms_message_replaces_what_hello_said() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob = book.neighbour(BOB)

    book.befriend(bob, book.receive(bob, Rooms(frozenset({WINE}))))

    assert sent(book.settle(book.say("hello", "lobby")), Publish) == []
    assert len(sent(book.settle(book.say("cheers", "wine")), Publish)) == 1


def test_members_of_a_room_are_those_heard_in_it() -> None:
    book = Playbook()
    bob = book.link(BOB)

    outputs = book.hear(bob, written(CARL, Join(), username="carl"))

    assert one(outputs, MemberChanged) == MemberChanged("lobby", CARL.peer_id, "carl", Movement.JOINED)
    assert [member.username for member in book.node.rooms[LOBBY].members] == ["carl"]
    assert of(book.hear(bob, written(DORA, Leave())), MemberChanged) == []


def test_presence_is_refreshed_within_its_interval_and_never_all_at_once() -> None:
    waits = set()
    for seed in range(20):
        book = Playbook(seed=seed)
        book.neighbour(BOB)
        timer = one(book.fire(PresenceDue()), SetTimer)
        waits.add(timer.at - book.now.mono)

    assert all(12.0 <= wait <= 15.0 for wait in waits)
    assert len(waits) == 20


# Requests that are refused


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", TextEmpty),
        (" \t\n", TextEmpty),
        ("x" * 16_385, TextTooLong),
        ("ü" * 8_193, TextTooLong),
        ("half a \ud83d", TextNotUnicode),
    ],
)
def test_text_that_cannot_be_sent_is_rejected(text: str, error: type[LocalError]) -> None:
    book = Playbook()
    (rejected,) = book.say(text)

    assert isinstance(rejected, Rejected)
    assert isinstance(rejected.error, error)


def test_text_of_the_greatest_length_is_sent() -> None:
    book = Playbook()
    book.settle(book.say("ü" * 8_192))

    assert len(book.texts) == 1


def test_text_for_a_room_we_are_not_in_is_rejected() -> None:
    book = Playbook()

    assert isinstance(one(book.say("hello", "wine"), Rejected).error, NotInRoom)
    assert isinstance(one(book.leave("wine"), Rejected).error, NotInRoom)


def test_bad_room_name_is_rejected() -> None:
    book = Playbook()
    for outputs in (book.say("hello", "no spaces"), book.join("no spaces"), book.leave("no spaces")):
        assert isinstance(one(outputs, Rejected).error, BadName)


def test_room_beyond_the_most_is_rejected() -> None:
    book = Playbook()
    for number in range(MAX_ROOMS - 1):
        book.settle(book.join(f"room-{number}"))

    assert isinstance(one(book.join("one-more"), Rejected).error, TooManyRooms)
    assert len(of(book.join("room-7"), Replied)) == 1


def test_rooms_under_way_count_towards_the_most() -> None:
    # A hello with one room too many would be malformed to every peer.
    book = Playbook()
    asked = [output for number in range(MAX_ROOMS + 3) for output in book.join(f"room-{number}")]

    book.settle(asked)

    assert len(book.node.room_ids) == MAX_ROOMS
    assert len(of(asked, Rejected)) == 4
