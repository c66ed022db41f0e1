"""Which of our own messages are kept and have not come back as events yet. Either may happen first."""

import asyncio

MAX_EARLY = 256


class Echoes:
    def __init__(self) -> None:
        self._awaited: set[str] = set()
        self._early: set[str] = set()
        self._none_awaited = asyncio.Event()
        self._none_awaited.set()

    def expect(self, message_id: str) -> None:
        if message_id in self._early:
            self._early.discard(message_id)
            return
        self._awaited.add(message_id)
        self._none_awaited.clear()

    def heard(self, message_id: str) -> None:
        """A message of ours has come as an event."""
        if message_id not in self._awaited:  # its answer is on its way, or another client sent it
            if len(self._early) >= MAX_EARLY:
                self._early.clear()
            self._early.add(message_id)
            return
        self._awaited.discard(message_id)
        if not self._awaited:
            self._none_awaited.set()

    async def all_heard(self) -> None:
        await self._none_awaited.wait()
