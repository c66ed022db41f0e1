"""Nodes among themselves: what is said at one is shown exactly once at all."""

import pytest

from chatcore.codec import encode_message
from chatcore.config import GossipConfig
from chatcore.envelopes import Chat
from chatcore.errors import OwnAddress
from chatcore.events import (
    LinkUp,
    MemberChanged,
    MessageAdded,
    Movement,
    Output,
    PeerChanged,
    Received,
    Rejected,
    Replied,
    Send,
    SentReply,
    Stop,
)
from chatcore.ids import LinkId
from chatcore.own import State
from chatcore.session import SendEncoded
from tests.support.core import ANN, BOB, Playbook, hello
from tests.support.core_network import Network
from tests.support.core_sessions import credentials, exchange, pair

TEN = [f"n{number}" for number in range(10)]


def assert_stored_once_each(network: Network, texts: list[str]) -> None:
    for member in network.members.values():
        assert sorted(member.texts) == sorted(texts), member.name
        assert len(member.stored) == len(texts), member.name


# Two


def test_two_nodes_hear_each_other() -> None:
    network = Network("ann", "bob")
    network.connect("ann", to="bob")
    network.run()
    assert (network["ann"].peers, network["bob"].peers) == ({"bob"}, {"ann"})
    assert (network["ann"].members(), network["bob"].members()) == ({"bob"}, {"ann"})

    network.say("ann", "hi bob")
    network.say("bob", "hi ann")
    network.run()

    assert_stored_once_each(network, ["hi bob", "hi ann"])


def test_message_said_alone_is_stored_and_handed_to_nobody() -> None:
    network = Network("ann")
    network.say("ann", "anybody?")
    network.run()

    (answer,) = network["ann"].answers
    assert isinstance(answer, Replied)
    assert isinstance(answer.reply, SentReply)
    assert answer.reply.own.state is State.QUEUED
    assert network["ann"].texts == ["anybody?"]


def test_two_that_dial_each_other_at_once_keep_one_link() -> None:
    network = Network("ann", "bob")
    network.connect("ann", to="bob")
    network.connect("bob", to="ann")
    network.run()

    ann, bob = network["ann"], network["bob"]
    assert len(ann.node.links) == len(bob.node.links) == 1
    (mine,), (theirs,) = list(ann.node.links), list(bob.node.links)
    assert ann.links[mine.link].other is bob.links[theirs.link]
    lower = min(ann, bob, key=lambda member: member.node.identity.peer_id)
    assert next(iter(lower.node.links)).outbound

    network.say("ann", "one link is enough")
    network.wait(600)
    assert_stored_once_each(network, ["one link is enough"])
    assert len(ann.node.links) == 1
    assert sum(isinstance(news, PeerChanged) and news.up for news in ann.news) <= 2


def test_node_that_dials_itself_learns_it() -> None:
    network = Network("ann")
    network.connect("ann", to="ann")
    network.run()
    network.wait(600)
    assert len(network["ann"].notices) == 1

    network.connect("ann", to="ann")
    network.run()
    answer = network["ann"].answers[-1]
    assert isinstance(answer, Rejected)
    assert isinstance(answer.error, OwnAddress)


def test_lost_link_is_dialled_again() -> None:
    network = Network("ann", "bob")
    network.connect("ann", to="bob")
    network.run()
    network["ann"].listens = False  # or bob might call back first
    network.cut("ann", "bob")
    network.run()
    assert network["ann"].peers == set()

    network.wait(1.5)

    assert network["ann"].peers == {"bob"}


def test_node_that_goes_quietly_is_missed_and_one_that_stops_says_so() -> None:
    network = Network("ann", "bob", "carl")
    network.connect("bob", to="ann")
    network.connect("carl", to="ann")
    network.run()
    network.wait(20)
    assert network["ann"].members() == {"bob", "carl"}

    network.post(network["bob"], Stop())
    network.run()

    assert network["ann"].members() == {"carl"}
    assert network["ann"].peers == {"carl"}
    gone = [news for news in network["ann"].news if isinstance(news, PeerChanged) and not news.up]
    assert [news.reason for news in gone] == ["the peer says: the node is stopping"]

    network["carl"].listens = False  # hangs
    network["carl"].timers.clear()
    network["carl"].node.handle = lambda *_: []  # type: ignore[method-assign]  # and answers nothing
    network.wait(60)
    assert network["ann"].members() == set()
    assert network["ann"].peers == set()


