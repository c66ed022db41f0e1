"""Addresses that their peers signed: nobody invents one for somebody else, and forgeries cost the link."""

import pytest

from chatcore.addresses import Scope, group_at
from chatcore.clock import Now
from chatcore.config import NodeConfig
from chatcore.dialler import FEW_LINKS
from chatcore.discouraged import Discouraged
from chatcore.errors import ForgedRecord
from chatcore.events import (
    AddressesDue,
    BlockPeer,
    CloseLink,
    Dial,
    Discovered,
    FeelerDue,
    PingDue,
    SaveAddresses,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.links import PEER_REQUEST_EVERY_S, Links
from chatcore.messages import (
    Introduction,
    LinkMessage,
    NeighborReply,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
    RoomRequest,
    RoomResponse,
    Seen,
    Shuffle,
)
from chatcore.records import MAX_AGE_S, MAX_AHEAD_S, MAX_TIME, PeerRecord, open_record, sign_record
from chatcore.vetting import INTRODUCTIONS_BURST, UNASKED_BURST, UNASKED_PER_S
from chatcore.whereabouts import MOVE_EVERY_S, SIGN_AGAIN_S, Whereabouts
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    START,
    WINE,
    Playbook,
    identity,
    link_to,
    of,
    one,
    sent,
    signed,
)

HERE = "192.0.2.1:8080"
FRIEND = "198.51.100.9:8080"


def forged(peer: Identity, address: str) -> PeerRecord:
    """The peer's key, and somebody else's word."""
    record = signed(peer, address)
    return open_record(record.signed[:-64] + BOB.sign(b"chatd peer record 1\0", record.signed[:-64]))


# Records


def test_record_says_who_lives_where_in_106_bytes() -> None:
    record = sign_record(ANN, HERE, 1_700_000_000)

    assert record == (ANN.peer_id, HERE, 1_700_000_000, record.signed, Scope.GLOBAL)
    assert record.signed[:42] == ANN.public_key + bytes.fromhex("6553f100 c0000201 1f90")
    assert record.signed[42:] == ANN.sign(b"chatd peer record 1\0", record.signed[:42])
    assert open_record(record.signed) == record
    assert record.is_signed()


@pytest.mark.parametrize("at", [0, 33, 37, 41, 50, 105])
def test_record_with_any_part_changed_is_not_signed(at: int) -> None:
    spoilt = bytearray(sign_record(ANN, HERE, 1_700_000_000).signed)
    spoilt[at] ^= 1

    assert not open_record(bytes(spoilt)).is_signed()


def test_record_of_ipv6_is_longer() -> None:
    assert len(sign_record(ANN, "[2001:db8::1]:1", 0).signed) == 118


@pytest.mark.parametrize(
    ("age_s", "current"),
    [(0, True), (MAX_AGE_S, True), (MAX_AGE_S + 1, False), (-MAX_AHEAD_S, True), (-MAX_AHEAD_S - 1, False)],
)
def test_record_is_current_for_a_day(age_s: float, current: bool) -> None:
    assert signed(ANN, HERE, age_s=int(age_s)).is_current(START) is current


# Where we are


def whereabouts(
    listen_host: str = "", port: int = 8080, advertise: tuple[str, ...] = ()
) -> tuple[Whereabouts, Links]:
    config = NodeConfig(listen_host=listen_host, listen_port=port, advertise=advertise)
    return Whereabouts(ANN, config), Playbook().node.links


def told(found: Whereabouts, scope: Scope = Scope.LOOPBACK, *, after_s: float = 0.0) -> list[str]:
    found.update(Now(START.mono + after_s, START.wall_ms))
    return [record.address for record in found.records_for(scope)]


def meet(found: Whereabouts, links: Links, number: int, address: str, local: str = "") -> LinkId:
    up = link_to(identity(number), number)
    link = links.add(type(up)(up.link, up.peer_id, up.hello, address, None, up.told, up.binding, local), 0.0)
    found.handle_link_up(link)
    return link.link


def see(found: Whereabouts, links: Links, link: LinkId, host: str) -> None:
    seer = links.get(link)
    assert seer is not None
    found.on_seen(seer, host)


def test_address_of_our_own_socket_is_ours() -> None:
    found, links = whereabouts()
    meet(found, links, 1, "198.51.100.1:4", "192.0.2.1")

    assert told(found) == [HERE]


