"""Keeping links: dialling, welcoming, pinging, dropping, and asking peers for more peers."""

import pytest

from chatcore.config import GossipConfig, LinkConfig
from chatcore.counters import MAX_LATELY
from chatcore.dialler import FEW_LINKS
from chatcore.envelopes import Announce, Chat, Join, message_id, open_envelope
from chatcore.errors import (
    BadAddress,
    ChatError,
    ClosedByPeer,
    HandshakeFailed,
    LocalError,
    NetworkMismatch,
    NotChatd,
    RemoteError,
    SelfDialed,
    TooManyAddresses,
    Unreachable,
    WrongPeer,
)
from chatcore.events import (
    CloseLink,
    Connect,
    ConnectReply,
    Dial,
    DialDue,
    DialFailed,
    Notice,
    Output,
    PeerChanged,
    PingDue,
    PresenceDue,
    Priority,
    ReadingPaused,
    Rejected,
    Replied,
    Send,
    SetTimer,
    Started,
    StrangerRefused,
)
from chatcore.ids import LinkId
from chatcore.links import MAX_OF_ONE_HOME, PEER_REQUEST_EVERY_S
from chatcore.messages import (
    MAX_PEER_RECORDS,
    Goodbye,
    Neighbor,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
    Publish,
    Rooms,
    Seen,
    Shuffle,
)
from chatcore.peers import LinkReplaced
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    START,
    WINE,
    Playbook,
    chat,
    hello,
    identity,
    of,
    one,
    publish,
    sent,
    signed,
    written,
)

FRIEND = "198.51.100.9:8080"
BROKEN = Publish(1, message_id(b"\x90"), b"\x90", bytes(64))


def dials(outputs: list[Output]) -> list[str]:
    return [output.address for output in of(outputs, Dial)]


def dial_timer(outputs: list[Output]) -> float | None:
    times = [output.at for output in of(outputs, SetTimer) if output.key == DialDue()]
    assert len(times) <= 1
    return times[0] if times else None


def records(count: int) -> PeerResponse:
    return PeerResponse(tuple(signed(identity(500 + n), f"192.0.2.{n + 1}:1") for n in range(count)))


# Links up


def test_link_up_is_told_pinged_and_hears_of_us() -> None:
    book = Playbook()

    outputs = book.link_up(BOB)

    ((_, ping),) = sent(outputs, Ping)
    ((_, here),) = sent(outputs, Publish)
    assert outputs == [
        PeerChanged(BOB.peer_id, "somebody", "192.0.2.7:40000", outbound=False, up=True, reason=""),
        Send((book.newest,), ping, Priority.CONTROL),
        Send((book.newest,), Seen("192.0.2.7"), Priority.CONTROL),
        Send((book.newest,), here, Priority.LIVE),
        Send((book.newest,), Neighbor(LOBBY, urgent=True), Priority.CONTROL),
    ]
    assert here.hops == 0  # nobody else need hear of it
    assert open_envelope(here.payload, here.signature).body == Announce(15)


def test_first_neighbour_hears_that_we_joined_and_the_next_that_we_are_still_here() -> None:
    book = Playbook()
    outputs = book.link_up(BOB)
    ((links, here),) = sent(book.befriend(book.newest, outputs), Publish)
    assert (links, here.hops) == ((book.newest,), 16)
    assert open_envelope(here.payload, here.signature).body == Join()

    outputs = book.link_up(CARL)
    ((links, here),) = sent(outputs, Publish)
    assert (links, here.hops) == ((book.newest,), 0)
    assert open_envelope(here.payload, here.signature).body == Announce(15)
    assert sent(book.befriend(book.newest, outputs), Publish) == []


def test_link_of_a_peer_in_other_rooms_hears_no_presence() -> None:
    assert sent(Playbook().link_up(BOB, rooms=[WINE]), Publish) == []


def test_rooms_are_sent_when_they_changed_since_our_hello() -> None:
    book = Playbook()
    book.settle(book.join("wine"))

    outputs = book.link_up(BOB, told=[LOBBY])

    assert sent(outputs, Rooms) == [((book.newest,), Rooms(frozenset({LOBBY, WINE})))]


