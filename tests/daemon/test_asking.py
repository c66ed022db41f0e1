"""Questions to the network: a few at a time, none forgotten, none that fails in silence."""

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from chatd.asking import MAX_ASKING, MAX_WAITING, Asking

DEADLINE_S = 10.0


class Network:
    """Answers when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._open: dict[str, asyncio.Future[None]] = {}
        self._asked = asyncio.Event()

    async def ask(self, name: str) -> None:
        self.asked.append(name)
        self._open[name] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self._open))
        self._asked.set()
        try:
            await self._open[name]
        finally:
            del self._open[name]

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.asked) < count:
                self._asked.clear()
                await self._asked.wait()

    def answer(self, name: str, error: Exception | None = None) -> None:
        if error is None:
            self._open[name].set_result(None)
        else:
            self._open[name].set_exception(error)


@pytest.fixture
async def network() -> Network:
    return Network()


async def test_names_beyond_those_under_way_are_asked_for_in_their_turn(network: Network) -> None:
    asking = Asking(network.ask)
    names = [f"n{number}" for number in range(3 * MAX_ASKING)]
    for name in names:
        asking.add(name)
    for number, name in enumerate(names):
        await network.until_asked(min(MAX_ASKING + number, len(names)))
        network.answer(name)
    await asking.close()
    assert network.asked == names
    assert network.most == MAX_ASKING


async def test_only_so_many_wait(network: Network) -> None:
    asking = Asking(network.ask)
    for number in range(MAX_ASKING + MAX_WAITING + 10):
        asking.add(f"n{number}")
    for number in range(MAX_ASKING + MAX_WAITING):
        await network.until_asked(number + 1)
        network.answer(f"n{number}")
    await asking.close()
    assert len(network.asked) == MAX_ASKING + MAX_WAITING


async def test_name_is_asked_for_once_at_a_time_and_not_when_it_is_gone(network: Network) -> None:
    asking = Asking(network.ask)
    for number in range(MAX_ASKING):
        asking.add(f"n{number}")
    for name in ("n0", "again", "again", "gone", "last"):
        asking.add(name)
    asking.withdraw("gone")
    await network.until_asked(MAX_ASKING)
    for name in ("n0", "n1"):
        network.answer(name)
    await network.until_asked(MAX_ASKING + 2)
    await asking.close()
    assert network.asked[MAX_ASKING:] == ["again", "last"]


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(101, "No such network"), "no such network"), (ValueError("\x1b[2J"), "ValueError")],
)
async def test_question_that_fails_is_logged_without_foreign_words_and_others_go_on(
    network: Network, error: Exception, why: str
) -> None:
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    asking = Asking(network.ask)
    for number in range(MAX_ASKING + 1):
        asking.add(f"n{number}")
    await network.until_asked(MAX_ASKING)
    with capture_logs() as lines:
        network.answer("n3", error)
        await network.until_asked(MAX_ASKING + 1)
    await asking.close()
    gc.collect()
    assert [(line["event"], line["why"]) for line in lines] == [("mdns_question_failed", why)]
    assert unheard == []


async def test_close_ends_what_is_under_way_and_begins_nothing(network: Network) -> None:
    asking = Asking(network.ask)
    for number in range(2 * MAX_ASKING):
        asking.add(f"n{number}")
    await network.until_asked(MAX_ASKING)
    async with asyncio.timeout(DEADLINE_S):
        await asking.close()
    assert len(network.asked) == MAX_ASKING


async def test_what_was_ended_before_it_began_may_be_asked_for_again(network: Network) -> None:
    asking = Asking(network.ask)
    asking.add("n0")
    await asking.close()
    assert network.asked == []
    asking.add("n0")
    await network.until_asked(1)
    await asking.close()
