"""What happens, as lines."""

from datetime import UTC, date
from typing import Any

import pytest

from chatctl.failures import BadUsage, DaemonUnreachable, RpcRefused
from chatctl.repl.conversation import Conversation
from chatctl.repl.view import View
from chatctl.stream import Away, Back, Event
from chatctl.style import PLAIN
from tests.client.fakechatd import OTHER_ID, PEER_ID, message, snapshot

TODAY = date(2026, 3, 3)


@pytest.fixture
def conversation() -> Conversation:
    return Conversation(snapshot(rooms=("lobby", "tea")))  # type: ignore[arg-type]  # a literal of its shape


@pytest.fixture
def view(conversation: Conversation) -> View:
    return View(conversation, PLAIN, TODAY, UTC)


def heard(**fields: Any) -> Event:
    return Event("message", message(1, **fields)["data"])


def moved(view: View, topic: str, data: dict[str, Any]) -> str:
    """How a coming or going is told alone."""
    assert view.update(Event(topic, data)) == []
    movement = view.movement(topic, data)
    return "" if movement is None else movement.line


def test_greeting_says_who_where_and_with_how_many(conversation: Conversation, view: View) -> None:
    assert (
        view.greeting()
        == f"-- you are ann ({PEER_ID[:10]}) in #lobby, no peers yet; /help lists the commands"
    )
    conversation.link(OTHER_ID, up=True)
    assert "in #lobby, 1 peer;" in view.greeting()
    conversation.link("a third", up=True)
    assert "in #lobby, 2 peers;" in view.greeting()
    conversation.rooms.clear()
    assert "in no room, 2 peers;" in view.greeting()


def test_message_of_another_room_is_shown_with_its_room(view: View) -> None:
    assert view.update(heard()) == ["11:00 bob: hello"]
    assert view.update(heard(room="tea")) == ["11:00 #tea bob: hello"]


def test_message_of_another_day_comes_under_its_date(view: View) -> None:
    day_before = 1_772_535_600_000 - 86_400_000
    assert view.update(heard(time_ms=day_before)) == ["-- Monday, 02 March 2026", "11:00 bob: hello"]
    assert view.update(heard(time_ms=day_before)) == ["11:00 bob: hello"]
    assert view.update(heard()) == ["-- Tuesday, 03 March 2026", "11:00 bob: hello"]


def test_namesake_of_ours_is_told_apart_from_the_first_line(view: View) -> None:
    assert view.update(heard(username="Ann")) == [
        "!! Ann~zz27 goes by your own name, with another key",
        "11:00 Ann~zz27: hello",
    ]
    assert view.update(heard(username="ann", author=PEER_ID)) == ["11:00 ann~k3f9: hello"]


def test_own_message_carries_how_far_it_had_come(view: View) -> None:
    assert view.update(heard(author=PEER_ID, username="ann", state="queued")) == ["11:00 ann: hello [queued]"]
    assert view.update(heard(author=PEER_ID, username="ann", state="sent")) == ["11:00 ann: hello [sent]"]


def test_changes_of_state_are_told_where_they_matter(view: View, conversation: Conversation) -> None:
    conversation.deliveries.said("id1", "queued")
    data = {"id": "id1", "room": "lobby", "state": "sent", "confirmed": 0, "reason": None}
    assert view.update(Event("state", data)) == []
    refused = {**data, "state": "refused", "reason": "by its clock"}
    assert view.update(Event("state", refused)) == ["!! not taken: by its clock"]
    delivered = {**data, "state": "delivered", "confirmed": 2}
    assert view.update(Event("state", delivered)) == ["-- what was queued is delivered"]
    assert conversation.deliveries.summary == "delivered to 2"


def test_peers_come_and_go(conversation: Conversation, view: View) -> None:
    data = {
        "peer_id": OTHER_ID,
        "username": "bob",
        "address": "a:1",
        "direction": "in",
        "state": "up",
        "reason": "",
    }
    assert moved(view, "peer", data) == "linked with bob (a:1)"
    moved(view, "peer", data)  # told again, as by a snapshot that was made meanwhile
    assert conversation.peers == 1
    assert moved(view, "peer", {**data, "state": "down", "reason": "timeout"}) == "lost bob (a:1): timeout"
    assert conversation.peers == 0