def test_rooms_are_not_sent_when_hello_named_them() -> None:
    assert sent(Playbook().link_up(BOB), Rooms) == []


def test_hello_that_comes_again_is_ignored() -> None:
    book = Playbook()
    bob = book.link(BOB)

    assert book.receive(bob, hello("mallory", rooms=[WINE])) == []
    link = book.node.links.get(bob)
    assert link is not None
    assert (link.username, link.rooms) == ("somebody", frozenset({LOBBY}))


# Links down


def test_link_down_is_told_with_its_reason() -> None:
    book = Playbook()
    bob = book.link(BOB)

    assert one(book.link_down(bob), PeerChanged) == PeerChanged(
        BOB.peer_id,
        "somebody",
        "192.0.2.7:40000",
        outbound=False,
        up=False,
        reason="the peer closed the connection",
    )
    assert len(book.node.links) == 0


def test_goodbye_closes_the_link_without_an_answer_and_its_reason_is_told() -> None:
    book = Playbook()
    bob = book.link(BOB)

    outputs = book.receive(bob, Goodbye("all 50 places for peers are taken"))

    assert of(outputs, Send) == []
    assert str(one(outputs, CloseLink).error) == "the peer says: all 50 places for peers are taken"
    assert one(outputs, PeerChanged).reason == "the peer says: all 50 places for peers are taken"
    assert book.refused == {}


def test_nothing_is_sent_on_a_link_after_goodbye() -> None:
    book = Playbook()
    bob = book.link(BOB)

    outputs = book.receive(bob, Goodbye("bye"), Ping(1), PeerRequest(8), Goodbye("bye again"))

    assert [type(output) for output in outputs] == [CloseLink, PeerChanged]


def test_fault_behind_goodbye_in_one_batch_is_nobodys_news() -> None:
    book = Playbook()
    bob = book.link(BOB)

    outputs = book.receive(bob, Goodbye("bye"), BROKEN)

    assert [type(output) for output in outputs] == [CloseLink, PeerChanged]
    assert book.refused == {}


def test_last_words_behind_goodbye_in_one_batch_are_heard() -> None:
    book = Playbook()
    bob = book.link(BOB)

    book.settle(book.receive(bob, Goodbye("bye"), publish(chat(BOB, "good night"))))

    assert book.texts == ["good night"]


def test_link_let_go_by_us_is_not_told_again_when_it_closes() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.receive(bob, Goodbye("bye"))

    assert book.link_down(bob) == []


def test_lost_dialled_link_is_dialled_again_after_its_backoff() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    friend = book.link(BOB, dialled=FRIEND)

    at = dial_timer(book.link_down(friend))

    assert at is not None
    assert 0.5 <= at - book.now.mono <= 1.5
    assert book.fire(DialDue()) == [SetTimer(DialDue(), at)]  # too early
    book.wait(at - book.now.mono)
    assert dials(book.fire(DialDue())) == [FRIEND]


@pytest.mark.parametrize("farewell", ["theirs", "ours"])
def test_dialled_link_closed_on_purpose_is_dialled_again_too(farewell: str) -> None:
    book = Playbook(bootstrap=(FRIEND,))
    friend = book.link(BOB, dialled=FRIEND)
    if farewell == "theirs":
        book.receive(friend, Goodbye("restart"))
    else:
        book.receive(friend, BROKEN)

    at = dial_timer(book.link_down(friend))

    assert at is not None
    assert 0.5 <= at - book.now.mono <= 1.5


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (ClosedByPeer(), {}),
        (Unreachable("no route"), {}),
        (LinkReplaced(), {}),
        (NotChatd(), {"not_chatd": 1}),
    ],
)
def test_lost_link_counts_only_when_the_peer_did_wrong(error: RemoteError, counted: dict[str, int]) -> None:
    book = Playbook()
    book.link_down(book.link(BOB), error)

    assert book.refused == counted


