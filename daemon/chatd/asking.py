"""Questions to the network by name, a few at a time: others wait their turn, in the order in which they came.

Owns the tasks that ask. Refuses to know what is asked, and what comes of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

MAX_ASKING = 8
MAX_WAITING = 64
"""Names, each at most 255 bytes by RFC 1035; beyond, a name is left out until it is heard of again."""

log = structlog.get_logger()


class Asking:
    """`ask` may take its time, and may fail: that is logged, and the next one's turn."""

    def __init__(self, ask: Callable[[str], Awaitable[None]]) -> None:
        self._ask = ask
        self._waiting: dict[str, None] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str) -> None:
        """Ask about it as soon as may be, and once."""
        if name not in self._under_way and len(self._waiting) < MAX_WAITING:
            self._waiting[name] = None
            self._next()

    def withdraw(self, name: str) -> None:
        """Nobody wants to know any more. What is under way goes on."""
        self._waiting.pop(name, None)

    async def close(self) -> None:
        """Returns when nothing is under way."""
        self._waiting.clear()
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _next(self) -> None:
        while self._waiting and len(self._under_way) < MAX_ASKING:
            name = next(iter(self._waiting))
            del self._waiting[name]
            task = asyncio.get_running_loop().create_task(self._ask_about(name), name="mdns question")
            self._under_way[name] = task
            task.add_done_callback(partial(self._end, name))

    async def _ask_about(self, name: str) -> None:
        try:
            await self._ask(name)
        except Exception as error:  # noqa: BLE001 - whatever the network made of it, others are to be asked
            log.info("mdns_question_failed", why=_why(error))

    def _end(self, name: str, _: asyncio.Task[None]) -> None:
        del self._under_way[name]
        self._next()


def _why(error: Exception) -> str:
    """Without words of the error that the network may have put in."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else type(error).__name__
