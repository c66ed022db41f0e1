"""Messages announced and not yet come: how many are waited for, of whom, and for how long."""

import pytest

from chatcore import repair
from chatcore.config import GossipConfig
from chatcore.events import GraftDue, RepairDue
from chatcore.ids import LinkId
from chatcore.messages import Compare, Compared, FetchIds, Graft, Ihave, Listed
from chatcore.missing import (
    AWAITED_S,
    MAX_ANNOUNCERS,
    MAX_GIVEN_UP,
    MAX_MISSING,
    MAX_MISSING_OF_LINK,
    Missing,
)
from chatcore.recent import ShortId, short_id
from tests.support.core import BOB, CARL, DORA, START, Playbook, chat, sent


def _short(number: int) -> ShortId:
    return ShortId(number.to_bytes(8, "big"))


def test_full_table_takes_no_more_of_whom_it_holds_most_and_keeps_the_old_ones() -> None:
    missing = Missing(GossipConfig())
    for number in range(MAX_MISSING + 1):
        missing.announce(_short(number), LinkId(number % 16), START.mono)
    missing.announce(_short(0), LinkId(17), START.mono)

    assert len(missing) == MAX_MISSING
    assert _short(0) in missing
    assert _short(MAX_MISSING) not in missing
    assert len(missing.pop_due(START.mono + 1)) == MAX_MISSING


def test_one_host_cannot_fill_the_table_for_all_others() -> None:
    missing = Missing(GossipConfig())
    for number in range(MAX_MISSING):
        missing.announce(_short(number), LinkId(1 + number // MAX_MISSING_OF_LINK), START.mono)
    assert len(missing) == MAX_MISSING
    theirs = [_short(MAX_MISSING + number) for number in range(100)]
    for short in theirs:
        missing.announce(short, LinkId(100), START.mono)

    assert all(short in missing for short in theirs)
    assert len(missing) == MAX_MISSING
    kept = [_short(number) in missing for number in range(MAX_MISSING)]
    lost = [
        MAX_MISSING_OF_LINK - sum(kept[first : first + MAX_MISSING_OF_LINK])
        for first in range(0, MAX_MISSING, MAX_MISSING_OF_LINK)
    ]
    assert sorted(lost) == [12] * 4 + [13] * 4


def test_announcers_of_one_message_are_bounded_and_count_once() -> None:
    missing = Missing(GossipConfig())
    for number in [*range(MAX_ANNOUNCERS + 5), 0, 1]:
        missing.announce(_short(0), LinkId(number), START.mono)

    wanted = missing.arrived(_short(0))

    assert wanted is not None
    assert list(wanted.announcers) == list(range(MAX_ANNOUNCERS))


def test_one_link_may_promise_only_so_much() -> None:
    missing = Missing(GossipConfig())
    shorts = [ShortId(number.to_bytes(8, "big")) for number in range(MAX_MISSING_OF_LINK + 1)]
    for short in shorts:
        missing.announce(short, LinkId(1), START.mono)
    assert shorts[-1] not in missing

    missing.announce(shorts[-1], LinkId(2), START.mono)
    assert shorts[-1] in missing
    missing.arrived(shorts[0])
    missing.announce(ShortId(b"one more"), LinkId(1), START.mono)
    assert ShortId(b"one more") in missing


# Left to announcers, or to history repair


def test_announced_message_is_awaited_for_a_while_and_no_longer() -> None:
    missing = Missing(GossipConfig())
    missing.announce(_short(1), LinkId(1), START.mono)
    missing.announce(_short(1), LinkId(2), START.mono + AWAITED_S - 0.1)

    assert missing.awaits(_short(1), START.mono + AWAITED_S - 0.1)
    assert not missing.awaits(_short(1), START.mono + AWAITED_S)


def test_message_given_up_is_not_awaited_again_when_it_is_announced_anew() -> None:
    missing = Missing(GossipConfig())
    missing.announce(_short(1), LinkId(1), START.mono)
    missing.give_up(_short(1))
    missing.announce(_short(1), LinkId(2), START.mono)

    assert _short(1) in missing
    assert not missing.awaits(_short(1), START.mono)


def test_messages_given_up_longest_ago_are_forgotten_beyond_the_most() -> None:
    missing = Missing(GossipConfig())
    for number in [0, *range(MAX_GIVEN_UP), 0, MAX_GIVEN_UP]:
        missing.announce(_short(number), LinkId(1), START.mono)
        missing.give_up(_short(number))
    for number in (0, 1, 2):
        missing.announce(_short(number), LinkId(1), START.mono)

    assert [missing.awaits(_short(number), START.mono) for number in (0, 1, 2)] == [False, True, False]


@pytest.mark.parametrize("announcing_s", [0.5, 3.0])
def test_peer_that_announces_and_never_delivers_keeps_nothing_from_history_repair(
    announcing_s: float,
) -> None:
    book, kept_away = Playbook(), chat(CARL, "not for Ann's eyes")
    liar, honest = book.neighbour(DORA), book.link(BOB, dialled="192.0.2.9:8080")
    grafts = 0
    for _ in range(round(announcing_s / 0.1)):
        book.wait(0.1)
        grafts += len(sent(book.fire(GraftDue()), Graft))
        book.receive(liar, Ihave((short_id(kept_away.id),)))
    book.wait(repair.STAGGER_S)
    ((_, question),) = sent(book.fire(RepairDue()), Compare)
    book.receive(liar, Ihave((short_id(kept_away.id),)))
    assert grafts > 1
    outputs = book.receive(honest, Compared(question.token, ((Listed(b"", (kept_away.id,)),),)))

    ((links, fetch),) = sent(outputs, FetchIds)
    assert links == (honest,)
    assert fetch.ids == (kept_away.id,)
