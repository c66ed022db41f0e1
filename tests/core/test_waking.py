"""After a sleep: every link is to show that it is alive, nobody is taken for dead before it could."""

import pytest

from chatcore.clock import Now
from chatcore.config import LinkConfig
from chatcore.errors import ClosedByPeer, Unreachable
from chatcore.events import (
    CloseLink,
    Dial,
    DialFailed,
    Input,
    LinkDown,
    MemberChanged,
    PingDue,
    PresenceDue,
    Received,
    SetTimer,
    TimerFired,
)
from chatcore.ids import LinkId
from chatcore.messages import Ping, Pong
from chatcore.waking import Waking
from tests.support.core import BOB, CARL, DORA, Playbook, chat, of, sent

FRIEND = "198.51.100.9:8080"

SLEEPS = [pytest.param(0.2, id="suspended"), pytest.param(3600.0, id="stopped")]
"""Seconds of an hour that the monotonic clock has counted."""


def a_node_that_slept(mono_s: float) -> tuple[Playbook, LinkId, LinkId]:
    """Linked with two, both heard a moment before it slept for an hour."""
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    for link in book.node.links:
        (nonce,) = link.pings
        book.receive(link.link, Pong(nonce))
    book.sleep(3600.0, mono_s=mono_s)
    return book, bob, carl


@pytest.mark.parametrize("mono_s", SLEEPS)
@pytest.mark.parametrize(
    "event", [TimerFired(PingDue()), TimerFired(PresenceDue()), Received(LinkId(99), ())], ids=str
)
def test_first_input_after_a_sleep_has_every_link_pinged_once(event: Input, mono_s: float) -> None:
    book, bob, carl = a_node_that_slept(mono_s)

    outputs = book.handle(event)

    assert [to for to, _ in sent(outputs, Ping)] == [(bob,), (carl,)]
    assert of(outputs, CloseLink) == []
    assert SetTimer(PingDue(), book.now.mono + 5.0) in outputs


@pytest.mark.parametrize("mono_s", SLEEPS)
def test_link_that_does_not_answer_after_a_sleep_is_dropped_at_the_next_pings(mono_s: float) -> None:
    book, bob, carl = a_node_that_slept(mono_s)
    for to, ping in sent(book.fire(PingDue()), Ping):
        if to == (carl,):
            book.receive(carl, Pong(ping.nonce))
    book.wait(5.0)

    outputs = book.fire(PingDue())

    assert [(output.link, output.error.kind) for output in of(outputs, CloseLink)] == [(bob, "silent")]


def test_ping_that_was_not_answered_before_the_sleep_drops_nobody() -> None:
    book = Playbook()
    book.link(BOB)
    book.sleep(3600.0, mono_s=3600.0)

    assert of(book.fire(PingDue()), CloseLink) == []


@pytest.mark.parametrize("late_s", [0.0, 0.2, 1.0])
def test_pings_that_were_due_during_the_sleep_drop_nobody(late_s: float) -> None:
    book, *_ = a_node_that_slept(3600.0)
    book.fire(PresenceDue())
    book.wait(late_s)

    assert of(book.fire(PingDue()), CloseLink) == []


@pytest.mark.parametrize("ahead_s", [-3600.0, 7.0])
def test_clock_set_back_or_a_little_ahead_is_no_sleep(ahead_s: float) -> None:
    book, *_ = a_node_that_slept(0.2)
    book.fire(PresenceDue())
    book.sleep(ahead_s, mono_s=0.1)

    assert sent(book.fire(PresenceDue()), Ping) == []


def test_nobody_is_taken_off_the_roster_for_our_own_sleep() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.hear(bob, chat(DORA, "here"))
    book.sleep(3600.0, mono_s=3600.0)

    assert of(book.fire(PresenceDue()), MemberChanged) == []

    book.wait(14.9)
    assert of(book.fire(PresenceDue()), MemberChanged) == []
    book.wait(0.2)
    assert [change.peer_id for change in of(book.fire(PresenceDue()), MemberChanged)] == [DORA.peer_id]


@pytest.mark.parametrize("mono_s", SLEEPS)
def test_pauses_before_the_next_dial_end_with_the_sleep(mono_s: float) -> None:
    book = Playbook(bootstrap=(FRIEND,))
    for _ in range(9):  # some minutes until the next one
        book.handle(DialFailed(FRIEND, Unreachable("no route to host")))
    assert of(book.fire(PingDue()), Dial) == []

    book.sleep(3600.0, mono_s=min(mono_s, 20.0))

    assert [dial.address for dial in of(book.fire(PresenceDue()), Dial)] == [FRIEND]


def test_lost_peer_is_dialled_at_once_after_a_sleep() -> None:
    book = Playbook()
    book.link_up(BOB, dialled=FRIEND, port=8080)
    book.handle(LinkDown(book.newest, ClosedByPeer("")))
    for _ in range(5):
        book.handle(DialFailed(FRIEND, Unreachable("no route to host")))
    book.wait(0.5)
    assert of(book.fire(PingDue()), Dial) == []

    book.sleep(3600.0, mono_s=0.1)

    assert [dial.address for dial in of(book.fire(PresenceDue()), Dial)] == [FRIEND]


def test_sleep_is_told_once() -> None:
    waking = Waking(LinkConfig(), Now(0.0, 0))

    assert not waking.handle_input(Now(7.5, 7500))
    assert waking.handle_input(Now(7.5, 15_001))
    assert not waking.handle_input(Now(8.0, 15_002))
    assert waking.handle_input(Now(15.6, 15_003))  # and the wall clock was set right meanwhile
