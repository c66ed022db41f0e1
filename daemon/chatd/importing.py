"""Messages from a file: what live traffic has to pass, they have to pass, but for where they come from.

Checks decode, caps, signature, time and room; keeps nothing. The caller keeps it off the event loop.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatcore import api
from chatcore.clock import Now, is_future, wall_ms_of
from chatcore.envelopes import Chat, Envelope, open_envelope
from chatcore.errors import BadName, Malformed
from chatcore.ids import RoomId
from chatcore.messages import MAX_ROOMS
from chatcore.names import room_id, room_name
from chatd.people import author_of
from chatd.views import rfc3339


class _Refused(Exception):
    """Why a message is not taken, in words for a person."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`envelopes` and `refused` by their place in the call; `rooms` are the names of the envelopes' rooms."""

    envelopes: dict[int, Envelope] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    rooms: dict[RoomId, str] = field(default_factory=dict)

    def admit_rooms(self, known: Mapping[RoomId, str]) -> dict[RoomId, str]:
        """Those not known yet, as far as there is room for more; messages of the others are refused."""
        new = {room: name for room, name in self.rooms.items() if room not in known}
        admitted = dict(list(new.items())[: max(0, MAX_ROOMS - len(known))])
        for index, envelope in list(self.envelopes.items()):
            if envelope.room not in known and envelope.room not in admitted:
                del self.envelopes[index]
                self.refused[index] = f"this node knows {len(known)} rooms, and takes no more from a file"
        return admitted

    def outcome(self, stored: int) -> api.Imported:
        return {
            "stored": stored,
            "duplicates": len(self.envelopes) - stored,
            "refused": [{"index": index, "reason": why} for index, why in sorted(self.refused.items())],
        }


def check(messages: Sequence[Any], network: str, wall_ms: int, floor: Callable[[RoomId], int]) -> Checked:
    """About 60 us a message, most of it the signature. `floor` is the least stamp that is kept of a room."""
    checked = Checked()
    for index, message in enumerate(messages):
        try:
            name, envelope = _open(message, network, Now(0.0, wall_ms), floor)
        except _Refused as refused:
            checked.refused[index] = str(refused)
        else:
            checked.envelopes[index] = envelope
            checked.rooms[envelope.room] = name
    return checked


def _open(message: Any, network: str, now: Now, floor: Callable[[RoomId], int]) -> tuple[str, Envelope]:
    if not isinstance(message, dict):
        raise _Refused("it is not a JSON object")
    name = _room(message.get("room"))
    try:
        envelope = open_envelope(_bytes(message, "payload"), _bytes(message, "signature"))
    except Malformed as error:
        raise _Refused(f"its payload is not a message: {error}") from error
    if envelope.room != room_id(network, name):
        raise _Refused(f"it is not a message of #{name} on the network {network!r}")
    if not envelope.durable:
        raise _Refused("it is of a kind that is not kept")
    if is_future(envelope.stamp, now):
        raise _Refused("its time is more than 10 minutes ahead; is this machine's clock right?")
    if envelope.stamp < floor(envelope.room):
        raise _Refused("it is older than this node keeps")
    if not envelope.is_signed():
        raise _Refused("its signature does not fit its author and text")
    _check_shown(message, envelope)
    return name, envelope


def _check_shown(message: dict[str, Any], envelope: Envelope) -> None:
    """What a line says beside the payload is for people to read; a file that was changed there is damaged."""
    time_ms = wall_ms_of(envelope.stamp)
    signed: dict[str, object] = {
        "id": str(envelope.id),
        "author": str(author_of(envelope.author)),
        "username": envelope.username,
        "time_ms": time_ms,
        "time": rfc3339(time_ms),
    }
    if isinstance(envelope.body, Chat):
        signed["text"] = envelope.body.text
    for name, value in signed.items():
        if name in message and message[name] != value:
            raise _Refused(
                f"its {name} is not what its author signed; mend it, or leave {name} out of the line"
            )


def _room(text: Any) -> str:
    if not isinstance(text, str):
        raise _Refused("it has no room")
    try:
        return room_name(text)
    except BadName as error:
        raise _Refused(str(error)) from error


def _bytes(message: dict[str, Any], name: str) -> bytes:
    value = message.get(name)
    if not isinstance(value, str):
        raise _Refused(f"it has no {name}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Refused(f"its {name} is not base64") from error
