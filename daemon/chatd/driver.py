"""The one loop: an input goes to the node, and every output that comes back is performed.

A whole batch of outputs is performed without waiting; what is slow (signature checks, commits, peers'
questions) runs in threads and comes back as an input.
"""

import asyncio
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import assert_never

import structlog

from chatcore import PROTOCOL_MINOR
from chatcore.clock import Now
from chatcore.envelopes import Envelope
from chatcore.errors import HandshakeFailed, LocalError, SelfDialed, StoreFailed, Unreachable
from chatcore.events import (
    AddressesNotSaved,
    CaughtUp,
    CloseLink,
    CommitFailed,
    Committed,
    Dial,
    Input,
    JobId,
    LookUp,
    MemberChanged,
    MessageAdded,
    News,
    Notice,
    Output,
    PeerChanged,
    Persist,
    Rejected,
    Renamed,
    Replied,
    Reply,
    Request,
    RequestId,
    RoomChanged,
    SaveAddresses,
    Send,
    SetTimer,
    StateChanged,
    StoredMessage,
    TimerFired,
    TimerKey,
    Verified,
    Verify,
)
from chatcore.ids import LinkId
from chatcore.messages import Hello
from chatcore.node import Node
from chatd import twins
from chatd.links import Links
from chatd.logs import Limiter
from chatd.lookups import LookUps
from chatd.store import Batch, BatchResult, RoomEntry, Store

MAX_CHECKS_PER_LINK = 1024
"""Signatures one link may have under way; beyond, its socket is not read, so a flooder only slows itself."""

MAX_CHECKERS = 4
"""Threads that check signatures: one more than cores, as one usually waits for the interpreter lock."""

CHECKED_AT_ONCE = 2
"""So few signatures are checked on the spot when no others of what is said now are under way: 60 us each,
where a thread and the loop after it take 300 to wake, and on a busy machine some milliseconds."""

MAX_ON_THE_SPOT = 8
"""In one turn of the loop: half a millisecond. Of one link that sends each message in a frame of its own, 64
frames come in a turn."""

HISTORY_NICENESS = 5
"""Of the one thread that checks history: whoever else wants the processor, in this process or another, gets
three times as much of it."""

MAX_STORE_BACKLOG_BYTES = 16 * 1024 * 1024
"""What may wait for the disk; beyond, no socket is read."""

log = structlog.get_logger()