def test_node_that_stops_is_not_dialled_before_a_pause() -> None:
    network = Network("ann", "bob", "carl")
    network.connect("bob", to="ann")
    network.connect("carl", to="ann")
    network.run()
    network.post(network["bob"], Stop())
    network.run()
    assert network["ann"].notices == []  # the link was bob's: ann knows where he listens

    network.wait(300)

    dialled = [notice for notice in network["ann"].notices if notice.what == "dial_failed"]
    assert 3 <= len(dialled) <= 14  # after 1, 2, 4 ... s, each up to twice that soon
    assert {notice.address for notice in dialled} == {network["bob"].address}


def test_room_that_was_left_has_no_neighbour_and_no_member_there() -> None:
    network = Network("ann", "bob", "carl")
    network.connect("bob", to="ann")
    network.connect("carl", to="ann")
    for name in ("ann", "bob", "carl"):
        network.join(name, "tea")
    network.run()
    network.wait(20)
    assert network["ann"].members("tea") == {"bob", "carl"}

    network.leave("bob", "tea")
    network.run()

    assert (network["ann"].members("tea"), network["carl"].members("tea")) == ({"carl"}, {"ann"})
    assert network["ann"].members() == {"bob", "carl"}
    for name in ("ann", "carl"):
        node = network[name].node
        (tea,) = [room for room in node.rooms.values() if room.name == "tea"]
        left = [link for link in node.links if link.username == "bob"]
        assert [link for link in left if link.link in tea.active or tea.id in link.rooms] == []
    heard = network["bob"].publishes_received
    network.say("ann", "only for those here", "tea")
    network.run()
    assert network["carl"].texts == ["only for those here"]
    assert network["bob"].publishes_received == heard


# Lines and crowds


def test_message_walks_a_line_of_three() -> None:
    network = Network("ann", "bob", "carl")
    network.line(["ann", "bob", "carl"])

    network.say("ann", "hi")
    network.run()

    assert_stored_once_each(network, ["hi"])
    for name in ("ann", "bob", "carl"):
        assert network[name].members() == {"ann", "bob", "carl"} - {name}


def test_newcomer_at_the_end_of_a_line_knows_everybody_after_one_refresh() -> None:
    network = Network("ann", "bob", "carl")
    network.line(["ann", "bob"])
    network.line(["bob", "carl"])
    assert network["ann"].members() == {"bob", "carl"}

    network.wait(15)

    assert network["carl"].members() == {"ann", "bob"}


def test_messages_from_everybody_are_stored_once_in_a_line_of_ten() -> None:
    network = Network(*TEN)
    network.line(TEN)

    for name in TEN:
        network.say(name, f"from {name}")
    network.run()

    assert_stored_once_each(network, [f"from {name}" for name in TEN])


@pytest.mark.parametrize(("ttl", "reached"), [(0, 1), (1, 2), (4, 5), (16, 9)])
def test_hop_budget_ends_pushing_in_a_line_and_announcements_do_the_rest(ttl: int, reached: int) -> None:
    network = Network(*TEN, gossip=GossipConfig(ttl=ttl))
    network.line(TEN)

    network.say("n0", "how far?")
    network.run()

    assert [name for name in TEN[1:] if network[name].texts] == TEN[1 : reached + 1]

    for name in TEN[reached + 1 :]:
        network.wait(0.086)  # gathered for 5 ms, waited for 80
        assert [other for other in TEN if network[other].texts][-1] == name
    assert_stored_once_each(network, ["how far?"])


def test_messages_are_stored_once_in_a_full_mesh_of_ten() -> None:
    network = Network(*TEN)
    for number, name in enumerate(TEN):
        for other in TEN[:number]:
            network.connect(name, to=other)
    network.run()
    for name in TEN:
        assert network[name].peers == set(TEN) - {name}

    for name in TEN:
        network.say(name, f"from {name}")
    network.run()

    assert_stored_once_each(network, [f"from {name}" for name in TEN])
    assert network["n0"].node.counters.duplicate > 0


