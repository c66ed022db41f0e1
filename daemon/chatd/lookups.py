"""What peers ask about history is looked up in a thread: what was not read for long is no longer in memory,
and for a page of it a slow disk takes milliseconds in which nobody else would be heard.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from chatcore.answering import look_up
from chatcore.errors import Stopping
from chatcore.events import LookedUp, LookUp
from chatcore.index import Index
from chatcore.messages import Compared, History
from chatcore.ranges import Bounds
from chatd.store import StoreUnusable

Answer = tuple[Compared | History, list[Bounds]]

log = structlog.get_logger()


class LookUps:
    """`on_found` is called in the loop that is running now, once for each `start`, unless the store is closed
    meanwhile."""

    def __init__(self, index: Index, on_found: Callable[[LookedUp], None]) -> None:
        self._index = index
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chatd-look-up")

    def start(self, wanted: LookUp) -> None:
        future = self._pool.submit(look_up, self._index, wanted.room, wanted.question)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._finish, wanted, done))

    def _finish(self, wanted: LookUp, done: "Future[Answer]") -> None:
        try:
            reply, alike = done.result()
        except StoreUnusable as error:
            log.error("history_unreadable", why=error.why, hint=error.hint)  # noqa: TRY400 - a bad disk is no bug
            self._on_found(LookedUp(wanted.job, None))
        except Stopping:
            pass  # nobody is to be answered any more
        else:
            self._on_found(LookedUp(wanted.job, reply, tuple(alike)))

    def close(self) -> None:
        self._pool.shutdown()
