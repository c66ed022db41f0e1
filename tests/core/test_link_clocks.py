"""What peers say of their clocks, beside pings and in refusals."""

import pytest

from chatcore.links import REFUSAL_COUNTS_S
from chatcore.messages import MAX_WALL_MS, REFUSED_FUTURE, Ping, Pong, Refused
from tests.support.core import BOB, START, Playbook, sent

HOUR_MS = 3_600_000


def test_pong_tells_how_far_the_clocks_are_apart() -> None:
    book = Playbook()
    ((_, ping),) = sent(book.link_up(BOB), Ping)
    assert ping.wall_ms == START.wall_ms
    link = book.node.links.get(book.newest)
    assert link is not None
    assert link.clock_ahead_ms(book.now) is None
    book.wait(2)

    book.receive(book.newest, Pong(ping.nonce, START.wall_ms + HOUR_MS + 1000))  # said half way

    assert link.clock_ahead_ms(book.now) == HOUR_MS
    book.wait(60)
    assert link.clock_ahead_ms(book.now) == HOUR_MS
    set_right = book.now._replace(wall_ms=book.now.wall_ms + HOUR_MS)
    assert link.clock_ahead_ms(set_right) == 0


def test_ping_of_a_peer_tells_how_far_the_clocks_are_apart_too() -> None:
    book = Playbook()
    bob = book.link(BOB)
    link = book.node.links.get(bob)
    assert link is not None

    book.receive(bob, Ping(1))
    assert link.clock_ahead_ms(book.now) is None
    book.receive(bob, Ping(2, 0))
    assert link.clock_ahead_ms(book.now) == -START.wall_ms


def test_refusal_tells_of_the_clocks_of_a_peer_that_does_not_say_its_own() -> None:
    book = Playbook()
    bob = book.link(BOB)
    link = book.node.links.get(bob)
    assert link is not None

    book.receive(bob, Refused(b"8 bytes.", REFUSED_FUTURE, HOUR_MS))
    assert link.clock_ahead_ms(book.now) == -HOUR_MS
    book.receive(bob, Ping(1, START.wall_ms))
    assert link.clock_ahead_ms(book.now) == 0


def test_refusal_is_no_longer_held_against_a_clock_that_was_set_right() -> None:
    book = Playbook()
    bob = book.link(BOB)
    link = book.node.links.get(bob)
    assert link is not None

    book.receive(bob, Refused(b"8 bytes.", REFUSED_FUTURE, HOUR_MS))
    book.now = book.now._replace(wall_ms=book.now.wall_ms - HOUR_MS)
    assert link.clock_ahead_ms(book.now) == 0


def test_refusal_counts_for_an_hour() -> None:
    book = Playbook()
    bob = book.link(BOB)
    link = book.node.links.get(bob)
    assert link is not None

    book.receive(bob, Refused(b"8 bytes.", REFUSED_FUTURE, HOUR_MS))
    book.wait(REFUSAL_COUNTS_S)
    assert link.clock_ahead_ms(book.now) == -HOUR_MS
    book.wait(1)
    assert link.clock_ahead_ms(book.now) is None


@pytest.mark.parametrize("wall_ms", [-1, 2**48])
def test_clock_out_of_its_mind_still_fits_a_ping(wall_ms: int) -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.now = book.now._replace(wall_ms=wall_ms)

    ((_, pong),) = sent(book.receive(bob, Ping(1)), Pong)
    assert pong.wall_ms == min(max(wall_ms, 0), MAX_WALL_MS)
