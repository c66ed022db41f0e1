"""What peers ask about history is looked up in a thread: what was not read for long is no longer in memory,
and for a page of it a slow disk takes milliseconds in which nobody else would be heard.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from chatcore.answering import look_up
from chatcore.errors import Stopping
from chatcore.events import LookedUp, LookUp
from chatcore.index import Index
from chatcore.messages import Compared, History
from chatcore.ranges import Bounds
from chatd.logs import Limiter
from chatd.store import StoreUnusable

Answer = tuple[Compared | History, list[Bounds]]

log = structlog.get_logger()


class LookUps:
    """`on_found` is called in the loop that is running now, once for each `start` of which something comes
    before the store is closed."""

    def __init__(self, index: Index, on_found: Callable[[LookedUp], None]) -> None:
        self._index = index
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._limiter = Limiter()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chatd-look-up")

    def start(self, wanted: LookUp) -> None:
        future = self._pool.submit(look_up, self._index, wanted.room, wanted.question)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._finish, wanted, done))

    def _finish(self, wanted: LookUp, done: "Future[Answer]") -> None:
        error = done.exception()
        if error is None:
            reply, alike = done.result()
            self._on_found(LookedUp(wanted.job, reply, tuple(alike)))
        elif not isinstance(error, Stopping):  # then nobody is to be answered any more
            self._tell(error)
            self._on_found(LookedUp(wanted.job, None))

    def _tell(self, error: BaseException) -> None:
        held = self._limiter.admit("history_unreadable", time.monotonic())
        if held is None:
            return
        before = {"and_as_many_before": str(held)} if held else {}
        if isinstance(error, StoreUnusable):
            log.error("history_unreadable", why=error.why, hint=error.hint, **before)
        else:
            log.error("history_unreadable", exc_info=error, **before)

    def close(self) -> None:
        self._pool.shutdown()
