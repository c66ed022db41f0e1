"""How far a node says its history is: whole, or so much of it still to come."""

import pytest

from chatcore.events import Received
from chatcore.messages import Ping
from tests.core.test_reconcile import assert_same, link_up, pair, spoken
from tests.support.core import LOBBY, chat
from tests.support.core_network import Network


def history(network: Network, name: str) -> tuple[bool, int]:
    return network[name].node.history_of(LOBBY, network.now)


def test_equal_histories_are_whole_on_both_sides_though_only_one_asks() -> None:
    network, _ = pair(spoken(100), spoken(100))
    assert history(network, "ann") == history(network, "bob") == (False, 0)
    link_up(network)
    assert history(network, "ann") == history(network, "bob") == (True, 0)


def test_what_is_to_come_is_counted_down_to_none() -> None:
    network, _ = pair([], spoken(2000))
    seen: list[int] = []
    send = network._send

    def look(member, link, message):  # type: ignore[no-untyped-def]  # as Network has it
        whole, outstanding = history(network, "ann")
        assert not (whole and outstanding)
        seen.append(outstanding)
        send(member, link, message)

    network._send = look  # type: ignore[method-assign]
    link_up(network)
    assert_same(network)
    # Nearly all at first, less with each page.
    assert 1500 < max(seen) <= 2000
    falling = seen[seen.index(max(seen)) :]
    assert falling == sorted(falling, reverse=True)
    assert history(network, "ann") == (True, 0)


def test_history_is_no_longer_whole_once_somebody_was_away() -> None:
    network, _ = pair(spoken(10), spoken(10))
    link_up(network)
    network.cut("ann", "bob")
    network.say("bob", "while you were away")
    network.wait(1.0)
    network.connect("ann", to="bob")
    network.run()
    assert not history(network, "ann")[0]
    network.wait(10.0)
    assert_same(network)
    assert history(network, "ann") == history(network, "bob") == (True, 0)


def test_own_messages_that_came_back_make_it_whole_at_once() -> None:
    network = Network("ann", "bob")
    mine = [chat(network["ann"].node.identity, f"mine {number}") for number in range(5)]
    for envelope in mine:
        network["bob"].index.add(envelope)
    link_up(network, 1.0)
    assert_same(network)
    assert history(network, "ann") == (True, 0)


@pytest.mark.parametrize(("ahead_s", "whole"), [(0, True), (300, True), (900, False)])
def test_what_lies_beyond_our_clock_nobody_knows_to_be_whole(ahead_s: int, whole: bool) -> None:
    network, _ = pair(spoken(10), spoken(10))
    link_up(network)
    node = network["ann"].node
    (link,) = node.links
    node.handle(Received(link.link, (Ping(1, network.now.wall_ms + 1000 * ahead_s),)), network.now)
    assert history(network, "ann") == (whole, 0)
