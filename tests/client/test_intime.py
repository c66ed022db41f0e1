"""Something done whenever it is due."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chatctl.intime import InTime
from tests.client.fakechatd import DEADLINE_S

FAR_S = 3600.0


class Work:
    """Due at `at`; done, it waits for the next time that is set."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.done = asyncio.Event()
        self.fails = False
        self.in_time = InTime(lambda: self.at, self._do, time.monotonic)

    def _do(self) -> None:
        if self.fails:
            raise OSError("no room")
        self.at = None
        self.done.set()

    async def until_done(self) -> None:
        await asyncio.wait_for(self.done.wait(), DEADLINE_S)
        self.done.clear()


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    work = Work()
    running = asyncio.create_task(work.in_time.run())
    yield work
    running.cancel()


async def test_it_is_done_when_it_is_due_and_again_the_next_time(work: Work) -> None:
    for _ in range(2):
        work.at = time.monotonic() + 0.01
        work.in_time.wake()
        await work.until_done()


async def test_time_that_moves_earlier_is_heard_of(work: Work) -> None:
    work.at = time.monotonic() + FAR_S
    work.in_time.wake()
    await asyncio.sleep(0)
    work.at = time.monotonic()
    work.in_time.wake()
    await work.until_done()


async def test_time_that_moves_later_is_waited_for(work: Work) -> None:
    work.at = time.monotonic() + 0.02
    work.in_time.wake()
    await asyncio.sleep(0)
    work.at = later = time.monotonic() + 0.1
    await work.until_done()
    assert time.monotonic() >= later


async def test_failure_ends_it(work: Work) -> None:
    work.fails, work.at = True, 0.0
    with pytest.raises(OSError, match="no room"):
        await work.in_time.run()