def test_stranger_refused_is_counted_and_noticed() -> None:
    book = Playbook()
    error = HandshakeFailed("no handshake within 5 s")

    assert book.handle(StrangerRefused("192.0.2.9:5", error)) == [
        Notice("stranger_refused", "192.0.2.9:5", error)
    ]
    assert book.refused == {"handshake": 1}


def test_callers_of_another_network_count_as_a_cause_for_an_hour() -> None:
    book = Playbook()
    mismatch = NetworkMismatch("other", they_use_key=False, we_use_key=False)
    for error in (mismatch, mismatch, HandshakeFailed("no handshake within 5 s")):
        book.handle(StrangerRefused("192.0.2.9:5", error))
        book.wait(1800)

    assert book.node.counters.lately("network", book.now.mono) == 1
    assert book.refused == {"network": 2, "handshake": 1}
    book.wait(3600)
    assert book.node.counters.lately("network", book.now.mono) == 0


def test_only_so_many_callers_of_another_network_are_remembered() -> None:
    book = Playbook()
    mismatch = NetworkMismatch("other", they_use_key=False, we_use_key=False)
    for _ in range(MAX_LATELY + 5):
        book.handle(StrangerRefused("192.0.2.9:5", mismatch))

    assert book.node.counters.lately("network", book.now.mono) == MAX_LATELY


# Two links to one peer


def stays(book: Playbook, outputs: list[Output], old: LinkId) -> LinkId:
    """Which of the two links is left; the other was closed with a word."""
    closed = one(outputs, CloseLink).link
    assert [to for to, _ in sent(outputs, Goodbye)] == [(closed,)]
    (left,) = list(book.node.links)
    assert {left.link, closed} == {old, book.newest}
    assert book.node.links.to(left.peer_id) is left
    return left.link


@pytest.mark.parametrize("lower_sees_its_own_first", [True, False])
@pytest.mark.parametrize("higher_sees_its_own_first", [True, False])
def test_two_links_to_one_peer_are_resolved_alike_at_both_ends(
    *, lower_sees_its_own_first: bool, higher_sees_its_own_first: bool
) -> None:
    lower, higher = Playbook(ANN), Playbook(BOB)
    dialled_by_lower = {}
    for book, peer, own_first in (
        (lower, BOB, lower_sees_its_own_first),
        (higher, ANN, higher_sees_its_own_first),
    ):
        mine, theirs = FRIEND, None
        first, second = (mine, theirs) if own_first else (theirs, mine)
        old = book.link(peer, dialled=first)
        left = stays(book, book.link_up(peer, dialled=second), old)
        link = book.node.links.get(left)
        assert link is not None
        dialled_by_lower[peer] = link.outbound == (book is lower)

    assert dialled_by_lower == {ANN: True, BOB: True}


@pytest.mark.parametrize("dialled", [None, FRIEND])
def test_newer_of_two_links_dialled_by_the_same_side_stays(dialled: str | None) -> None:
    book = Playbook()
    old = book.link(BOB, dialled=dialled)
    book.wait(5)

    outputs = book.link_up(BOB, dialled=dialled)

    assert stays(book, outputs, old) == book.newest
    assert [news.up for news in of(outputs, PeerChanged)] == [False, True]
    assert book.refused == {}


def test_of_two_links_dialled_at_once_by_the_same_side_both_ends_keep_the_same() -> None:
    """Dialled by two names; the ends see them come up in different orders."""
    kept = []
    for order in ((1, 2), (2, 1)):
        book = Playbook()
        links = {}
        for binding in order:
            book.link_up(BOB, dialled=FRIEND, binding=binding)
            links[book.newest] = binding
        kept.append([links[link.link] for link in book.node.links])

    assert kept == [[1], [1]]


def test_link_turned_away_for_another_is_never_told_as_a_peer() -> None:
    book = Playbook(BOB)  # the higher of the two ids, so what ANN dialled stays
    book.link(ANN)

    outputs = book.link_up(ANN, dialled=FRIEND)

    assert [type(output) for output in outputs] == [Send, CloseLink]
    assert book.link_down(book.newest) == []


