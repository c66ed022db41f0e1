"""Names of the owner's own, blocks, and links that were ended."""

import pytest

from chatcore.errors import AliasTaken, BadName, TooManyAliases, TooManyBlocked
from chatcore.events import (
    BlockPeer,
    CloseLink,
    Connect,
    Dial,
    DialDue,
    EndLink,
    EndReply,
    MessageAdded,
    NamePeer,
    Output,
    Persist,
    PersonReply,
    Rejected,
    Rename,
    RenameReply,
    Replied,
)
from chatcore.nickname import RENAME_BURST
from chatcore.people import MAX_ALIASES, MAX_BLOCKED, People, Person, blocking, naming, skeleton
from chatcore.shunned import PARTED_S
from tests.support.core import BOB, CARL, DORA, Playbook, chat, identity, of, one

ADDRESS = "bob.example:8080"


def block(book: Playbook, *, blocked: bool = True) -> list[Output]:
    return book.settle(book.handle(BlockPeer(book.next_request(), BOB.peer_id, "bob", blocked)))


# Rules


@pytest.mark.parametrize("alias", [" bob", "bob~k3f9", "a:b", "*bob", "a\nb", "x" * 65, "\u3164", "b\u200bo"])
def test_bad_names_are_refused(alias: str) -> None:
    with pytest.raises(BadName):
        naming({}, BOB.peer_id, "bob", alias, "ann")


@pytest.mark.parametrize("other", ["Bobby", "bobby", "B\u043ebby", "b0bby", "Bóbby", "bob by", "\uff22obby"])
def test_names_that_look_alike_are_refused(other: str) -> None:
    known = {CARL.peer_id: Person(CARL.peer_id, "Bobby")}
    with pytest.raises(AliasTaken):
        naming(known, BOB.peer_id, "bob", other, "ann")


def test_the_same_peer_may_get_nearly_the_same_name() -> None:
    known = {BOB.peer_id: Person(BOB.peer_id, "Bobby")}
    assert naming(known, BOB.peer_id, "", "bobby", "ann").alias == "bobby"


def test_skeleton_keeps_different_names_apart() -> None:
    assert len({skeleton(text) for text in ("ann", "anna", "bob", "日本", "中国", "ольга", "мария")}) == 7


def test_names_and_blocks_have_caps() -> None:
    peers = [identity(number).peer_id for number in range(10, 10 + max(MAX_ALIASES, MAX_BLOCKED))]
    named = {peer: Person(peer, f"name{place}x") for place, peer in enumerate(peers[:MAX_ALIASES])}
    with pytest.raises(TooManyAliases):
        naming(named, BOB.peer_id, "", "another", "ann")
    blocked = {peer: Person(peer, blocked=True) for peer in peers[:MAX_BLOCKED]}
    with pytest.raises(TooManyBlocked):
        blocking(blocked, BOB.peer_id, "", blocked=True)
    assert not blocking(blocked, peers[0], "", blocked=False).blocked


def test_who_has_neither_name_nor_block_is_forgotten() -> None:
    people = People([Person(BOB.peer_id, "Bobby", blocked=True)])
    people.put(Person(BOB.peer_id))
    assert (people.all(), list(people.blocked), people.alias(BOB.peer_id)) == ([], [], "")


# The node


def test_block_drops_the_link_and_refuses_the_next_until_it_is_undone() -> None:
    book = Playbook()
    link = book.neighbour(BOB, dialled=ADDRESS)
    outputs = block(book)
    assert one(outputs, CloseLink).link == link
    person = Person(BOB.peer_id, blocked=True, username="bob")
    assert one(outputs, Replied).reply == PersonReply(person, changed=True)
    assert one(book.link_up(BOB), CloseLink).error.kind == "blocked"
    book.wait(400.0)
    assert of(book.fire(DialDue()), Dial) == []
    assert one(block(book), Replied).reply == PersonReply(person, changed=False)
    block(book, blocked=False)
    assert of(book.link_up(BOB), CloseLink) == []


def test_blocked_author_s_messages_are_kept_and_told_like_any() -> None:
    """Or histories would differ for ever; the shell hides them."""
    book = Playbook()
    block(book)
    link = book.neighbour(CARL)
    assert one(book.hear(link, chat(BOB, "hello")), MessageAdded)
    assert book.texts == ["hello"]


