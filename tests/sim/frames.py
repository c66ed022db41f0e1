"""What one turn of a host writes to one link: the very batches a Session would encrypt, and their size."""

from operator import itemgetter
from typing import TypeAlias

from chatcore.codec import NOISE_TAG_BYTES, decode_batch, pack_batches
from chatcore.events import Priority
from chatcore.frames import HEADER_BYTES
from chatcore.messages import LinkMessage

FRAME_OVERHEAD_BYTES = HEADER_BYTES + NOISE_TAG_BYTES

HANDSHAKE_FRAMES = 3
HANDSHAKE_BYTES = 436
"""The Noise handshake, with its prefaces and proofs; a test holds it against real sessions."""

Item: TypeAlias = tuple[Priority, LinkMessage, bytes]
"""A message that waits to leave, with its encoding."""

Frame: TypeAlias = tuple[tuple[LinkMessage, ...], bytes]
"""The messages of one frame and its plaintext; on the wire it is `FRAME_OVERHEAD_BYTES` longer."""

_ONE = b"\x91"
"""A msgpack array of one."""

_priority = itemgetter(0)


def frames_of(items: list[Item]) -> list[Frame]:
    """The most urgent first, and otherwise in order, as the daemon's outbox has it."""
    if len(items) == 1:
        _, message, encoded = items[0]
        return [((message,), _ONE + encoded)]
    items.sort(key=_priority)
    batches = pack_batches([item[2] for item in items])
    if len(batches) == 1:
        return [(tuple([item[1] for item in items]), batches[0])]
    return [(decode_batch(batch), batch) for batch in batches]
