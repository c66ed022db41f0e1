"""What the store keeps of our own messages, and finds again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import lmdb
import pytest

from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import MessageId, PeerId, RoomId
from chatcore.own import OwnMessage, State
from chatd.store import Batch, BatchResult, Damaged, Store
from chatd.store import own as own_module

AUTHOR = Identity(b"a" * 32)
ROOM = RoomId(b"r" * 32)
OTHER_ROOM = RoomId(b"s" * 32)
PEERS = tuple(PeerId(bytes([number]) * 32) for number in range(40))


def message(stamp: int, room: RoomId = ROOM) -> Envelope:
    return seal(AUTHOR, room, stamp, "ada", Chat("hello"))


def own(envelope: Envelope, state: State = State.QUEUED, client_id: str = "") -> OwnMessage:
    return OwnMessage(envelope.id, envelope.room, state, client_id=client_id)


class Keeper:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._groups: SimpleQueue[list[BatchResult]] = SimpleQueue()
        store.start(self._groups.put)

    def keep(self, states: Sequence[OwnMessage], *envelopes: Envelope) -> None:
        self.store.submit(Batch(1, envelopes, own=states))
        (result,) = self._groups.get(timeout=5.0)
        assert result.error is None


Opener = Callable[..., Keeper]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Opener]:
    with contextlib.ExitStack() as stack:

        def open_store(on_damage: Callable[[Damaged], None] | None = None) -> Keeper:
            store = Store.open(tmp_path / "store", sync=False, on_damage=on_damage)
            stack.callback(store.close)
            return Keeper(store)

        yield open_store


def test_state_is_found_by_id_by_its_start_and_by_client_id(start: Opener) -> None:
    keeper = start()
    hello = message(1)
    kept = OwnMessage(hello.id, ROOM, State.REFUSED, reason="clock é", client_id="ü7")
    keeper.keep([kept], hello)

    store = keeper.store
    assert store.own.find(hello.id) == kept
    assert [store.own.starting_with(str(hello.id)[:size]) for size in (10, 11, 64)] == [[kept]] * 3
    assert store.own.by_client(ROOM, "ü7") == kept


def test_what_was_never_written_is_not_found(start: Opener) -> None:
    store = start().store

    assert store.own.find(MessageId(b"m" * 32)) is None
    assert store.own.starting_with("ff" * 5) == []
    assert store.own.by_client(ROOM, "7") is None
    assert store.own.waiting(10) == []


def test_message_of_somebody_else_has_no_state(start: Opener) -> None:
    keeper = start()
    keeper.keep([], message(1))

    assert keeper.store.own.starting_with(str(message(1).id)) == []


def test_ids_that_start_alike_are_both_found(start: Opener) -> None:
    keeper = start()
    many = [message(stamp) for stamp in range(1, 400)]
    keeper.keep([own(item) for item in many], *many)

    starts = [str(item.id)[:2] for item in many]
    twice = next(text for text in starts if starts.count(text) > 1)
    assert len(keeper.store.own.starting_with(twice)) == 2


def test_client_id_counts_in_its_room_alone(start: Opener) -> None:
    keeper = start()
    here, there = message(1), message(2, OTHER_ROOM)
    keeper.keep([own(here, client_id="7"), own(there, client_id="7")], here, there)

    found = [keeper.store.own.by_client(room, "7") for room in (ROOM, OTHER_ROOM)]
    assert [item.id for item in found if item is not None] == [here.id, there.id]


def test_state_survives_and_is_replaced(start: Opener) -> None:
    keeper = start()
    hello = message(1)
    keeper.keep([own(hello, client_id="7")], hello)
    delivered = replace(own(hello, State.DELIVERED, "7"), confirmed=40, confirmed_by=PEERS)
    keeper.keep([delivered])
    keeper.store.close()

    store = start().store
    named = replace(delivered, confirmed_by=PEERS[: own_module.MAX_NAMED])
    assert store.own.find(hello.id) == store.own.by_client(ROOM, "7") == named


def test_those_that_wait_come_oldest_first_with_what_they_say(start: Opener) -> None:
    keeper = start()
    many = [message(stamp) for stamp in range(1, 6)]
    states = [State.QUEUED, State.DELIVERED, State.SENT, State.REFUSED, State.QUEUED]
    keeper.keep([own(item, state) for item, state in zip(many, states, strict=True)], *many)

    waiting = keeper.store.own.waiting(3)
    # Those that nobody was handed before others, and then the newest.
    assert [(item.id, envelope) for item, envelope in waiting] == [
        (many[at].id, many[at]) for at in (0, 3, 4)
    ]
    assert len(keeper.store.own.waiting(10)) == 4


def test_those_that_wait_are_looked_through_in_steps(start: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_module, "STEP_WAITING", 2)
    monkeypatch.setattr(own_module, "STEP_LOOKED_AT", 3)
    keeper = start()
    assert (keeper.store.own.last(), keeper.store.own.unconfirmed()) == (0, 0)
    many = [message(stamp) for stamp in range(1, 9)]
    states = [State.QUEUED, State.DELIVERED, State.SENT, *[State.DELIVERED] * 4, State.QUEUED]
    keeper.keep([own(item, state) for item, state in zip(many, states, strict=True)], *many)
    assert (keeper.store.own.last(), keeper.store.own.unconfirmed()) == (8, 3)

    steps: list[list[bytes]] = []
    at: int | None = 0
    while at is not None:
        found, at = keeper.store.own.waiting_after(at, upto=8)
        steps.append([key for _, key in found])

    keys = [item.stamp.to_bytes(8, "big") + item.id for item in many]
    assert steps == [[keys[0], keys[2]], [], [keys[7]]]
    assert keeper.store.own.waiting_after(3, upto=6) == ([], 6)
    assert keeper.store.own.waiting_after(6, upto=7) == ([], None)


def test_those_nobody_has_confirmed_are_read_in_batches(start: Opener) -> None:
    keeper = start()
    many = [message(stamp) for stamp in range(1, 6)]
    states = [State.QUEUED, State.DELIVERED, State.SENT, State.DELIVERED, State.QUEUED]
    keeper.keep([own(item, state) for item, state in zip(many, states, strict=True)], *many)

    store = keeper.store
    first, reached = store.own.unconfirmed_after(0, 2)
    assert first == [(1, own(many[0]), many[0]), (3, own(many[2], State.SENT), many[2])]
    assert reached == 3
    assert store.own.unconfirmed_after(3, 2) == ([(5, own(many[4]), many[4])], None)


def test_full_table_forgets_the_oldest_and_its_client_id(
    start: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_module, "MAX_OWN", 3)
    keeper = start()
    many = [message(stamp) for stamp in range(1, 6)]
    for number, item in enumerate(many):
        keeper.keep([own(item, State.SENT, client_id=f"{number}")], item)

    store = keeper.store
    assert [store.own.find(item.id) is not None for item in many] == [False, False, True, True, True]
    assert [store.own.by_client(ROOM, f"{number}") is not None for number in range(5)] == [False] * 2 + [
        True
    ] * 3
    assert store.known([item.id for item in many]) == {item.id for item in many}  # the messages stay


def test_full_table_forgets_what_was_delivered_then_what_was_sent_and_never_what_was_not(
    start: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_module, "MAX_OWN", 3)
    states = [State.QUEUED, State.SENT, State.REFUSED, State.QUEUED, State.DELIVERED, State.DELIVERED]
    many = [message(stamp) for stamp in range(1, 9)]
    keeper = start()
    for item, state in zip(many, states, strict=False):
        keeper.keep([own(item, state)], item)
    known = [keeper.store.own.find(item.id) is not None for item in many]
    assert known == [True, True, True, True, False, True, False, False]
    keeper.store.close()

    keeper = start()
    keeper.keep([own(many[6], State.SENT), own(many[7], State.SENT)], many[6], many[7])
    known = [keeper.store.own.find(item.id) is not None for item in many]
    assert known == [True, False, True, True, False, False, True, True]
    assert keeper.store.own.unsent() == 2


def test_states_in_memory_stay_as_they_were_when_a_group_fails(
    start: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = start()
    hello = message(1)
    keeper.keep([own(hello)], hello)

    def fails(*_: object) -> None:
        raise lmdb.Error("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(keeper.store._tables.acquaintances, "put", fails)
        with pytest.raises(AssertionError):
            keeper.keep([own(hello, State.DELIVERED), own(message(2))], message(2))
    assert keeper.store.own.unsent() == 1
    assert keeper.store.retention.protected(1)
    assert not keeper.store.retention.protected(2)
    keeper.keep([own(hello, State.DELIVERED)])
    assert keeper.store.own.unsent() == 0
    assert not keeper.store.retention.protected(1)


def test_state_is_found_by_the_short_id(start: Opener) -> None:
    keeper = start()
    hello = message(1)
    keeper.keep([own(hello)], hello)

    assert keeper.store.own.by_short(hello.id[:8]) == own(hello)
    assert keeper.store.own.by_short(b"\xff" * 8) is None


def test_state_of_a_message_that_is_not_in_the_log_is_not_kept(start: Opener) -> None:
    keeper = start()
    keeper.keep([own(message(1))])

    assert keeper.store.own.find(message(1).id) is None


def test_store_from_before_there_were_states_is_opened(start: Opener, tmp_path: Path) -> None:
    keeper = start()
    keeper.keep([], message(1))
    keeper.store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        for name in (b"own", b"clients"):
            txn.drop(env.open_db(name, txn=txn))

    again = start()
    again.keep([own(message(2))], message(2))
    assert again.store.own.find(message(2).id) == own(message(2))


def test_damaged_message_that_nobody_was_handed_no_longer_waits_and_its_client_id_is_free(
    start: Opener, tmp_path: Path
) -> None:
    keeper = start()
    lost, handed = message(1), message(2)
    keeper.keep([own(lost, client_id="1"), own(handed, State.SENT, client_id="2")], lost, handed)
    keeper.store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        for number in (1, 2):
            txn.put(number.to_bytes(8, "big"), b"nonsense", db=env.open_db(b"log", txn=txn))

    keeper = start()
    assert keeper.store.own.unsent() == 1
    assert keeper.store.newest(ROOM, 10) == []
    keeper.keep([], message(3))  # the writer heals behind it
    keeper.keep([], message(4))
    assert keeper.store.own.unsent() == 0
    assert keeper.store.own.by_client(ROOM, "1") is None
    assert keeper.store.own.by_client(ROOM, "2") == own(handed, State.SENT, client_id="2")


def test_damaged_state_is_told_and_the_message_is_served(start: Opener, tmp_path: Path) -> None:
    keeper = start()
    hello = message(1)
    keeper.keep([own(hello, client_id="7")], hello)
    keeper.store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        table = env.open_db(b"own", txn=txn)
        txn.put((1).to_bytes(8, "big"), b"nonsense", db=table)

    damaged: list[Damaged] = []
    store = start(damaged.append).store
    assert store.own.find(hello.id) is None
    assert store.own.by_client(ROOM, "7") is None
    assert store.own.waiting(10) == []
    assert [item.envelope for item in store.newest(ROOM, 10)] == [hello]
    assert damaged
