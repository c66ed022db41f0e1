"""The road of a message: in at a link, checked, handed on, stored, told; and our own the other way."""

import pytest

from chatcore.clock import COUNTER_BITS, MAX_SKEW_MS, HybridClock, wall_ms_of
from chatcore.config import GossipConfig
from chatcore.envelopes import Announce, Chat, Join, Leave
from chatcore.errors import BadSignature, Malformed, StoreFailed
from chatcore.events import (
    CloseLink,
    Committed,
    IhaveDue,
    MemberChanged,
    MessageAdded,
    Movement,
    Notice,
    PeerChanged,
    Persist,
    Priority,
    ReceiptDue,
    Rejected,
    Replied,
    RumourDue,
    Send,
    SentReply,
    SetTimer,
    StatesDue,
    StoredMessage,
    Verified,
    Verify,
)
from chatcore.ids import LinkId
from chatcore.messages import Goodbye, Ihave, Neighbor, Ping, Pong, Publish, UnknownMessage
from chatcore.own import OwnMessage, State
from chatcore.recent import short_id
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    STAMP,
    START,
    WINE,
    Playbook,
    chat,
    forged,
    job_of,
    of,
    of_kind,
    one,
    publish,
    pushed,
    sent,
    written,
)

# Somebody's message


def test_chat_is_checked_then_handed_on_then_stored_then_told() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hi = chat(BOB, "hi")

    received = book.receive(bob, publish(hi, hops=5))
    assert received == [Verify(job_of(received), bob, (hi,))]

    checked = book.verify(received)
    assert checked == [
        pushed([carl], publish(hi, hops=4)),
        SetTimer(RumourDue(), book.now.mono + 1.0),
        MemberChanged("lobby", BOB.peer_id, "somebody", Movement.JOINED),
        Persist(job_of(checked), messages=(hi,)),
    ]

    assert book.commit(checked) == [
        MessageAdded("lobby", StoredMessage(1, hi)),
        SetTimer(ReceiptDue(), book.now.mono + 0.05),
    ]
    assert book.node.counters.received == 1
    assert book.node.counters.forwarded == 1


def test_chat_is_not_told_before_its_commit() -> None:
    book = Playbook()
    checked = book.verify(book.receive(book.link(BOB), publish(chat(BOB, "hi"))))

    assert of(checked, MessageAdded) == []
    assert book.node.counters.received == 0


def test_chat_goes_to_active_neighbours_and_never_back_to_its_source() -> None:
    book = Playbook(gossip=GossipConfig(fanout=4, full_mesh_below=0))
    source = book.neighbour(BOB)
    others = book.links(20)
    for link in others:
        book.receive(link, Neighbor(LOBBY, urgent=False))
    active = book.active()
    assert 4 <= len(active) <= 6

    ((links, _),) = sent(book.hear(source, chat(BOB, "hi")), Publish)

    assert len(links) == len(set(links))
    assert set(links) == active - {source}


def test_chat_goes_to_all_neighbours_when_they_are_few() -> None:
    book = Playbook()
    source = book.neighbour(BOB)
    others = book.neighbours(9)

    assert [links for links, _ in sent(book.hear(source, chat(BOB, "hi")), Publish)] == [tuple(others)]


def test_chat_stays_in_its_room() -> None:
    book = Playbook()
    source = book.neighbour(BOB)
    book.neighbour(CARL, rooms=[WINE])

    assert sent(book.hear(source, chat(BOB, "hi")), Publish) == []
    assert book.texts == ["hi"]


@pytest.mark.parametrize(("came", "left"), [(5, 4), (16, 15), (17, 15), (255, 15), (1, 0)])
def test_hop_budget_is_one_less_at_each_node_and_clamped_to_our_own(came: int, left: int) -> None:
    book = Playbook()
    source = book.neighbour(BOB)
    book.neighbour(CARL)

    ((_, copy),) = sent(book.hear(source, chat(BOB, "hi"), hops=came), Publish)

    assert copy.hops == left