def test_address_of_a_replaced_link_is_not_dialled_while_the_peer_is_linked() -> None:
    book = Playbook(BOB, bootstrap=(FRIEND,))
    book.link(BOB, dialled=FRIEND)
    book.link(ANN)
    book.link_up(ANN, dialled=FRIEND)
    book.wait(1000)

    assert dials(book.fire(DialDue())) == []


# max_peers


def test_link_beyond_the_most_is_turned_away_with_goodbye() -> None:
    book = Playbook(link=LinkConfig(max_peers=2))
    book.link(CARL, dialled=FRIEND, port=8080)
    book.link(DORA)

    outputs = book.link_up(BOB)

    others = PeerResponse((signed(CARL, FRIEND),))
    assert outputs == [
        Send((book.newest,), others, Priority.CONTROL),
        Send((book.newest,), Goodbye("all 2 places for peers are taken"), Priority.BULK),
        CloseLink(book.newest, one(outputs, CloseLink).error),
    ]
    assert len(book.node.links) == 2


def test_second_link_of_a_linked_peer_is_no_place_more() -> None:
    book = Playbook(link=LinkConfig(max_peers=1))
    book.link(BOB)
    book.wait(60)

    assert len(of(book.link_up(BOB), PeerChanged)) == 2
    assert len(book.node.links) == 1


def test_place_is_free_again_when_a_link_goes() -> None:
    book = Playbook(link=LinkConfig(max_peers=1))
    book.link_down(book.link(BOB))

    assert one(book.link_up(CARL), PeerChanged).up


def test_nobody_is_dialled_while_full() -> None:
    book = Playbook(link=LinkConfig(max_peers=1))
    book.link(BOB)

    assert dials(book.connect(FRIEND)) == []
    assert dials(book.link_down(book.newest)) == [FRIEND]


def test_address_dialled_while_full_backs_off() -> None:
    book = Playbook(link=LinkConfig(max_peers=1), bootstrap=(FRIEND,))
    bob = book.link(BOB)
    book.link_up(CARL, dialled=FRIEND)

    assert book.fire(DialDue()) == []
    outputs = book.link_down(bob)
    assert dials(outputs) == []
    at = dial_timer(outputs)
    assert at is not None
    assert at > book.now.mono


# Dialling


def test_bootstrap_addresses_are_dialled_at_start_in_their_one_spelling() -> None:
    book = Playbook(bootstrap=("Friend.Example:8080", "[2001:DB8::0:1]:9"), started=False)

    assert dials(book.handle(Started())) == ["friend.example:8080", "[2001:db8::1]:9"]


def test_node_without_addresses_dials_nobody_and_waits_for_nothing() -> None:
    outputs = Playbook(started=False).handle(Started())

    assert dials(outputs) == []
    assert dial_timer(outputs) is None


def test_failed_dial_is_noticed_and_tried_again_for_ever_with_growing_pauses() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    error = Unreachable("connection refused")
    pauses = []
    for _ in range(14):
        outputs = book.handle(DialFailed(FRIEND, error))
        assert outputs[0] == Notice("dial_failed", FRIEND, error)
        at = dial_timer(outputs)
        assert at is not None
        pauses.append(at - book.now.mono)
        book.wait(pauses[-1])
        assert dials(book.fire(DialDue())) == [FRIEND]

    for number, pause in enumerate(pauses):
        wanted = min(2.0**number, 300.0)
        assert 0.5 * wanted <= pause <= 1.5 * wanted
    assert len({pause / min(2.0**number, 300.0) for number, pause in enumerate(pauses)}) == len(pauses)
    assert book.refused == {}


def test_address_being_dialled_is_not_dialled_twice() -> None:
    book = Playbook(bootstrap=(FRIEND,))

    assert dials(book.fire(DialDue())) == []
    assert dials(book.connect(FRIEND)) == []


def test_connect_dials_now_and_answers() -> None:
    book = Playbook()

    assert book.handle(Connect(book.next_request(), " 198.51.100.9:8080 ")) == [
        Replied(book.next_request() - 1, ConnectReply(FRIEND, linked=False)),  # type: ignore[arg-type]  # int
        Dial(FRIEND, None),
    ]


