"""People no daemon of a test has met, and what one of them has said, as an export holds it."""

import base64
import time
from typing import Any

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity, peer_id_of
from chatcore.names import room_id

STRANGER = str(peer_id_of(Identity(b"s" * 32).public_key))
OTHER = str(peer_id_of(Identity(b"o" * 32).public_key))
_SPEAKER = Identity(b"p" * 32)
SPEAKER = str(peer_id_of(_SPEAKER.public_key))


def signed(*texts: str, room: str = "lobby") -> list[dict[str, Any]]:
    """Messages of _SPEAKER, of just now."""
    now = time.time_ns() // 1_000_000 << COUNTER_BITS
    sealed = [
        seal(_SPEAKER, room_id("main", room), now + at, "bob", Chat(text)) for at, text in enumerate(texts)
    ]
    return [
        {
            "room": room,
            "payload": base64.b64encode(item.payload).decode(),
            "signature": base64.b64encode(item.signature).decode(),
        }
        for item in sealed
    ]