def test_message_without_hops_left_is_kept_and_announced_but_not_handed_on() -> None:
    book = Playbook()
    source = book.neighbour(BOB)
    carl = book.neighbour(CARL)
    hi = chat(BOB, "hi")

    outputs = book.hear(source, hi, hops=0)

    assert sent(outputs, Publish) == []
    assert [news.stored.envelope.body for news in of(outputs, MessageAdded)] == [Chat("hi")]
    assert sent(book.fire(IhaveDue()), Ihave) == [((carl,), Ihave((short_id(hi.id),)))]


# Dedup


def test_copy_from_another_link_is_counted_and_dropped() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hi = chat(BOB, "hi")
    book.hear(bob, hi)

    assert book.receive(carl, publish(hi)) == []
    assert book.node.counters.duplicate == 1
    assert book.texts == ["hi"]


def test_copies_that_come_while_the_signature_is_checked_are_checked_once() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hi = chat(BOB, "hi")

    first = book.receive(bob, publish(hi), publish(hi))
    assert one(first, Verify).envelopes == (hi,)
    assert book.receive(carl, publish(hi)) == []
    assert book.node.counters.duplicate == 2

    book.settle(first)
    assert book.texts == ["hi"]


def test_copy_that_comes_while_the_commit_is_under_way_is_dropped() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    hi = chat(BOB, "hi")
    checked = book.verify(book.receive(bob, publish(hi)))

    assert book.receive(carl, publish(hi)) == []
    assert len(of(book.commit(checked), MessageAdded)) == 1


def test_message_that_the_store_holds_is_not_checked_again() -> None:
    book = Playbook()
    bob = book.link(BOB)
    hi = chat(CARL, "hi")
    book.index.ids.add(hi.id)

    assert book.receive(bob, publish(hi)) == []
    assert book.node.counters.duplicate == 1


def test_message_that_the_store_had_already_is_told_to_nobody() -> None:
    book = Playbook()
    checked = book.verify(book.receive(book.link(BOB), publish(chat(CARL, "hi"))))

    assert book.handle(Committed(job_of(checked), ())) == []
    assert book.node.counters.received == 0


def test_forged_copy_arriving_first_does_not_shut_out_the_true_one() -> None:
    book = Playbook()
    mallory, bob = book.link(DORA), book.link(BOB)
    hi = chat(BOB, "hi")

    wrong = book.receive(mallory, publish(forged(hi)))
    right = book.receive(bob, publish(hi))

    assert one(right, Verify).envelopes == (hi,)  # though a copy with the same id is being checked
    assert of(book.settle(wrong), MessageAdded) == []
    assert [news.stored.envelope for news in of(book.settle(right), MessageAdded)] == [hi]


def test_forged_copy_checked_before_the_true_one_comes_does_not_shut_it_out() -> None:
    book = Playbook()
    mallory, bob = book.link(DORA), book.link(BOB)
    hi = chat(BOB, "hi")

    book.hear(mallory, forged(hi))
    book.hear(bob, hi)

    assert book.texts == ["hi"]


def test_forged_copy_that_comes_again_is_checked_again_and_leaves_nothing_behind() -> None:
    book = Playbook()
    wrong = forged(chat(BOB, "hi"))

    for mallory in (book.link(DORA), book.link(CARL)):
        assert one(book.hear(mallory, wrong), CloseLink).link == mallory

    assert book.refused == {"bad_signature": 2}


def test_true_copy_is_stored_once_when_two_signatures_for_it_hold() -> None:
    # libsodium lets nobody but the author make a second one; the author may.
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    hi = chat(BOB, "hi")
    first = book.receive(bob, publish(hi))
    second = book.receive(carl, publish(forged(hi)))

    book.commit(book.handle(Verified(job_of(first), (True,))))

    assert book.handle(Verified(job_of(second), (True,))) == []
    assert book.node.counters.duplicate == 1


def test_ephemeral_copy_is_dropped_and_not_counted_as_a_message() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    here = written(DORA, Join())
    book.hear(bob, here)

    assert book.receive(carl, publish(here)) == []
    assert book.node.counters.duplicate == 0
    assert book.node.counters.received == 0


