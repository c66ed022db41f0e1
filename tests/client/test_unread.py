"""What is unread where."""

from chatctl.repl.unread import IDLE_S, MAX_SHOWN, Attention, Unread


def test_messages_elsewhere_are_counted_until_their_room_is_opened() -> None:
    unread = Unread({}, 5)
    unread.heard(6)
    unread.arrived("tea", 6)
    unread.arrived("tea", 6, names_us=True)
    unread.arrived("tea", 6, ours=True)
    count = unread.of("tea")
    assert (count.messages, count.mentions, count.lines) == (2, 1, 3)
    unread.opened("tea")
    assert unread.of("tea").lines == 0
    assert unread.mark("tea") == 6


def test_room_never_seen_before_has_nothing_new() -> None:
    assert Unread({}, 5).mark("tea") == 5


def test_first_message_of_a_room_never_seen_is_new() -> None:
    unread = Unread({}, 5)
    unread.heard(6)
    unread.arrived("tea", 6)
    assert unread.mark("tea") == 5


def test_message_shown_before_it_was_heard_of_is_read() -> None:
    unread = Unread({}, 5)
    unread.opened("tea", 7)
    assert unread.mark("tea") == 7
    unread.opened("lobby")
    assert unread.mark("lobby") == 5


def test_another_store_starts_anew() -> None:
    read = {"tea": 3}
    unread = Unread(read, 5)
    unread.arrived("tea", 6)
    read.clear()
    unread.start_over(2)
    assert unread.mark("tea") == 2
    assert unread.of("tea").messages == 0


def test_next_room_is_where_we_were_named_then_the_next_with_news() -> None:
    unread = Unread({}, 0)
    order = ["lobby", "tea", "rust", "go"]
    assert unread.next_after("lobby", order) is None
    unread.arrived("lobby", 6)
    unread.arrived("rust", 6)
    assert unread.next_after("tea", order) == "rust"
    assert unread.next_after("rust", order) == "lobby"
    unread.arrived("tea", 6, names_us=True)
    assert unread.next_after("rust", order) == "tea"
    assert unread.next_after("none of them", order) == "tea"


def test_room_that_was_left_is_not_next() -> None:
    unread = Unread({}, 0)
    unread.arrived("tea", 6)
    unread.forget("tea")
    assert unread.next_after("lobby", ["lobby", "tea"]) is None


def test_large_count_is_shown_short() -> None:
    unread = Unread({}, 0)
    for _ in range(MAX_SHOWN):
        unread.arrived("tea", 6)
    assert str(unread.of("tea")) == "99"
    unread.arrived("tea", 6)
    assert str(unread.of("tea")) == "99+"


def test_first_message_unseen_is_ruled_off_once() -> None:
    attention = Attention(0.0)
    assert not attention.is_first_unseen(IDLE_S - 1)
    assert attention.is_first_unseen(IDLE_S)
    assert not attention.is_first_unseen(IDLE_S + 1)
    attention.key_pressed(IDLE_S + 2)
    assert not attention.is_first_unseen(IDLE_S + 3)
    assert attention.is_first_unseen(2 * IDLE_S + 2)