@pytest.mark.parametrize("local", ["", "192.168.1.5", "127.0.0.1"])
def test_address_of_another_scope_is_not(local: str) -> None:
    found, links = whereabouts()
    meet(found, links, 1, "198.51.100.1:4", local)

    assert told(found) == []


def test_nobody_hears_of_a_network_it_is_not_in() -> None:
    found, links = whereabouts()
    meet(found, links, 1, "127.0.0.1:4", "127.0.0.1")
    meet(found, links, 2, "192.168.1.9:4", "192.168.1.5")
    meet(found, links, 3, "198.51.100.1:4", "192.0.2.1")

    assert told(found, Scope.LOOPBACK) == ["127.0.0.1:8080", "192.168.1.5:8080", HERE]
    assert told(found, Scope.LAN) == ["192.168.1.5:8080", HERE]
    assert told(found, Scope.GLOBAL) == [HERE]


def test_address_behind_a_nat_takes_witnesses_of_two_groups() -> None:
    found, links = whereabouts()
    first = meet(found, links, 1, "198.51.100.1:4", "192.168.1.5")
    neighbour = meet(found, links, 2, "198.51.100.2:4", "192.168.1.5")
    near = meet(found, links, 3, "192.168.1.9:4", "192.168.1.5")
    far = meet(found, links, 4, "203.0.113.1:4", "192.168.1.5")
    for seer in (first, neighbour, near):
        see(found, links, seer, "192.0.2.1")
    assert told(found, Scope.GLOBAL) == []

    see(found, links, far, "192.0.2.9")
    assert told(found, Scope.GLOBAL) == []

    see(found, links, far, "192.0.2.1")
    assert told(found, Scope.GLOBAL) == [HERE]


def test_witnesses_that_change_their_minds_do_not_make_us_tell_each_time() -> None:
    found, links = whereabouts()
    liars = [meet(found, links, number, f"{number}.0.0.1:1") for number in (20, 30)]
    moved = 0
    for flip in range(100):
        for liar in liars:
            see(found, links, liar, f"192.0.2.{1 + flip % 2}")
        moved += found.update(Now(flip * 0.1, START.wall_ms))
    assert moved == 1

    assert found.update(Now(MOVE_EVERY_S, START.wall_ms))


def test_witnesses_count_for_nothing_where_our_socket_knows_better() -> None:
    found, links = whereabouts()
    for number, address in ((1, "198.51.100.1:4"), (2, "203.0.113.1:4")):
        see(found, links, meet(found, links, number, address, "192.0.2.1"), "192.0.2.66")

    assert told(found) == [HERE]


def test_address_moves_when_the_machine_does_and_not_when_a_link_ends() -> None:
    found, links = whereabouts()
    old = meet(found, links, 1, "198.51.100.1:4", "192.0.2.1")
    told(found)
    found.handle_link_gone(old)
    assert told(found) == [HERE]

    meet(found, links, 2, "198.51.100.1:4", "192.0.2.2")
    assert told(found, after_s=MOVE_EVERY_S - 1) == [HERE]
    assert told(found, after_s=MOVE_EVERY_S) == ["192.0.2.2:8080"]


def test_operators_word_counts_before_all_others() -> None:
    found, links = whereabouts(advertise=("203.0.113.5:99",))
    meet(found, links, 1, "198.51.100.1:4", "192.0.2.1")

    assert told(found) == ["203.0.113.5:99"]


def test_one_address_listened_at_is_the_one_told() -> None:
    found, links = whereabouts("127.0.0.5")
    meet(found, links, 1, "127.0.0.9:4", "127.0.0.1")

    assert told(found) == ["127.0.0.5:8080"]


def test_node_that_does_not_listen_says_nothing() -> None:
    found, links = whereabouts(port=0, advertise=(HERE,))
    meet(found, links, 1, "198.51.100.1:4", "192.0.2.1")

    assert told(found) == []


def test_record_is_signed_anew_before_it_is_too_old() -> None:
    found, _ = whereabouts("192.0.2.1")
    assert found.update(START)
    mono = START.mono + SIGN_AGAIN_S
    later = Now(mono, START.wall_ms + int(SIGN_AGAIN_S - 1) * 1000)
    assert not found.update(later)

    assert found.update(Now(mono, START.wall_ms + int(SIGN_AGAIN_S) * 1000))