def test_forwarded_presence_is_not_counted_as_a_message() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.neighbour(CARL)

    assert sent(book.hear(bob, written(BOB, Join())), Publish) != []
    assert book.node.counters.forwarded == 0


# Refusals that are nobody's fault


def test_message_from_the_future_is_refused_and_its_link_stays() -> None:
    book = Playbook()
    bob = book.link(BOB)
    future = (START.wall_ms + MAX_SKEW_MS + 1) << COUNTER_BITS

    assert book.receive(bob, publish(chat(CARL, "tomorrow", stamp=future))) == []
    assert book.refused == {"future": 1}
    assert book.node.links.get(bob) is not None


def test_message_older_than_what_is_kept_is_refused_and_its_link_stays() -> None:
    book = Playbook()
    bob = book.link(BOB)
    book.index.floors[LOBBY] = STAMP

    assert book.receive(bob, publish(chat(CARL, "long gone", stamp=STAMP - 1))) == []
    assert book.refused == {"expired": 1}
    assert book.node.links.get(bob) is not None
    book.hear(bob, chat(BOB, "kept", stamp=STAMP))
    assert book.texts == ["kept"]


def test_message_within_the_accepted_skew_is_taken() -> None:
    book = Playbook()
    ahead = (START.wall_ms + MAX_SKEW_MS) << COUNTER_BITS

    book.hear(book.link(BOB), chat(BOB, "soon", stamp=ahead))

    assert book.texts == ["soon"]


def test_stale_ephemeral_is_refused() -> None:
    book = Playbook()
    old = (START.wall_ms - MAX_SKEW_MS - 1) << COUNTER_BITS

    assert book.receive(book.link(BOB), publish(written(BOB, Join(), stamp=old))) == []
    assert book.refused == {"stale": 1}


def test_durable_message_is_never_too_old() -> None:
    book = Playbook()

    book.hear(book.link(BOB), chat(BOB, "long ago", stamp=1 << COUNTER_BITS))

    assert book.texts == ["long ago"]


def test_message_of_a_room_we_are_not_in_is_refused() -> None:
    book = Playbook()
    bob = book.link(BOB)

    assert book.receive(bob, publish(chat(BOB, "cheers", room=WINE))) == []
    assert book.refused == {"not_in_room": 1}
    assert book.node.links.get(bob) is not None


def test_refused_message_may_be_received_later() -> None:
    book = Playbook()
    bob = book.link(BOB)
    cheers = chat(BOB, "cheers", room=WINE)
    book.receive(bob, publish(cheers))
    book.settle(book.join("wine"))

    book.hear(bob, cheers)

    assert book.texts == ["cheers"]


# Faults


def test_forged_message_closes_its_link_and_is_counted() -> None:
    book = Playbook()
    mallory = book.link(DORA)
    book.link(CARL)

    outputs = book.hear(mallory, forged(chat(BOB, "I owe you")))

    error = one(outputs, CloseLink).error
    assert isinstance(error, BadSignature)
    assert outputs == [
        Notice("forged_message", "192.0.2.7:40000", error),
        Send((mallory,), Goodbye(str(error)), Priority.BULK),
        CloseLink(mallory, error),
        PeerChanged(DORA.peer_id, "somebody", "192.0.2.7:40000", outbound=False, up=False, reason=str(error)),
    ]
    assert book.refused == {"bad_signature": 1}
    assert book.node.links.get(mallory) is None


def test_true_messages_beside_a_forged_one_are_kept() -> None:
    book = Playbook()
    true, false = chat(BOB, "true"), forged(chat(BOB, "false"))

    outputs = book.hear(book.link(DORA), true, false)

    assert book.texts == ["true"]
    assert len(of(outputs, CloseLink)) == 1


def test_forgery_is_counted_when_its_link_is_gone_already() -> None:
    book = Playbook()
    mallory = book.link(DORA)
    received = book.receive(mallory, publish(forged(chat(BOB, "I owe you"))))
    book.link_down(mallory)

    assert book.verify(received) == []
    assert book.refused == {"bad_signature": 1}


