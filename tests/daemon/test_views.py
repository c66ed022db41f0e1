"""What the local API shows: every value plain JSON, every time one that can be read back."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from chatcore import api
from chatcore.clock import MAX_STAMP, Now
from chatcore.config import NodeConfig
from chatcore.envelopes import Chat, Join, Leave, seal
from chatcore.events import (
    LinkUp,
    MemberChanged,
    MessageAdded,
    Movement,
    PeerChanged,
    Renamed,
    RoomChanged,
    Started,
    StateChanged,
    StoredMessage,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId, PeerId
from chatcore.names import LOBBY, room_id
from chatcore.node import Node
from chatcore.own import OwnMessage, State
from chatcore.people import People, Person
from chatd import views
from tests.support.peer import hello
from tests.support.sortedindex import SortedIndex

OWN = Identity(b"o" * 32)
OTHER = Identity(b"p" * 32)
NOW = Now(100.0, 1_700_000_000_000)
ROOM = room_id("main", LOBBY)


@pytest.fixture
def node() -> Node:
    config = NodeConfig(username="ann", bootstrap=("192.0.2.1:1",))
    made = Node(OWN, config, index=SortedIndex(), rng=random.Random(1), now=NOW)
    made.handle(Started(), NOW)
    return made


def link_up(node: Node, number: int = 1, *, dialled: str | None = None) -> PeerId:
    peer_id = Identity(bytes([number]) * 32).peer_id
    told = hello(username=f"peer {number}")
    address = f"198.51.100.{number}:5000"
    binding = bytes([number]) * 32
    node.handle(LinkUp(LinkId(number), peer_id, told, address, dialled, node.room_ids, binding), NOW)
    return peer_id


def keys(of: Any) -> set[str]:
    return set(of.__required_keys__)


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (MAX_STAMP >> 16, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_rfc_3339_whatever_the_stamp(time_ms: int, text: str) -> None:
    assert views.rfc3339(time_ms) == text
    assert datetime.fromisoformat(text).tzinfo is UTC


def test_message_shows_who_said_what_and_when() -> None:
    envelope = seal(OTHER, ROOM, (1_700_000_000_007 << 16) + 3, "Zoë", Chat("hé"))
    shown = views.message(7, envelope, "lobby")
    assert shown == {
        "seq": 7,
        "id": str(envelope.id),
        "room": "lobby",
        "author": str(OTHER.peer_id),
        "username": "Zoë",
        "text": "hé",
        "time_ms": 1_700_000_000_007,
        "time": "2023-11-14T22:13:20.007Z",
    }
    assert set(shown) == keys(api.Message) - {"state"}  # of our own alone


def test_only_chat_is_shown_as_a_message() -> None:
    with pytest.raises(AssertionError, match="only chat"):
        views.message(1, seal(OTHER, ROOM, 1, "x", Join()), "lobby")


def test_identity_shows_no_secret() -> None:
    node = Node(OWN, NodeConfig(username="ann"), index=SortedIndex(), rng=random.Random(1), now=NOW)
    shown = views.identity(node)
    assert shown == {
        "peer_id": str(OWN.peer_id),
        "public_key": OWN.public_key.hex(),
        "username": "ann",
    }
    assert (b"o" * 32).hex() not in json.dumps(shown)


def test_peers_are_shown_with_the_address_that_leads_to_them(node: Node) -> None:
    caller = link_up(node, 1)
    called = link_up(node, 2, dialled="friend.example:8080")
    first, second = views.peers(node, Now(160.5, 0))
    assert (first["peer_id"], first["address"], first["direction"]) == (
        str(caller),
        "198.51.100.1:5000",
        "in",
    )
    assert (second["peer_id"], second["address"], second["direction"]) == (
        str(called),
        "friend.example:8080",
        "out",
    )
    assert (first["connected_s"], first["rtt_ms"], first["rooms"]) == (60.5, None, ["lobby"])
    assert set(first) == keys(api.Peer)


def test_rooms_are_shown_with_their_members(node: Node) -> None:
    link_up(node)
    (shown,) = views.rooms(node, NOW)
    assert (shown["room"], shown["room_id"], shown["peers"], shown["members"]) == ("lobby", str(ROOM), 1, [])
    assert set(shown) == keys(api.Room)


def test_members_are_shown_with_us_first_and_who_went_last(node: Node) -> None:
    room = node.rooms[ROOM]
    heard = [Now(NOW.mono + number, NOW.wall_ms) for number in range(4)]
    stamp = NOW.wall_ms << 16
    room.handle_heard(seal(Identity(b"c" * 32), ROOM, stamp, "carl", Join()), heard[0])
    room.handle_heard(seal(OTHER, ROOM, stamp, "bob", Join()), heard[1])
    room.handle_heard(seal(Identity(b"d" * 32), ROOM, stamp, "dora", Join()), heard[2])
    room.handle_heard(seal(OTHER, ROOM, stamp + 1, "bob", Leave()), heard[3])

    shown = views.members(node, room, heard[3], former=True)

    assert [(item["username"], item["state"], item["last_seen_s"], item["you"]) for item in shown] == [
        (node.username, "here", 0.0, True),
        ("carl", "here", 3.0, False),
        ("dora", "here", 1.0, False),
        ("bob", "left", 2.0, False),
    ]
    assert {frozenset(item) for item in shown} == {frozenset(keys(api.Present))}
    assert len(views.members(node, room, heard[3], former=False)) == 3

    node.people.put(Person(Identity(b"c" * 32).peer_id, alias="Carlos"))
    node.people.put(Person(Identity(b"d" * 32).peer_id, blocked=True))
    node.people.put(Person(OTHER.peer_id, blocked=True))
    _, carl = views.members(node, room, heard[3], former=True)
    assert (carl["username"], carl["alias"]) == ("carl", "Carlos")


def test_dialling_shows_what_is_not_reached_and_when_it_is_tried_again(node: Node) -> None:
    (shown,) = views.dialling(node, NOW)
    assert shown == {"address": "192.0.2.1:1", "reason": None, "next_try_s": None, "failures": 0}
    link_up(node, 2, dialled="192.0.2.1:1")
    assert views.dialling(node, NOW) == []


def test_events_have_a_topic_and_the_seq_of_the_last_message() -> None:
    envelope = seal(OTHER, ROOM, 1, "bob", Chat("hi"))
    told = [
        views.event(MessageAdded("lobby", StoredMessage(9, envelope)), 8, People()),
        views.event(PeerChanged(OTHER.peer_id, "bob", "192.0.2.1:1", True, True, ""), 9, People()),
        views.event(PeerChanged(OTHER.peer_id, "bob", "192.0.2.1:1", False, False, "left"), 9, People()),
        views.event(MemberChanged("lobby", OTHER.peer_id, "bob", Movement.JOINED), 9, People()),
        views.event(MemberChanged("lobby", OTHER.peer_id, "bob", Movement.LEFT), 9, People()),
        views.event(MemberChanged("lobby", OTHER.peer_id, "rob", Movement.RENAMED, was="bob"), 9, People()),
        views.event(Renamed("anna"), 9, People()),
        views.event(RoomChanged("games", True), 9, People()),
        views.event(RoomChanged("games", False), 9, People()),
        views.event(StateChanged("lobby", OwnMessage(envelope.id, ROOM, State.SENT)), 9, People()),
    ]
    assert {event["seq"] for event in told} == {9}
    assert [event["topic"] for event in told] == [
        "message",
        "peer",
        "peer",
        "presence",
        "presence",
        "presence",
        "identity",
        "room",
        "room",
        "state",
    ]
    assert [event["data"].get("state") for event in told[1:]] == [
        "up",
        "down",
        "joined",
        "left",
        "renamed",
        "renamed",
        "joined",
        "left",
        "sent",
    ]
    assert (told[1]["data"]["direction"], told[2]["data"]["direction"]) == ("out", "in")
    assert json.loads(json.dumps(told)) == told
