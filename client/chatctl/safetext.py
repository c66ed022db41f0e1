r"""Makes text from the network harmless to a terminal: it cannot move the cursor, reorder or hide.

What goes: control characters (Cc), bidirectional controls (UAX #9: U+061C, U+200E/F, U+202A-E, U+2066-9),
zero-widths and invisible fillers, tag characters, lone surrogates, and marks piled up on one letter.
"""

import functools
import re

TAB = "    "

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # Cc but for tab and newline
_INVISIBLE = (
    _CONTROLS
    + r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    r"\ud800-\udfff"
)
_VARIATION_SELECTORS = r"\ufe00-\ufe0f"

# A single joiner between two signs that are visible by themselves hides nothing and moves nothing; without it
# a family falls apart into four faces, and Persian or Sinhala words are misspelt.
_EMOJI = r"[\u2190-\u2bff\U0001f000-\U0001faff]"
_EMOJI_END = r"[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f]"
_JOINING = r"[\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f\u0900-\u0dff]"
_GOOD_JOINER = rf"(?<={_EMOJI_END})\u200d(?={_EMOJI})|(?<={_JOINING})[\u200c\u200d](?={_JOINING})"


MAX_STACKED = 6
"""Marks (Mn, Me) on one letter; more pile up over other lines. No language writes more than that."""


@functools.cache
def _pile_pattern() -> re.Pattern[str]:
    """Where a pile may be. No mark is a word character to `re`, and there are too many to list."""
    return re.compile(rf"[^\x00-\u02ff\w\s]{{{MAX_STACKED + 1},}}")


def _level(match: re.Match[str]) -> str:
    import unicodedata  # noqa: PLC0415 - few texts have so many signs in a row

    kept, stacked = [], 0
    for char in match[0]:
        stacked = stacked + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if stacked <= MAX_STACKED:
            kept.append(char)
    return "".join(kept)


@functools.cache
def _text_pattern() -> re.Pattern[str]:
    return re.compile(rf"({_GOOD_JOINER})|[{_INVISIBLE}]")


@functools.cache
def _line_pattern() -> re.Pattern[str]:
    return re.compile(rf"[{_INVISIBLE}{_VARIATION_SELECTORS}]")


def clean_text(text: str) -> str:
    r"""A message's text. Line breaks stay, as `\n`; a tab becomes four spaces."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n").replace("\t", TAB)
    return _pile_pattern().sub(_level, _text_pattern().sub(lambda match: match[1] or "", text))


def clean_line(text: str) -> str:
    """A name, an address, an error: one line, white space as single spaces, nothing invisible."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(_pile_pattern().sub(_level, _line_pattern().sub("", text)).split())


def without_controls(text: str) -> str:
    """What somebody typed: controls are slips of the keyboard there, all else is meant."""
    return re.sub(f"[{_CONTROLS}]", "", text)


def escape_json(document: str) -> str:
    r"""The same JSON with what a terminal might act on written as `\uXXXX`."""
    if document.isascii() and "\x7f" not in document:
        return document
    return re.sub(rf"[{_INVISIBLE}\u2028\u2029]", _json_escape, document)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