def test_block_is_not_in_force_before_it_is_on_disk() -> None:
    book = Playbook()
    book.neighbour(BOB)
    outputs = book.handle(BlockPeer(book.next_request(), BOB.peer_id, "bob", blocked=True))
    assert one(outputs, Persist).people == (Person(BOB.peer_id, blocked=True, username="bob"),)
    assert one(book.fail(outputs), Rejected).error.kind == "store_failed"
    assert book.node.links.to(BOB.peer_id) is not None


def test_two_at_once_cannot_take_one_name() -> None:
    book = Playbook()
    first = book.handle(NamePeer(book.next_request(), BOB.peer_id, "bob", "Bobby"))
    second = book.handle(NamePeer(book.next_request(), CARL.peer_id, "carl", "bobby"))
    assert one(second, Rejected).error.kind == "alias_taken"
    assert one(book.settle(first), Replied)
    assert book.node.people.alias(BOB.peer_id) == "Bobby"


def rename(book: Playbook, name: str) -> list[Output]:
    return book.handle(Rename(book.next_request(), name))


def test_node_takes_no_name_that_it_gave_to_somebody() -> None:
    book = Playbook()
    giving = book.handle(NamePeer(book.next_request(), BOB.peer_id, "bob", "Bobby"))
    for _ in range(2 * RENAME_BURST):  # refusals count for nothing, an alias on its way to disk does count
        assert one(rename(book, "B0BBY"), Rejected).error.kind == "alias_taken"
    book.settle(giving)
    assert one(rename(book, "bobby"), Rejected).error.kind == "alias_taken"
    assert one(rename(book, "robert"), Replied).reply == RenameReply("robert", changed=True)


def test_nobody_gets_the_name_the_node_has_now() -> None:
    book = Playbook()
    before = book.node.username
    rename(book, "robert")
    taken = book.handle(NamePeer(book.next_request(), BOB.peer_id, "bob", "R0bert"))
    assert one(taken, Rejected).error.kind == "alias_taken"
    free = book.handle(NamePeer(book.next_request(), BOB.peer_id, "bob", before))
    assert one(book.settle(free), Replied)


def test_name_and_block_of_one_peer_do_not_undo_each_other() -> None:
    book = Playbook()
    outputs = [
        *book.handle(NamePeer(book.next_request(), BOB.peer_id, "bob", "Bobby")),
        *book.handle(BlockPeer(book.next_request(), BOB.peer_id, "bob", blocked=True)),
    ]
    book.settle(outputs)
    assert book.node.people.get(BOB.peer_id) == Person(BOB.peer_id, "Bobby", blocked=True, username="bob")


def test_ended_link_stays_ended_and_its_address_is_dialled_no_more() -> None:
    book = Playbook(bootstrap=(ADDRESS,))
    link = book.neighbour(BOB, dialled=ADDRESS)
    outputs = book.handle(EndLink(book.next_request(), BOB.peer_id, None, "bob"))
    assert one(outputs, Replied).reply == EndReply(linked=True, addresses=(ADDRESS,))
    assert one(outputs, CloseLink).link == link
    assert one(book.link_up(BOB), CloseLink).error.kind == "parted"
    book.wait(PARTED_S)
    assert of(book.fire(DialDue()), Dial) == []
    assert of(book.link_up(BOB), CloseLink) == []


def test_ended_link_comes_back_when_it_is_asked_for() -> None:
    book = Playbook()
    book.connect(ADDRESS)
    book.neighbour(BOB, dialled=ADDRESS)
    outputs = book.handle(EndLink(book.next_request(), None, ADDRESS, ADDRESS))
    assert one(outputs, CloseLink).error.kind == "parted"
    book.wait(5.0)
    again = book.handle(Connect(book.next_request(), ADDRESS))
    assert [dial.address for dial in of(again, Dial)] == [ADDRESS]
    assert of(book.link_up(BOB, dialled=ADDRESS), CloseLink) == []


def test_ending_what_is_not_there_is_refused() -> None:
    book = Playbook()
    error = one(book.handle(EndLink(book.next_request(), DORA.peer_id, None, "dora")), Rejected).error
    assert error.kind == "not_linked"


def test_address_that_never_answered_can_be_given_up() -> None:
    book = Playbook(bootstrap=(ADDRESS,))
    outputs = book.handle(EndLink(book.next_request(), None, ADDRESS, ADDRESS))
    assert one(outputs, Replied).reply == EndReply(linked=False, addresses=(ADDRESS,))
    assert book.node.unreached() == []