def test_connect_does_not_wait_for_a_backoff() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    book.handle(DialFailed(FRIEND, Unreachable("no route")))

    assert dials(book.connect(FRIEND)) == [FRIEND]


def test_connect_to_a_linked_address_says_so() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    book.link(BOB, dialled=FRIEND)

    outputs = book.connect(FRIEND)

    assert one(outputs, Replied).reply == ConnectReply(FRIEND, linked=True)
    assert dials(outputs) == []


@pytest.mark.parametrize(
    "address", ["friend", "friend:0", "friend:000001" + "0" * 5000, "friend:00000199999", "[::1%a\x1b[2J]:1"]
)
def test_connect_to_what_is_no_address_is_rejected(address: str) -> None:
    assert isinstance(one(Playbook().connect(address), Rejected).error, BadAddress)


def test_connect_to_one_address_too_many_is_rejected() -> None:
    book = Playbook()
    for number in range(64):
        book.connect(f"a{number}.example:1")

    assert isinstance(one(book.connect("a64.example:1"), Rejected).error, TooManyAddresses)
    assert one(book.connect("a0.example:1"), Replied)


def test_self_dial_is_never_dialled_again() -> None:
    book = Playbook(bootstrap=(FRIEND,))

    outputs = book.handle(DialFailed(FRIEND, SelfDialed()))

    assert dial_timer(outputs) is None
    book.wait(1000)
    assert dials(book.fire(DialDue())) == []
    assert book.node.unreached() == []


def test_name_that_leads_to_ourselves_is_dialled_again_later() -> None:
    name = "nodes.example:8080"
    book = Playbook(bootstrap=(name,))

    at = dial_timer(book.handle(DialFailed(name, SelfDialed())))

    assert at is not None
    (entry,) = book.node.unreached()
    assert (entry.kind, entry.failures) == (SelfDialed.kind, 1)
    assert not book.node.is_own(name)
    book.wait(at - book.now.mono)
    assert dials(book.fire(DialDue())) == [name]
    book.handle(DialFailed(name, SelfDialed()))
    assert dials(book.connect(name)) == [name]


def test_self_dial_asked_for_again_is_rejected() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    book.handle(DialFailed(FRIEND, SelfDialed()))

    error: ChatError = one(book.connect(FRIEND), Rejected).error

    assert isinstance(error, LocalError)
    assert error.kind == "own_address"


def test_unreached_addresses_are_told_with_the_reason() -> None:
    book = Playbook(bootstrap=(FRIEND, "b.example:1"))
    book.handle(DialFailed("b.example:1", Unreachable("no such name")))
    book.link(BOB, dialled=FRIEND)

    (entry,) = book.node.unreached()

    assert (entry.address, entry.reason, entry.failures) == ("b.example:1", "no such name", 1)


# Pings


def test_ping_is_answered_with_its_nonce() -> None:
    book = Playbook()
    bob = book.link(BOB)

    pong = Pong(2**64 - 1, START.wall_ms)
    assert book.receive(bob, Ping(2**64 - 1)) == [Send((bob,), pong, Priority.CONTROL)]


def test_pong_gives_the_round_trip_time() -> None:
    book = Playbook()
    ((_, ping),) = sent(book.link_up(BOB), Ping)
    book.wait(0.25)

    book.receive(book.newest, Pong(ping.nonce))

    link = book.node.links.get(book.newest)
    assert link is not None
    assert link.rtt_s == pytest.approx(0.25)


def test_pong_nobody_asked_for_gives_nothing() -> None:
    book = Playbook()
    ((_, ping),) = sent(book.link_up(BOB), Ping)
    link = book.node.links.get(book.newest)
    assert link is not None

    book.receive(book.newest, Pong(ping.nonce ^ 1))
    assert link.rtt_s is None

    book.receive(book.newest, Pong(ping.nonce))
    book.wait(3)
    book.receive(book.newest, Pong(ping.nonce))
    assert link.rtt_s == 0.0


def test_every_link_is_pinged_every_five_seconds() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    book.wait(5)

    outputs = book.fire(PingDue())

    assert [to for to, _ in sent(outputs, Ping)] == [(bob,), (carl,)]
    assert one(outputs, SetTimer) == SetTimer(PingDue(), START.mono + 10)