def test_malformed_envelope_drops_its_link() -> None:
    book = Playbook()
    mallory = book.link(DORA)
    whole = publish(chat(BOB, "hi"))

    outputs = book.receive(mallory, whole, whole._replace(payload=b"\x90", id=chat(BOB, "other").id))

    assert isinstance(one(outputs, CloseLink).error, Malformed)
    assert of(outputs, Verify) == []
    assert book.refused == {"malformed": 1}


def test_whole_message_beside_a_malformed_one_may_come_again() -> None:
    book = Playbook()
    mallory, bob = book.link(DORA), book.link(BOB)
    whole = publish(chat(BOB, "hi"))
    book.receive(mallory, whole, whole._replace(payload=b"\x90", id=chat(BOB, "other").id))

    book.settle(book.receive(bob, whole))

    assert book.texts == ["hi"]


def test_input_of_an_unknown_link_is_ignored() -> None:
    assert Playbook().receive(LinkId(77), publish(chat(BOB, "hi")), Ping(1)) == []


def test_check_outlives_its_link() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    received = book.receive(bob, publish(chat(BOB, "last words")))
    book.link_down(bob)

    assert [links for links, _ in sent(book.settle(received), Publish)] == [(carl,)]
    assert book.texts == ["last words"]


# Kinds of a newer minor version


def test_unknown_durable_kind_is_handed_on_and_stored_and_not_told() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    novelty = of_kind(BOB, 77, "whatever", [1, [2]])

    outputs = book.hear(bob, novelty)

    assert sent(outputs, Publish) == [((carl,), publish(novelty, hops=15))]
    assert [item.envelope for item in book.stored] == [novelty]
    assert of(outputs, MessageAdded) == []


def test_unknown_ephemeral_kind_is_handed_on_and_not_stored() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    novelty = of_kind(BOB, 200, "whatever")

    assert sent(book.hear(bob, novelty), Publish) == [((carl,), publish(novelty, hops=15))]
    assert book.stored == []


def test_known_kind_with_further_fields_is_taken() -> None:
    book = Playbook()
    book.hear(book.link(BOB), of_kind(BOB, 1, "hi", "with a field of tomorrow"))

    assert book.texts == ["hi"]


@pytest.mark.parametrize("body", [Join(), Leave(), Announce(15)])
def test_presence_is_never_stored(body: Join | Leave | Announce) -> None:
    book = Playbook()
    book.hear(book.link(BOB), written(BOB, body))

    assert book.stored == []


def test_unknown_message_type_is_ignored_and_what_follows_is_not() -> None:
    book = Playbook()
    bob = book.link(BOB)

    assert book.receive(bob, UnknownMessage(99), Ping(5)) == [
        Send((bob,), Pong(5, START.wall_ms), Priority.CONTROL)
    ]


# Our own messages


def test_own_message_is_stored_before_it_is_sent_answered_or_told() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)

    said = book.say("hello")
    persist = one(said, Persist)
    assert said == [persist]

    (hello,) = persist.messages
    assert hello.is_signed()
    assert (hello.author, hello.room, hello.username, hello.body) == (
        ANN.public_key,
        LOBBY,
        "ann",
        Chat("hello"),
    )
    assert book.commit(said) == [
        pushed([bob, carl], publish(hello, hops=16)),
        SetTimer(RumourDue(), book.now.mono + 1.0),
        Replied(book.next_request() - 1, SentReply(OwnMessage(hello.id, LOBBY, State.SENT), "lobby")),  # type: ignore[arg-type]  # int
        MessageAdded("lobby", StoredMessage(1, hello), OwnMessage(hello.id, LOBBY, State.SENT)),
        SetTimer(StatesDue(), book.now.mono + 0.25),
    ]
    assert book.node.counters.sent == 1
    assert book.node.counters.forwarded == 2


def test_own_message_goes_to_more_neighbours_than_fanout() -> None:
    book = Playbook(gossip=GossipConfig(fanout=4))
    links = book.neighbours(6)

    assert [to for to, _ in sent(book.settle(book.say("hello")), Publish)] == [tuple(links)]