@pytest.mark.parametrize(("ahead_s", "anew"), [(MAX_AHEAD_S, False), (MAX_AHEAD_S + 1, True), (7200, True)])
def test_record_signed_while_the_clock_was_ahead_is_signed_anew(ahead_s: float, anew: bool) -> None:
    found, _ = whereabouts("192.0.2.1")
    assert found.update(Now(START.mono, START.wall_ms + int(ahead_s) * 1000))

    put_right = Now(START.mono + MOVE_EVERY_S, START.wall_ms)

    assert found.update(put_right) is anew
    (record,) = found.records_for(Scope.GLOBAL)
    assert record.is_current(put_right)


@pytest.mark.parametrize(("wall_ms", "time"), [(2**32 * 1000, MAX_TIME), (2**62, MAX_TIME), (-1, 0)])
def test_clock_out_of_its_mind_still_fits_a_record(wall_ms: int, time: int) -> None:
    found, _ = whereabouts(advertise=(HERE,))

    assert found.update(Now(0.0, wall_ms))
    assert [record.time for record in found.records_for(Scope.GLOBAL)] == [time]


def test_members_that_one_teller_names_are_in_the_book_as_of_that_teller() -> None:
    book = Playbook()
    bob = book.neighbour(BOB, address="203.0.113.7:40000")
    named = tuple(signed(identity(200 + number), f"{20 + number}.1.0.1:1") for number in range(8))

    book.receive(bob, Shuffle(LOBBY, named))

    (saved,) = of(book.fire(AddressesDue()), SaveAddresses)
    assert {item.record for item in saved.known} == set(named)
    assert {item.source for item in saved.known} == {group_at("203.0.113.7:40000")}


def test_peers_are_introduced_to_us_and_seen() -> None:
    book = Playbook(listen_host="192.0.2.1")

    outputs = book.link_up(BOB)

    assert [message.host for _, message in sent(outputs, Seen)] == ["192.0.2.7"]
    ((links, introduction),) = sent(outputs, Introduction)
    assert links == (book.newest,)
    assert [record.address for record in introduction.records] == [HERE]


def test_everybody_hears_when_we_know_better_where_we_are() -> None:
    book = Playbook()
    bob = book.link(BOB)
    carl = book.link(CARL, address="203.0.113.1:4")
    assert sent(book.receive(bob, Seen("192.0.2.1")), Introduction) == []

    ((links, introduction),) = sent(book.receive(carl, Seen("192.0.2.1")), Introduction)

    assert set(links) == {bob, carl}
    assert [record.address for record in introduction.records] == [HERE]


