"""Pins as people ask for them: which message is meant, whether it may be pinned, and then on to the node."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

from chatcore import api
from chatcore.envelopes import Chat
from chatcore.errors import TooManyPins
from chatcore.events import PinMessage, PinRecord
from chatcore.ids import DIGEST_BYTES, RoomId
from chatd.driver import Driver
from chatd.store import MAX_PINS, Store

_ID = re.compile(f"[0-9a-f]{{{api.MIN_ID_CHARS},{2 * DIGEST_BYTES}}}")
_MAX_QUOTED = 80

NameOf = Callable[[RoomId], str | None]


class Pinning:
    def __init__(self, driver: Driver, store: Store, name_of: NameOf) -> None:
        self._driver = driver
        self._store = store
        self._name_of = name_of
        self._one_at_a_time = asyncio.Lock()
        """So that what is under way counts when the next is compared with the most."""

    async def pin(self, text: str) -> api.PinChange:
        """Raises NoSuchMessage, TooManyPins or what the node rejects it with."""
        async with self._one_at_a_time:
            pin = self._message(text, _prefix(text))
            changed = pin not in self._store.pins
            if changed:
                if len(self._store.pins) >= MAX_PINS:
                    raise TooManyPins(MAX_PINS)
                await self._driver.request(lambda request: PinMessage(request, pin))
                if pin not in self._store.pins:  # removed for its age at the same moment
                    raise api.NoSuchMessage(text[:_MAX_QUOTED])
            return self._change(pin, changed=changed)

    async def unpin(self, text: str) -> api.PinChange:
        """Raises NoSuchMessage or what the node rejects it with."""
        async with self._one_at_a_time:
            prefix = _prefix(text)
            pinned = self._store.pins.starting_with(prefix)
            if len(pinned) > 1:
                raise api.NoSuchMessage(text[:_MAX_QUOTED], several=True)
            # A pin may outlive its message, which is then in no room that could be looked through.
            pin = replace(pinned[0] if pinned else self._message(text, prefix), pinned=False)
            if pinned:
                await self._driver.request(lambda request: PinMessage(request, pin))
            return self._change(pin, changed=bool(pinned))

    def _message(self, text: str, prefix: str) -> PinRecord:
        found = self._store.with_id(prefix)
        if len(found) != 1:
            raise api.NoSuchMessage(text[:_MAX_QUOTED], several=len(found) > 1)
        envelope = found[0].envelope
        if not isinstance(envelope.body, Chat) or self._name_of(envelope.room) is None:
            raise api.NoSuchMessage(text[:_MAX_QUOTED])  # as in a history, where it is not shown either
        return PinRecord(envelope.room, envelope.stamp, envelope.id, pinned=True)

    def _change(self, pin: PinRecord, *, changed: bool) -> api.PinChange:
        room = self._name_of(pin.room) or ""
        return {"id": str(pin.id), "room": room, "pinned": pin.pinned, "changed": changed}


def _prefix(text: str) -> str:
    """Raises NoSuchMessage."""
    prefix = text.lower()
    if not _ID.fullmatch(prefix):
        raise api.NoSuchMessage(text[:_MAX_QUOTED], no_id=True)
    return prefix