def test_own_message_without_neighbours_is_answered_as_handed_to_nobody() -> None:
    book = Playbook()
    book.neighbour(BOB, rooms=[WINE])

    outputs = book.settle(book.say("hello"))

    assert sent(outputs, Publish) == []
    assert one(outputs, Replied).reply == SentReply(OwnMessage(book.stored[0].envelope.id, LOBBY), "lobby")


def test_own_message_whose_commit_fails_is_rejected_and_never_sent() -> None:
    book = Playbook()
    book.neighbour(BOB)

    notice, rejected = book.fail(book.say("hello"), "disk full")

    assert isinstance(rejected, Rejected)
    assert isinstance(rejected.error, StoreFailed)
    assert rejected.error.retryable
    assert notice == Notice("commit_failed", "", rejected.error)
    assert book.node.counters.sent == 0


def test_message_of_others_whose_commit_fails_may_be_received_again() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    hi = chat(BOB, "hi")

    failed = book.fail(book.verify(book.receive(bob, publish(hi))))
    assert [notice.what for notice in of(failed, Notice)] == ["commit_failed"]
    assert of(failed, MessageAdded) == []

    book.hear(carl, hi)
    assert book.texts == ["hi"]


def test_own_message_that_comes_back_is_a_copy() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.settle(book.say("hello"))

    assert book.receive(bob, publish(book.stored[0].envelope)) == []
    assert book.node.counters.duplicate == 1


def test_own_messages_have_rising_stamps_within_one_millisecond() -> None:
    book = Playbook()
    for number in range(50):
        book.settle(book.say(f"{number}"))

    stamps = [item.envelope.stamp for item in book.stored]
    assert stamps == sorted(set(stamps))


def test_own_message_sorts_after_everything_heard() -> None:
    book = Playbook()
    ahead = (START.wall_ms + 60_000) << COUNTER_BITS
    book.hear(book.link(BOB), chat(BOB, "my clock is ahead", stamp=ahead))

    book.settle(book.say("and mine is not"))

    assert [item.envelope.stamp for item in book.stored] == [ahead, ahead + 1]


def test_forged_stamp_does_not_move_the_clock() -> None:
    book = Playbook()
    ahead = (START.wall_ms + 60_000) << COUNTER_BITS
    book.hear(book.link(BOB), forged(chat(BOB, "hurry", stamp=ahead)))

    book.settle(book.say("no"))

    assert wall_ms_of(book.stored[0].envelope.stamp) == START.wall_ms


def test_message_for_a_room_left_meanwhile_is_told_to_nobody() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob = book.neighbour(BOB, rooms=[WINE])
    received = book.receive(bob, publish(chat(BOB, "cheers", room=WINE)))
    book.settle(book.leave("wine"))

    outputs = book.settle(received)

    assert of(outputs, MessageAdded) == []
    assert sent(outputs, Publish) == []


def test_own_message_for_a_room_left_meanwhile_is_sent_all_the_same() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob = book.neighbour(BOB, rooms=[WINE])
    said = book.say("cheers", "wine")
    book.settle(book.leave("wine"))

    outputs = book.commit(said)

    assert [links for links, _ in sent(outputs, Publish)] == [(bob,)]
    assert len(of(outputs, Replied)) == 1
    assert of(outputs, MessageAdded) == []


def test_own_message_for_a_room_left_meanwhile_goes_to_no_link_that_is_gone() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob, carl = book.neighbour(BOB, rooms=[WINE]), book.neighbour(CARL, rooms=[WINE])
    said = book.say("cheers", "wine")
    book.settle(book.leave("wine"))
    book.link_down(bob)

    assert [links for links, _ in sent(book.commit(said), Publish)] == [(carl,)]


def test_stamps_start_after_the_last_one_stored() -> None:
    book = Playbook(clock=HybridClock(STAMP + 5))
    book.settle(book.say("again"))

    assert book.stored[0].envelope.stamp > STAMP + 5