def test_ten_that_know_one_find_each_other() -> None:
    network = Network(*TEN, gossip=GossipConfig(fanout=4))
    for name in TEN[1:]:
        network.connect(name, to="n0")
        network.run()
    network.wait(10)

    assert min(len(network[name].peers) for name in TEN) >= 2

    network.say("n9", "hello all")
    network.run()
    assert_stored_once_each(network, ["hello all"])


def test_everybody_knows_who_is_here_in_a_line_of_ten() -> None:
    network = Network(*TEN)
    network.line(TEN)
    network.wait(16)

    for name in TEN:
        assert network[name].members() == set(TEN) - {name}


def test_network_comes_to_rest_and_stays_quiet() -> None:
    network = Network(*TEN)
    network.line(TEN)
    network.wait(1)
    before = sum(member.publishes_received for member in network.members.values())

    network.wait(300)

    heard = sum(member.publishes_received for member in network.members.values()) - before
    refreshes = 10 * 300 / 12  # each at most every 12 s, handed on once over each of 9 links and never back
    assert heard <= refreshes * 9
    for member in network.members.values():
        assert [
            news
            for news in member.news
            if isinstance(news, MemberChanged) and news.movement in {Movement.LEFT, Movement.LOST}
        ] == []


# Rooms


def test_room_is_heard_only_by_those_in_it() -> None:
    network = Network("ann", "bob", "carl")
    for name in ("bob", "carl"):
        network.connect(name, to="ann")
    network.run()
    network.join("ann", "wine")
    network.join("bob", "wine")
    network.run()

    network.say("ann", "cheers", room="wine")
    network.run()

    assert network["bob"].texts == ["cheers"]
    assert network["carl"].texts == []
    assert network["carl"].node.counters.refused == {}


def test_room_left_is_heard_no_more() -> None:
    network = Network("ann", "bob")
    network.connect("bob", to="ann")
    network.join("ann", "wine")
    network.join("bob", "wine")
    network.run()
    network.leave("bob", "wine")
    network.run()

    network.say("ann", "cheers", room="wine")
    network.run()

    assert network["bob"].texts == []
    assert network["ann"].members("wine") == set()
    assert network["ann"].members("lobby") == {"bob"}


# Through real sessions


def test_message_goes_through_two_real_sessions() -> None:
    dialler, listener = pair(credentials(ANN), credentials(BOB), greetings=(hello("ann"), hello("bob")))
    exchange(dialler, listener)
    assert dialler.established is not None
    assert listener.established is not None
    books = Playbook(ANN), Playbook(BOB)
    link = LinkId(1)
    queued: list[list[bytes]] = [[], []]
    shown: list[list[str]] = [[], []]

    def perform(side: int, event: LinkUp | Received) -> None:
        outputs = books[side].settle(books[side].handle(event))
        keep(side, outputs)

    def keep(side: int, outputs: list[Output]) -> None:
        queued[side] += [encode_message(output.message) for output in outputs if isinstance(output, Send)]
        shown[side] += [
            output.stored.envelope.body.text
            for output in outputs
            if isinstance(output, MessageAdded) and isinstance(output.stored.envelope.body, Chat)
        ]

    ends = dialler, listener
    for side, other in ((0, listener), (1, dialler)):
        established = ends[side].established
        assert established is not None
        dialled = "bob.example:1" if side == 0 else None
        rooms = books[side].node.room_ids
        peer_id, greeting, binding = established.peer_id, established.hello, established.binding
        perform(side, LinkUp(link, peer_id, greeting, "192.0.2.1:1", dialled, rooms, binding))
        assert other.established is not None

    def talk() -> None:
        while any(queued) or any(end.messages for end in ends):
            for side, end in enumerate(ends):
                encoded, queued[side] = queued[side], []
                end.handle(SendEncoded(encoded))
            exchange(*ends)
            for side, end in enumerate(ends):
                messages, end.messages = tuple(end.messages), []
                if messages:
                    perform(side, Received(link, messages))

    talk()  # and become active neighbours
    keep(0, books[0].settle(books[0].say("hi bob")))
    keep(1, books[1].settle(books[1].say("hi ann")))
    talk()

    assert sorted(shown[0]) == sorted(shown[1]) == ["hi ann", "hi bob"]
    assert sorted(books[0].texts) == sorted(books[1].texts) == ["hi ann", "hi bob"]
    assert [member.rtt_s for member in books[0].node.links] == [0.0]
