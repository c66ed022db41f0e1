"""Whoever has more than it brings does not keep us from what others have."""

from chatcore.answering import PAGE_MESSAGES, answer, serve_ids, serve_range
from chatcore.events import Output, RepairDue, Send, SetTimer
from chatcore.ids import LinkId, MessageId
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, History, LinkMessage, Part, Publish
from chatcore.reconcile import ANSWER_S, MAX_PAGES
from chatcore.turns import ASK_ANOTHER_S, FREE_S, LEAST_BYTES_PER_S, LOOK_S, Turns
from tests.support.core import BOB, CARL, DORA, LOBBY, STAMP, Playbook, chat
from tests.support.sortedindex import SortedIndex

ONE, TWO, THREE = LinkId(1), LinkId(2), LinkId(3)
ID = MessageId(b"i" * 32)


def test_turn_is_one_links_until_its_session_ends() -> None:
    turns = Turns()
    assert turns.take(ONE, 0.0)
    assert not turns.take(TWO, 0.0)
    assert turns.take(ONE, 1.0)
    turns.release(ONE, 2.0, waits=False)
    assert turns.next_in_line() == TWO
    assert not turns.take(ONE, 2.0)
    assert turns.take(TWO, 2.0)


def test_links_that_wait_have_their_turns_in_order() -> None:
    turns = Turns()
    assert [turns.take(link, 0.0) for link in (ONE, TWO, THREE)] == [True, False, False]
    turns.release(ONE, 1.0, waits=False)
    assert [turns.take(link, 1.0) for link in (ONE, THREE, TWO)] == [False, False, True]
    turns.release(TWO, 2.0, waits=False)
    assert turns.next_in_line() == THREE


def test_turn_that_nobody_takes_is_anybodys_after_a_while() -> None:
    turns = Turns()
    assert turns.take(ONE, 0.0)
    turns.wait(TWO)
    turns.release(ONE, 1.0, waits=False)
    assert not turns.take(ONE, 1.0 + FREE_S / 2)
    assert turns.take(ONE, 1.0 + FREE_S)


def test_first_in_line_that_does_not_take_its_turn_goes_to_the_end() -> None:
    turns = Turns()
    turns.take(ONE, 0.0)
    turns.wait(TWO)
    turns.wait(THREE)
    turns.release(ONE, 1.0, waits=False)
    assert turns.due() == 1.0 + FREE_S
    turns.look(0.9 + FREE_S)
    assert turns.next_in_line() == TWO
    turns.look(1.0 + FREE_S)
    assert turns.next_in_line() == THREE
    assert turns.take(THREE, 1.0 + FREE_S)
    assert turns.next_in_line() is None
    turns.release(THREE, 5.0, waits=False)
    assert turns.next_in_line() == TWO
    assert turns.due() is None  # nobody waits behind it


def test_slow_link_gives_up_its_turn_only_while_another_waits() -> None:
    turns = Turns()
    turns.take(ONE, 0.0)
    assert turns.due() is None
    turns.look(60.0)
    assert turns.take(ONE, 60.0)
    turns.wait(TWO)
    turns.look(61.0)
    assert turns.next_in_line() == TWO


def test_link_is_engaged_while_it_fills_or_waits_to() -> None:
    turns = Turns()
    assert not turns.is_engaged(ONE)
    turns.take(ONE, 0.0)
    turns.wait(TWO)
    assert turns.is_engaged(ONE)
    assert turns.is_engaged(TWO)
    turns.release(ONE, 1.0, waits=False)
    turns.release(TWO, 1.0, waits=False)
    assert not turns.is_engaged(ONE)
    assert not turns.is_engaged(TWO)


def test_link_that_brings_enough_keeps_its_turn() -> None:
    turns = Turns()
    turns.take(ONE, 0.0)
    turns.wait(TWO)
    for look in range(1, 5):
        turns.note_came(ONE, [], int(LEAST_BYTES_PER_S * LOOK_S) + 1)
        turns.look(look * LOOK_S)
        assert turns.next_in_line() is None
    turns.look(5 * LOOK_S)
    assert turns.next_in_line() == TWO


def test_id_is_asked_of_a_second_link_after_a_while() -> None:
    turns = Turns()
    assert turns.claim([ID], ONE, 0.0) == [ID]
    assert turns.claim([ID], TWO, 1.0) == []
    assert turns.claim([ID], TWO, ASK_ANOTHER_S) == [ID]