def test_link_that_spoke_lately_is_not_pinged() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    for link in book.node.links:
        (nonce,) = link.pings
        book.receive(link.link, Pong(nonce))
    book.wait(3)
    book.receive(carl, Pong(0))
    book.wait(2)

    assert [to for to, _ in sent(book.fire(PingDue()), Ping)] == [(bob,)]


def test_first_ping_is_five_seconds_after_the_start() -> None:
    outputs = Playbook(started=False).handle(Started())

    assert SetTimer(PingDue(), START.mono + 5) in outputs


def test_silent_link_is_dropped_after_ten_seconds() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    book.wait(10)
    assert of(book.fire(PingDue()), CloseLink) == []

    book.receive(carl, Pong(0))
    book.wait(1)
    outputs = book.fire(PingDue())

    assert [(output.link, str(output.error)) for output in of(outputs, CloseLink)] == [
        (bob, "nothing heard for 11 s")
    ]
    assert [to for to, _ in sent(outputs, Ping)] == [(carl,)]
    assert book.refused == {}


# Peer exchange


def test_dialler_asks_for_peers_once() -> None:
    book = Playbook(bootstrap=(FRIEND,))

    assert sent(book.link_up(BOB, dialled=FRIEND), PeerRequest) == [
        ((book.newest,), PeerRequest(MAX_PEER_RECORDS))
    ]


def test_listener_asks_for_no_peers() -> None:
    assert sent(Playbook().link_up(BOB), PeerRequest) == []


def test_peer_request_is_answered_with_where_others_may_be_dialled() -> None:
    book = Playbook()
    bob = book.link(BOB, port=1)
    book.link(CARL, dialled=FRIEND, port=8080)
    book.link(DORA, address="[2001:db8::2]:40000", port=9000)
    book.link(identity(9), port=0)  # does not listen

    answer = one(book.receive(bob, PeerRequest(32)), Send)

    assert (answer.links, answer.priority) == ((bob,), Priority.CONTROL)
    assert isinstance(answer.message, PeerResponse)
    assert set(answer.message.peers) == {
        signed(CARL, FRIEND),
        signed(DORA, "[2001:db8::2]:9000"),
    }


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (3, 3), (32, 32), (255, 32)])
def test_peer_request_is_answered_with_a_quarter_of_all_and_no_more_than_asked_for(
    asked: int, given: int
) -> None:
    book = Playbook()
    for number in range(40):
        book.link(identity(100 + number), port=1)
    bob = book.link(BOB)

    ((_, response),) = sent(book.receive(bob, PeerRequest(asked)), PeerResponse)

    assert len(response.peers) == given


def test_peer_request_is_answered_once_in_ten_seconds() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)

    assert len(book.receive(bob, PeerRequest(1))) == 1
    assert book.receive(bob, PeerRequest(1)) == []
    assert len(book.receive(carl, PeerRequest(1))) == 1
    book.wait(PEER_REQUEST_EVERY_S)
    assert len(book.receive(bob, PeerRequest(1))) == 1
    assert book.refused == {"peer_request_rate": 1}


def test_peer_response_is_dialled_until_links_are_a_few() -> None:
    book = Playbook()
    friend = book.link(BOB, dialled=FRIEND)

    outputs = book.receive(friend, records(20))

    assert len(dials(outputs)) == FEW_LINKS - 1


def test_peer_response_nobody_asked_for_is_ignored() -> None:
    book = Playbook()

    assert book.receive(book.link(BOB), records(3)) == []
    assert book.refused == {"unasked_peers": 1}


def test_second_peer_response_is_ignored() -> None:
    book = Playbook()
    friend = book.link(BOB, dialled=FRIEND)
    book.receive(friend, PeerResponse(()))

    assert book.receive(friend, records(3)) == []
    assert book.refused == {"unasked_peers": 1}


