"""Colours as ANSI sequences, or none. Colour only repeats what the text says already."""

from dataclasses import dataclass

from chatctl.env import COLOURS_256

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_HUE_CHARS = 4

# xterm's colour cube once around the hue circle, in middle lightness: each can be read on black and on white.
_RING_256 = (
    *(167, 173, 172, 136, 142, 106, 70, 71, 72, 37, 73, 38),
    *(74, 67, 68, 69, 63, 99, 98, 134, 170, 169, 168, 161),
)
_RING_8 = (31, 33, 32, 36, 34, 35)


def hue_of(peer_id: str) -> float:
    """0 to 1, by identity. XEP-0392 hashes the identifier for this; a peer id is a hash already."""
    number: int = 0
    for char in peer_id[:_HUE_CHARS].lower():
        number = number * 32 + max(_BASE32.find(char), 0)
    return number / float(32**_HUE_CHARS)


@dataclass(frozen=True, slots=True)
class Style:
    """`colours` is 0, 8 or 256."""

    colours: int = 0

    def nick(self, text: str, peer_id: str) -> str:
        if not self.colours:
            return text
        ring = _RING_256 if self.colours >= COLOURS_256 else _RING_8
        code = ring[int(hue_of(peer_id) * len(ring))]
        return self._sgr(f"38;5;{code}" if self.colours >= COLOURS_256 else f"{code}", text)

    def dim(self, text: str) -> str:
        return self._sgr("2", text)

    def match(self, text: str) -> str:
        return self._sgr("1;4", text)

    def warning(self, text: str) -> str:
        return self._sgr("33", text)

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours and text else text


PLAIN = Style()