def test_record_of_a_clock_that_was_ahead_is_told_anew_once_it_is_put_right() -> None:
    book = Playbook(listen_host="192.0.2.1")
    bob = book.link(BOB)
    book.wait(MOVE_EVERY_S)
    book.now = Now(book.now.mono, book.now.wall_ms - 2 * 3600 * 1000)

    ((links, introduction),) = sent(book.fire(PingDue()), Introduction)

    assert links == (bob,)
    assert [record.time for record in introduction.records] == [book.now.wall_ms // 1000]


def test_record_is_told_anew_every_six_hours() -> None:
    book = Playbook(listen_host="192.0.2.1")
    bob = book.link(BOB)
    ((_, ping),) = sent(book.fire(PingDue()), Ping)
    book.receive(bob, Pong(ping.nonce))
    book.wait(SIGN_AGAIN_S)
    book.receive(bob, Ping(1))  # or it would be found dead

    ((links, introduction),) = sent(book.fire(PingDue()), Introduction)

    assert links == (bob,)
    assert [record.time for record in introduction.records] == [book.now.wall_ms // 1000]
    assert sent(book.fire(PingDue()), Introduction) == []


# What others tell


def forgeries() -> list[LinkMessage]:
    records = (forged(CARL, "203.0.113.7:1"),)
    return [
        PeerResponse(records),
        Shuffle(LOBBY, records),
        NeighborReply(LOBBY, accepted=False, members=records),
    ]


@pytest.mark.parametrize("message", forgeries(), ids=lambda message: type(message).__name__)
def test_forged_record_is_refused_and_counted_and_costs_the_link(message: LinkMessage) -> None:
    book = Playbook()
    book.link_up(BOB, dialled=FRIEND)

    outputs = book.receive(book.newest, message)

    assert isinstance(one(outputs, CloseLink).error, ForgedRecord)
    assert book.refused["forged_record"] == 1
    assert of(outputs, Dial) == []


def test_forged_record_in_a_rooms_answer_is_not_handed_on() -> None:
    book = Playbook()
    asker, way = book.link(BOB), book.link(CARL)
    book.receive(asker, RoomRequest(WINE, 7, 5))

    outputs = book.receive(way, RoomResponse(7, (forged(DORA, "203.0.113.7:1"),)))

    assert sent(outputs, RoomResponse) == []
    assert one(outputs, CloseLink).link == way


@pytest.mark.parametrize(
    ("record", "kinds"),
    [(signed(BOB, HERE), []), (signed(CARL, HERE), ["malformed"]), (forged(CARL, HERE), ["malformed"])],
)
def test_introduction_of_somebody_else_costs_the_link(record: PeerRecord, kinds: list[str]) -> None:
    book = Playbook()
    bob = book.link(BOB)

    closed = of(book.receive(bob, Introduction((record,))), CloseLink)

    assert [output.error.kind for output in closed] == kinds


def test_introductions_are_taken_now_and_then() -> None:
    book = Playbook()
    bob = book.link(BOB)
    for number in range(INTRODUCTIONS_BURST + 3):
        book.receive(bob, Introduction((signed(BOB, f"192.0.2.{number + 1}:1"),)))

    link = book.node.links.get(bob)
    assert link is not None
    assert link.record == signed(BOB, f"192.0.2.{INTRODUCTIONS_BURST}:1")
    assert book.refused["introduction_rate"] == 3


@pytest.mark.parametrize("age_s", [int(MAX_AGE_S) + 1, -int(MAX_AHEAD_S) - 1])
def test_old_and_future_records_are_refused_without_blame(age_s: int) -> None:
    book = Playbook()
    bob = book.link(BOB, dialled=FRIEND)

    outputs = book.receive(bob, PeerResponse((signed(CARL, HERE, age_s=age_s),)))

    assert of(outputs, Dial) == []
    assert of(outputs, CloseLink) == []
    assert book.refused["stale_record"] == 1


@pytest.mark.parametrize(
    ("teller", "told", "taken"),
    [
        ("198.51.100.1:4", "192.168.1.9:1", False),
        ("198.51.100.1:4", "127.0.0.1:1", False),
        ("192.168.1.7:4", "127.0.0.1:1", False),
        ("192.168.1.7:4", "192.168.1.9:1", True),
        ("127.0.0.1:4", "192.168.1.9:1", True),
        ("127.0.0.1:4", "127.0.0.1:1", True),
        ("192.168.1.7:4", HERE, True),
    ],
)
def test_addresses_of_a_lan_are_taken_only_from_within(teller: str, told: str, taken: bool) -> None:
    book = Playbook()
    bob = book.link(BOB, dialled=FRIEND, address=teller)

    outputs = book.receive(bob, PeerResponse((signed(CARL, told),)))

    assert [dial.address for dial in of(outputs, Dial)] == ([told] if taken else [])
    assert book.refused.get("lan_address", 0) == (0 if taken else 1)


def test_addresses_of_a_lan_are_told_only_within() -> None:
    book = Playbook()
    book.link(BOB, address="192.168.1.7:4", port=8080)
    near, far = book.link(CARL, address="192.168.1.8:4"), book.link(DORA)

    answers = [
        response.peers
        for link in (near, far)
        for _, response in sent(book.receive(link, PeerRequest(32)), PeerResponse)
    ]

    assert answers == [(signed(BOB, "192.168.1.7:8080"),), ()]


def test_addresses_nobody_asked_for_are_taken_slowly() -> None:
    book = Playbook()
    bob = book.link(BOB)
    for first in range(0, 3 * UNASKED_BURST, 32):
        named = tuple(signed(identity(1000 + n), f"203.0.113.{n + 1}:1") for n in range(first, first + 32))
        book.receive(bob, Shuffle(LOBBY, named))
        book.wait(6.0)

    taken = 3 * UNASKED_BURST - book.refused["address_rate"]
    assert UNASKED_BURST <= taken <= UNASKED_BURST + 6 * 6.0 * UNASKED_PER_S


def test_newest_record_of_a_peer_wins() -> None:
    book = Playbook()
    bob = book.link(BOB)
    for age_s, address in ((50, "203.0.113.1:1"), (10, "203.0.113.2:1"), (90, "203.0.113.3:1")):
        book.receive(bob, Shuffle(LOBBY, (signed(CARL, address, age_s=age_s),)))
        book.wait(10.0)

    assert [record.address for record in book.node.rooms[LOBBY].known] == ["203.0.113.2:1"]


# Those we do not link with


def keeping_away(*peers: Identity, address: str = "") -> Playbook:
    until_ms = START.wall_ms + 3_600_000
    return Playbook(
        discouraged=[Discouraged(peer.peer_id, address, "", "forged messages", until_ms) for peer in peers]
    )


def test_two_forged_records_keep_a_peer_away() -> None:
    book = Playbook()
    for _ in range(2):
        book.link_up(BOB, dialled=FRIEND)
        book.receive(book.newest, PeerResponse((forged(CARL, HERE),)))

    assert one(book.link_up(BOB), CloseLink).error.kind == "discouraged"


def test_flood_of_introductions_keeps_a_peer_away() -> None:
    book = Playbook()
    bob = book.link(BOB)
    record = signed(BOB, HERE)

    outputs = [item for _ in range(110) for item in book.receive(bob, Introduction((record,)))]

    assert one(outputs, CloseLink).error.kind == "discouraged"


def test_records_of_a_discouraged_peer_are_neither_dialled_nor_handed_on() -> None:
    book = keeping_away(CARL)
    bob = book.link(BOB, dialled=FRIEND)

    assert of(book.receive(bob, PeerResponse((signed(CARL, HERE),))), Dial) == []
    assert of(book.receive(bob, Shuffle(LOBBY, (signed(CARL, HERE),))), Dial) == []

    dora = book.link(DORA)
    outputs = book.receive(dora, PeerRequest(32)) + book.receive(dora, RoomRequest(LOBBY, 7, 1))
    told = [record for _, answer in sent(outputs, PeerResponse) for record in answer.peers]
    told += [record for _, answer in sent(outputs, RoomResponse) for record in answer.members]
    assert CARL.peer_id not in {record.peer_id for record in told}


def test_peer_that_answered_and_is_blocked_now_is_told_of_no_more() -> None:
    book = Playbook()
    book.link_up(CARL, dialled=HERE, port=8080)
    dora = book.link(DORA)
    ((_, before),) = sent(book.receive(dora, PeerRequest(32)), PeerResponse)
    assert [record.peer_id for record in before.peers] == [CARL.peer_id]

    book.settle(book.handle(BlockPeer(book.next_request(), CARL.peer_id, "carl", blocked=True)))
    book.wait(PEER_REQUEST_EVERY_S)

    ((_, after),) = sent(book.receive(dora, PeerRequest(32)), PeerResponse)
    assert after.peers == ()
    outputs = book.receive(dora, RoomRequest(LOBBY, 7, 1))
    assert [answer for _, answer in sent(outputs, RoomResponse)] == []


def test_feelers_leave_those_alone_whom_we_do_not_link_with() -> None:
    book = Playbook()
    book.link_up(CARL, dialled=HERE, port=8080)
    for number in range(FEW_LINKS):
        book.link_up(identity(100 + number))
    book.settle(book.handle(BlockPeer(book.next_request(), CARL.peer_id, "carl", blocked=True)))
    book.wait(1.0)

    assert [of(book.fire(FeelerDue()), Dial) for _ in range(20)] == [[]] * 20


def test_found_node_is_not_called_where_a_discouraged_peer_has_answered() -> None:
    book = Playbook()
    book.link_up(CARL, dialled=HERE, port=8080)
    book.settle(book.handle(BlockPeer(book.next_request(), CARL.peer_id, "carl", blocked=True)))

    assert of(book.handle(Discovered(((HERE,),))), Dial) == []


def test_where_a_peer_claims_to_live_keeps_nobody_else_away() -> None:
    book = Playbook()
    bob = book.link(BOB, address="198.51.100.1:4")
    book.receive(bob, Introduction((signed(BOB, HERE),)))

    link = book.node.links.get(bob)
    assert link is not None
    assert link.home == ""
    book.receive(bob, Introduction((signed(BOB, "198.51.100.1:9"),)))
    assert link.home == "198.51.100.1:9"