class Driver:
    """Made in two steps, because the node and the links are made with what it gives them."""

    node: Node
    links: Links
    publish: Callable[[News], None]

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(
            max_workers=min(MAX_CHECKERS, 1 + (os.cpu_count() or 1)), thread_name_prefix="chatd-verify"
        )
        self._history_pool = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="chatd-history", initializer=_step_back
        )
        self._look_ups = LookUps(store, self.post)
        self._inputs: deque[Input] = deque()
        self._busy = False
        self._timers: dict[TimerKey, asyncio.TimerHandle] = {}
        self._requests: dict[RequestId, asyncio.Future[Reply]] = {}
        self._last_request = 0
        self._checks: Counter[LinkId] = Counter()
        """Signatures under way in threads."""

        self._live_jobs = 0
        """Of what is said now."""

        self._checked_here = 0
        """Signatures checked on the spot in this turn of the loop."""

        self._saves: dict[int, tuple[str, ...]] = {}
        """Addresses on their way to the disk, by jobs below zero: those of the node are above."""

        self._last_save = 0
        self._limiter = Limiter()
        self.write_error: str | None = None
        """Why the last commit failed; None when it did not."""

        self.write_hint = ""
        """What to do about it, where more is known than that the disk should take it."""

        self._warned_of_twins = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def attach(self, node: Node, links: Links) -> None:
        self.node = node
        self.links = links

    def hello(self) -> Hello:
        """What this node tells a peer whose link is secured."""
        config = self.node.config
        return Hello(
            minor=PROTOCOL_MINOR,
            capabilities=(),
            network=config.network,
            user_agent=config.user_agent,
            listen_port=config.listen_port,
            username=self.node.username,
            rooms=self.node.room_ids,
        )

    def now(self) -> Now:
        # Not loop.time(): uvloop's stands still within a turn of the loop and counts whole milliseconds.
        return Now(time.monotonic(), time.time_ns() // 1_000_000)

    # Inputs

    def post(self, event: Input) -> None:
        """Handle it and all that follows from it at once, after what is being handled already."""
        self._inputs.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inputs:
                self._perform(self.node.handle(self._inputs.popleft(), self.now()))
                if not self._inputs:
                    self.links.flush()
        finally:
            self._busy = False

    async def request(self, make: Callable[[RequestId], Request]) -> Reply:
        """What the node answers to a request. Raises the LocalError it is rejected with."""
        self._last_request += 1
        request = RequestId(self._last_request)
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._requests[request] = answer
        self._quiet.clear()
        self.post(make(request))
        return await answer

    async def finished(self) -> None:
        """Every request is answered and every signature checked; what is to be kept is with the store."""
        await self._quiet.wait()

    def _look_quiet(self) -> None:
        if not self._requests and not self._checks:
            self._quiet.set()

    # Outputs

    def _perform(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Send():
                    self.links.send(output)
                case (
                    MessageAdded()
                    | StateChanged()
                    | PeerChanged()
                    | MemberChanged()
                    | RoomChanged()
                    | Renamed()
                ):
                    self._tell(output)
                case Verify():
                    self._verify(output)
                case Persist():
                    self._persist(output)
                case LookUp():
                    self._look_ups.start(output)
                case SaveAddresses():
                    self._save_addresses(output)
                case Replied(request, reply):
                    self._answer(request, reply)
                case Rejected(request, error):
                    self._answer(request, error)
                case SetTimer(key, at):
                    self._set_timer(key, at)
                case Dial():
                    self.links.dial(output)
                case CloseLink(link, closing):
                    self.links.close(link, closing)
                case CaughtUp():
                    self._store.forget_restored()
                case Notice():
                    self._log(output)
                case _:
                    assert_never(output)

    def _tell(self, news: News) -> None:
        if isinstance(news, PeerChanged):
            event = "peer_up" if news.up else "peer_down"
            log.info(
                event,
                peer=news.peer_id.short,
                username=news.username,
                address=news.address,
                direction="out" if news.outbound else "in",
                **({} if news.up else {"why": news.reason}),
            )
            self._warn_of_twins(news)
        self.publish(news)

    def _warn_of_twins(self, news: PeerChanged) -> None:
        """Once: it goes on for as long as both run."""
        if self._warned_of_twins or news.reason != twins.TAKEN:
            return
        if twins.times_replaced(self.node.drops, time.monotonic()) >= twins.OFTEN:
            self._warned_of_twins = True
            log.warning("identity_elsewhere", why=twins.WHY, hint=twins.FIX)

    def _answer(self, request: RequestId, answer: Reply | LocalError) -> None:
        future = self._requests.pop(request)
        self._look_quiet()
        if future.done():
            return  # whoever asked has gone; what was asked is done all the same
        if isinstance(answer, LocalError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _set_timer(self, key: TimerKey, at: float) -> None:
        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()
        self._timers[key] = self._loop.call_later(max(0.0, at - time.monotonic()), self._fire, key)

    def _fire(self, key: TimerKey) -> None:
        del self._timers[key]
        self.post(TimerFired(key))

    def _log(self, notice: Notice) -> None:
        held = self._limiter.admit(f"{notice.what}/{notice.error.kind}", time.monotonic())
        if held is None:
            return
        fields = {"kind": notice.error.kind, "why": str(notice.error)}
        if notice.address:
            fields["address"] = notice.address
        if held:
            fields["and_as_many_before"] = str(held)
        if isinstance(notice.error, StoreFailed):
            log.error(notice.what, **fields)
        elif isinstance(notice.error, Unreachable | HandshakeFailed | SelfDialed):
            log.info(notice.what, **fields)
        else:
            log.warning(notice.what, **fields)

    # Signature checks in the thread pool

    def _verify(self, output: Verify) -> None:
        count = len(output.envelopes)
        if count <= CHECKED_AT_ONCE and not output.history and self._may_check_here(count):
            self.post(Verified(output.job, _check(output.envelopes)))
            return
        self._checks[output.link] += count
        self._quiet.clear()
        if self._checks[output.link] >= MAX_CHECKS_PER_LINK:
            self.links.pause(output.link, paused=True)
        self._live_jobs += not output.history
        pool = self._history_pool if output.history else self._pool
        future = pool.submit(_check, output.envelopes)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._verified, output, done))

    def _may_check_here(self, count: int) -> bool:
        if self._live_jobs or self._checked_here + count > MAX_ON_THE_SPOT:
            return False
        if not self._checked_here:
            self._loop.call_soon(self._begin_turn)
        self._checked_here += count
        return True

    def _begin_turn(self) -> None:
        self._checked_here = 0

    def _verified(self, output: Verify, done: "Future[tuple[bool, ...]]") -> None:
        results, link = done.result(), output.link
        self._live_jobs -= not output.history
        left = self._checks[link] - len(results)
        if left < MAX_CHECKS_PER_LINK <= self._checks[link]:
            self.links.pause(link, paused=False)
        if left:
            self._checks[link] = left
        else:
            del self._checks[link]
        self.post(Verified(output.job, results))
        self._look_quiet()

    # Commits in the writer thread

    def _persist(self, output: Persist) -> None:
        rooms = tuple(RoomEntry(record.room, record.name, record.joined) for record in output.rooms)
        self._store.submit(
            Batch(
                output.job,
                output.messages,
                rooms,
                output.own,
                output.pins,
                people=output.people,
                discouraged=output.discouraged,
                history=output.history,
            )
        )
        if self._store.backlog_bytes > MAX_STORE_BACKLOG_BYTES:
            self.links.pause_all(paused=True)

    def _save_addresses(self, output: SaveAddresses) -> None:
        self._last_save -= 1
        self._saves[self._last_save] = (*(item.address for item in output.known), *output.forgotten)
        self._store.submit(Batch(self._last_save, addresses=output.known, forgotten=output.forgotten))

    def _addresses_written(self, result: BatchResult) -> None:
        addresses = self._saves.pop(result.job)
        if result.error is not None:
            log.warning("addresses_not_saved", why=result.error)
            self.post(AddressesNotSaved(addresses))

    def take_results(self, results: list[BatchResult]) -> None:
        """Called by the store's writer thread, once for every group it commits."""
        self._loop.call_soon_threadsafe(self._committed, results)

    def _committed(self, results: list[BatchResult]) -> None:
        for result in results:
            self.write_error, self.write_hint = result.error, result.hint
            if result.job in self._saves:
                self._addresses_written(result)
                continue
            job = JobId(result.job)
            if result.error is not None:
                self.post(CommitFailed(job, result.error, result.hint))
            else:
                stored = tuple([StoredMessage(item.seq, item.envelope) for item in result.stored])
                self.post(Committed(job, stored))
        if not self.links.reading and self._store.backlog_bytes < MAX_STORE_BACKLOG_BYTES // 2:
            self.links.pause_all(paused=False)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._pool.shutdown()
        self._history_pool.shutdown()
        self._look_ups.close()


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere threads have no niceness of their own
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + HISTORY_NICENESS)


def _check(envelopes: tuple[Envelope, ...]) -> tuple[bool, ...]:
    return tuple([envelope.is_signed() for envelope in envelopes])