def test_our_own_address_is_not_learned_nor_that_of_a_linked_peer() -> None:
    book = Playbook()
    friend = book.link(BOB, dialled=FRIEND)
    gossip = PeerResponse((signed(ANN, "192.0.2.1:1"), signed(BOB, "192.0.2.2:1")))

    assert dials(book.receive(friend, gossip)) == []


def test_learned_addresses_are_dialled_only_while_links_are_few() -> None:
    book = Playbook()
    friend = book.link(BOB, dialled=FRIEND)
    book.links(FEW_LINKS - 1)

    outputs = book.receive(friend, records(5))

    assert dials(outputs) == []
    assert dial_timer(outputs) is None


def test_learned_address_is_dialled_when_a_link_is_lost() -> None:
    book = Playbook()
    friend = book.link(BOB, dialled=FRIEND)
    carl = book.link(CARL)
    book.links(FEW_LINKS - 2)
    assert dials(book.receive(friend, records(5))) == []

    assert len(dials(book.link_down(carl))) == 1


def test_dial_timer_is_never_set_in_the_past() -> None:
    # It would fire at once, and again, for as long as a dial takes.
    book = Playbook(bootstrap=(FRIEND, "slow.example:1"))
    friend = book.link(BOB, dialled=FRIEND)

    outputs = book.receive(friend, records(30))

    at = dial_timer(outputs)
    assert at is None or at > book.now.mono
    at = dial_timer(book.handle(DialFailed(dials(outputs)[0], Unreachable("no route"))))
    assert at is not None
    assert at > book.now.mono


def test_same_seed_gives_the_same_outputs() -> None:
    def story() -> list[list[Output]]:
        book = Playbook(bootstrap=(FRIEND,), gossip=GossipConfig(fanout=3), seed=7)
        friend = book.link(BOB, dialled=FRIEND)
        return [book.receive(friend, records(30)), book.fire(PingDue()), book.fire(PresenceDue())]

    assert story() == story()


def test_link_that_is_not_read_is_not_taken_for_silent() -> None:
    book = Playbook()
    link = book.link(BOB)
    book.handle(ReadingPaused(link, paused=True))
    assert dropped_in(book, 60) == []

    book.handle(ReadingPaused(link, paused=False))

    assert dropped_in(book, 10) == []
    assert dropped_in(book, 5) == [link]


def test_link_that_talks_and_answers_no_ping_is_closed_without_blame() -> None:
    book = Playbook()
    link = book.link(BOB)
    assert talked_in(book, link, 55) == []
    talk(book, link)

    outputs = book.fire(PingDue())

    ((closed, error),) = [(output.link, str(output.error)) for output in of(outputs, CloseLink)]
    assert (closed, error) == (link, "no ping answered for 60 s")
    assert book.refused == {}
    assert book.node.conduct.score(BOB.peer_id, book.now.mono) == 0


def test_link_that_is_silent_and_answers_no_ping_is_dropped_once() -> None:
    book = Playbook()
    link = book.link(BOB)
    assert talked_in(book, link, 55) == []
    book.wait(11)

    outputs = book.fire(PingDue())

    assert [(output.link, output.error.kind) for output in of(outputs, CloseLink)] == [(link, "silent")]


def test_link_that_is_not_read_need_not_answer_and_has_the_rest_of_the_time_then() -> None:
    book = Playbook()
    link = book.link(BOB)
    assert talked_in(book, link, 30) == []
    book.handle(ReadingPaused(link, paused=True))
    assert dropped_in(book, 120) == []
    book.handle(ReadingPaused(link, paused=False))

    assert talked_in(book, link, 25) == []
    assert talked_in(book, link, 5) == [link]


def test_late_answer_to_an_old_ping_counts() -> None:
    book = Playbook()
    pings = [ping for _, ping in sent(book.link_up(BOB), Ping)]
    link = book.newest
    for _ in range(10):
        talk(book, link)
        pings += [ping for _, ping in sent(book.fire(PingDue()), Ping)]
    assert len(pings) == 11
    book.receive(link, Pong(pings[3].nonce))  # sent 15 s after the first

    found = book.node.links.get(link)
    assert found is not None
    assert found.rtt_s == pytest.approx(35.0)
    assert talked_in(book, link, 25) == []
    assert talked_in(book, link, 5) == [link]