def test_members_come_and_go(conversation: Conversation, view: View) -> None:
    data = {"room": "lobby", "peer_id": OTHER_ID, "username": "bob", "state": "joined"}
    assert moved(view, "presence", data) == "bob came into #lobby"
    assert conversation.people("lobby") == [(OTHER_ID, "bob")]
    assert moved(view, "presence", {**data, "state": "left"}) == "bob left #lobby"
    assert conversation.people("lobby") == []
    assert moved(view, "presence", {**data, "state": "lost"}) == "bob is gone from #lobby without a word"


def test_member_with_another_name_is_told_with_both(view: View) -> None:
    data = {"room": "lobby", "peer_id": OTHER_ID, "username": "robert", "was": "bob", "state": "renamed"}
    assert view.update(Event("presence", data)) == ["-- bob is called robert now"]


def test_who_was_here_before_us_is_no_news_but_known(conversation: Conversation, view: View) -> None:
    here = {"room": "lobby", "peer_id": OTHER_ID, "username": "bob", "state": "here"}
    assert moved(view, "presence", here) == ""
    assert conversation.people("lobby") == [(OTHER_ID, "bob")]
    assert moved(view, "presence", {**here, "username": "ann"}) == ""
    assert conversation.nicks.label(PEER_ID, "ann") == f"ann~{PEER_ID[:4]}"


def test_own_new_name_is_told_and_used_from_then_on(conversation: Conversation, view: View) -> None:
    assert view.update(Event("identity", {"state": "renamed", "username": "anna"})) == ["-- you are anna now"]
    assert conversation.me["username"] == "anna"


def test_room_we_talk_in_is_left_for_the_lobby(conversation: Conversation, view: View) -> None:
    conversation.enter("tea")
    assert view.update(Event("room", {"room": "tea", "state": "left"})) == [
        "-- you left #tea",
        "-- you talk in #lobby now",
    ]
    assert (conversation.room, conversation.rooms) == ("lobby", ["lobby"])
    assert view.left("tea") == []
    assert view.update(Event("room", {"room": "lobby", "state": "left"})) == ["-- you left #lobby"]
    assert conversation.room == "lobby"


def test_room_joined_elsewhere_is_told_and_not_talked_in(conversation: Conversation, view: View) -> None:
    assert view.update(Event("room", {"room": "new", "state": "joined"})) == ["-- you are now in #new"]
    assert "new" in conversation.rooms
    assert conversation.room == "lobby"


def test_restart_is_told(view: View, conversation: Conversation) -> None:
    assert view.update(Away(DaemonUnreachable("/s", "gone"))) == [
        "-- the daemon went away; waiting for it to come back"
    ]
    now: Any = snapshot(rooms=("lobby",))
    assert view.update(Back(now, resumed=True)) == ["-- the daemon is back"]
    assert conversation.rooms == ["lobby"]
    assert not conversation.to_open


def test_room_that_is_gone_after_a_restart_is_talked_in_no_more(
    view: View, conversation: Conversation
) -> None:
    conversation.enter("tea")
    now: Any = snapshot(rooms=("lobby",))
    assert view.update(Back(now, resumed=True)) == ["-- the daemon is back", "-- you talk in #lobby now"]
    assert (conversation.room, conversation.to_open) == ("lobby", True)


def test_other_daemon_in_its_place_is_loud(view: View) -> None:
    now: Any = snapshot(peer_id=OTHER_ID)
    (line,) = view.update(Back(now, resumed=False))
    assert line.startswith(f"!! another daemon answers now: you are ann ({OTHER_ID[:10]})")


def test_events_of_a_newer_daemon_are_left_out_and_a_gap_is_told(view: View) -> None:
    assert view.update(Event("new", {})) == []
    assert len(view.update(Event("gap", {"since": 1, "upto": 2}))) == 1


def test_error_is_one_line_with_what_to_do(view: View) -> None:
    assert view.error(BadUsage("what\nis wrong\x1b", "what to do")) == "!! what is wrong; what to do"
    refused = RpcRefused(1006, "this node is not in #x", "not_in_room", "join it first: chatctl join '#x'")
    assert view.error(refused) == "!! this node is not in #x; come into it with /join #x"


def test_conversation_without_the_lobby_starts_in_another_room() -> None:
    somewhere: Any = snapshot(rooms=("b", "a"))
    nowhere: Any = snapshot(rooms=())
    assert Conversation(somewhere).room == "a"
    assert Conversation(nowhere).room == "lobby"