def test_id_is_not_held_by_asking_anew_and_anew() -> None:
    turns = Turns()
    turns.claim([ID], ONE, 0.0)
    turns.release(ONE, 1.9, waits=False)
    assert turns.claim([ID], ONE, 1.9) == []
    assert turns.claim([ID], TWO, 1.9) == [ID]


# A member that brings a message every now and then, and one that has everything


class Newcomer:
    """Ann, with a dribbler and an honest member, and all that is on its way to her."""

    def __init__(self, delay_s: float, count: int = 3000) -> None:
        self.book = Playbook()
        self.delay_s = delay_s
        self.honest = SortedIndex()
        for number in range(count):
            self.honest.add(chat(DORA, f"h{number}", stamp=STAMP - (20_000 - number << 26)))
        self.bob = self.book.link(BOB, dialled="b:1")
        self.carl = self.book.link(CARL, dialled="c:1")
        self.coming: list[tuple[float, LinkId, LinkMessage]] = []
        self.due: float | None = None
        self.dribbled = 0

    def run(self, seconds: float) -> int:
        """How much of the honest member's history is here then."""
        book = self.book
        end = book.now.mono + seconds
        self.take(book.fire(RepairDue()))
        while book.now.mono < end:
            times = [at for at, _, _ in self.coming] + ([] if self.due is None else [self.due])
            book.wait(max(0.0, min([*times, end]) - book.now.mono))
            ready = sorted((at, number) for number, (at, _, _) in enumerate(self.coming))
            if ready and ready[0][0] <= book.now.mono + 1e-9:
                _, link, message = self.coming.pop(ready[0][1])
                self.take(book.receive(link, message))
            elif self.due is not None and self.due <= book.now.mono + 1e-9:
                self.due = None
                self.take(book.fire(RepairDue()))
        return len(book.index.ids & self.honest.ids)

    def take(self, outputs: list[Output]) -> None:
        for output in self.book.settle(outputs):
            if isinstance(output, SetTimer) and output.key == RepairDue():
                self.due = output.at
            elif isinstance(output, Send):
                for link in output.links:
                    reply = self.honestly(output.message) if link == self.carl else None
                    if reply is not None:
                        self.coming.append((self.book.now.mono + 0.05, link, reply))
                    if link == self.bob:
                        self.dribble(output.message)

    def honestly(self, message: LinkMessage) -> LinkMessage | None:
        match message:
            case Compare():
                return answer(self.honest, LOBBY, message)
            case FetchIds():
                return serve_ids(self.honest, LOBBY, message)
            case FetchRange():
                return serve_range(self.honest, LOBBY, message)
            case _:
                return None

    def dribble(self, message: LinkMessage) -> None:
        now = self.book.now.mono
        if isinstance(message, Compare):  # of all that is older it says to have a lot
            keys = self.book.index.all_keys(LOBBY)
            parts: list[tuple[Part, ...]] = []
            for asked in message.ranges:
                oldest = keys[0] if keys else asked.upper
                newer = (Part(oldest, b"\1" * 16, 1),) if asked.lower < oldest < asked.upper else ()
                parts.append((*newer, Part(asked.lower, b"\2" * 16, 10**6)) if asked.lower < oldest else ())
            self.coming.append((now + self.delay_s, self.bob, Compared(message.token, tuple(parts))))
        elif isinstance(message, FetchRange):
            self.dribbled += 1
            stamp = min(int.from_bytes(message.upper[:8], "big") - 1, STAMP) - 1
            news = Publish.of(chat(BOB, f"news {self.dribbled}", stamp=stamp), 0)
            reply = History(message.token, stamp.to_bytes(8, "big"), (news,))
            self.coming.append((now + 9.5, self.bob, reply))


def test_member_that_dribbles_does_not_keep_a_newcomer_from_a_history() -> None:
    assert Newcomer(0.01).run(40.0) == 3000


def test_member_that_is_slow_to_say_what_it_has_holds_nobody_up_when_its_turn_comes() -> None:
    count = 2 * MAX_PAGES * PAGE_MESSAGES + 1
    assert Newcomer(ANSWER_S - 0.5, count).run(15.0) == count


def test_slow_answers_of_a_dribbler_do_not_help_it() -> None:
    assert Newcomer(0.3).run(40.0) == 3000