def talk(book: Playbook, link: LinkId) -> None:
    """Five seconds in which something comes, that is no answer."""
    book.wait(5)
    book.receive(link, Pong(0))


def talked_in(book: Playbook, link: LinkId, seconds: int) -> list[LinkId]:
    """Links let go of while one talks and answers no ping."""
    gone: list[LinkId] = []
    for _ in range(seconds // 5):
        talk(book, link)
        gone += [output.link for output in of(book.fire(PingDue()), CloseLink)]
    return gone


def dropped_in(book: Playbook, seconds: int) -> list[LinkId]:
    """Links let go of while pings are due every five seconds."""
    gone: list[LinkId] = []
    for _ in range(seconds // 5):
        book.wait(5)
        gone += [output.link for output in of(book.fire(PingDue()), CloseLink)]
    return gone


def test_what_comes_on_a_link_let_go_of_for_another_is_not_lost() -> None:
    book = Playbook()
    old = book.link(BOB)
    book.wait(60)
    book.link(BOB)
    assert [link.link for link in book.node.links] == [book.newest]

    book.hear(old, written(BOB, Chat("said before I knew")))

    assert book.texts == ["said before I knew"]
    book.link_down(old)
    assert book.receive(old, Ping(1)) == []


def test_address_where_somebody_else_answers_is_forgotten() -> None:
    book = Playbook()
    bob = book.link(BOB, dialled=FRIEND)
    record = signed(CARL, "192.0.2.3:1")
    assert dials(book.receive(bob, PeerResponse((record,)))) == [record.address]

    book.handle(DialFailed(record.address, WrongPeer("somebody else"), CARL.peer_id))
    book.wait(1000)

    assert dials(book.fire(DialDue())) == []


def test_kept_address_is_dialled_again_after_somebody_has_signed_that_it_lives_there() -> None:
    book = Playbook(bootstrap=(FRIEND,))
    book.handle(DialFailed(FRIEND, Unreachable("no route")))
    book.wait(10)
    liar = signed(CARL, FRIEND)
    bob = book.neighbour(BOB)
    (dial,) = of(book.receive(bob, Shuffle(LOBBY, (liar,))), Dial)
    assert dial == Dial(FRIEND, CARL.peer_id)

    outputs = book.handle(DialFailed(FRIEND, WrongPeer("somebody else"), dial.expected))

    at = dial_timer(outputs)
    assert at is not None
    book.wait(at - book.now.mono)
    assert Dial(FRIEND, None) in book.fire(DialDue())


@pytest.mark.parametrize(
    ("host", "other"), [("203.0.113.5", "203.0.113.6"), ("[2001:db8:0:1::1]", "[2001:db8:0:2::1]")]
)
def test_one_home_has_so_many_links_at_most(host: str, other: str) -> None:
    book = Playbook(bootstrap=(f"{host}:1",))
    for number in range(MAX_OF_ONE_HOME):
        book.link(identity(100 + number), address=f"{host}:{4000 + number}")

    outputs = book.link_up(BOB, address=f"{host}:5000")

    ((_, goodbye),) = sent(outputs, Goodbye)
    assert goodbye.reason == str(one(outputs, CloseLink).error)
    assert goodbye.reason.startswith(f"there are {MAX_OF_ONE_HOME} links to that address already")
    assert book.refused == {"home_full": 1}
    assert len(book.node.links) == MAX_OF_ONE_HOME
    book.link(CARL, address=f"{other}:5000")
    assert len(book.node.links) == MAX_OF_ONE_HOME + 1
    book.link(DORA, address=f"{host}:1", dialled=f"{host}:1")  # the operator asked for it
    assert len(book.node.links) == MAX_OF_ONE_HOME + 2


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.7"])
def test_links_within_a_machine_or_a_lan_are_not_counted_by_home(host: str) -> None:
    book = Playbook()
    for number in range(2 * MAX_OF_ONE_HOME):
        book.link(identity(100 + number), address=f"{host}:{4000 + number}")

    assert len(book.node.links) == 2 * MAX_OF_ONE_HOME
