"""Bytes to length-prefixed frames and back: a 4-byte big-endian length, then that many bytes.

Knows nothing of what a frame holds.
"""

from chatcore.errors import FrameTooLong

HEADER_BYTES = 4
MAX_FRAME_BYTES = 65_535
"""The longest Noise message (Noise specification, section 3): 64 KiB less one."""

MAX_HANDSHAKE_FRAME_BYTES = 1024
"""Until the other side has proved who it is, it gets no more memory than a handshake needs."""


def encode_frame(body: bytes) -> bytes:
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame holds at most {MAX_FRAME_BYTES} bytes, not {len(body)}")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


class FrameDecoder:
    """Collects bytes, gives back whole frames. `limit` is raised once the other side is known."""

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int = MAX_HANDSHAKE_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self.limit = limit

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next whole frame, or None until more bytes come.

        One at a time, because what a frame says may raise the limit for the next.

        Raises:
            FrameTooLong: as soon as the header is there, before a byte of the body is awaited.
        """
        buffer = self._buffer
        if len(buffer) < HEADER_BYTES:
            return None
        size = int.from_bytes(buffer[:HEADER_BYTES], "big")
        if size > self.limit:
            raise FrameTooLong(size, self.limit)
        end = HEADER_BYTES + size
        if len(buffer) < end:
            return None
        body = bytes(buffer[HEADER_BYTES:end])
        del buffer[:end]
        return body
