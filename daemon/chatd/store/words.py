"""Texts as the words a search finds them by. Pure: knows no tables.

Folded (UAX #15 NFKD, case folded, accents stripped) and split at what is neither letter nor digit. Scripts
written without spaces have no words to split: there each two neighbours are one, and the last by itself.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VERSION = 1
"""Of what this file makes of a text. Another number, and every store builds its index anew."""

MAX_WORDS_PER_MESSAGE = 1024
"""Different ones, the first of each message; a longer text is found by these only."""

MAX_WORD_CHARS = 64
"""Longer words are found by their beginning. Four bytes a character fit LMDB's keys of 511 bytes."""

MAX_QUERY_CHARS = 1024
MAX_QUERY_WORDS = 32

MAX_KNOWN_CHARS = 8192
"""Characters whose fate is remembered: more than any chat uses, less than somebody could send."""

_PIECE = re.compile(r"([^\s*]+)(\*?)")
_ASCII_WORD = re.compile(r"[0-9a-z]+")
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_VOICED_KANA = "\u3099\u309a"  # these make another sound and letter, not an accent on the same
_FIRST_SYMBOL = "\u2190"


class _Fates(dict[int, str | None]):
    """What becomes of a decomposed character: itself, nothing, a space; a symbol is a word by itself."""

    def __missing__(self, number: int) -> str | None:
        fate = _fate(chr(number))
        if len(self) < MAX_KNOWN_CHARS:
            self[number] = fate
        return fate


def _fate(char: str) -> str | None:
    if char in _VOICED_KANA:
        return char
    category = unicodedata.category(char)
    if unicodedata.combining(char) or "\ufe00" <= char <= "\ufe0f":
        return None
    if category[0] in "LNM":  # vowel signs of Indic scripts are marks, and parts of their words
        return char
    if category == "So" and char >= _FIRST_SYMBOL:
        return f" {char} "
    return " "


_FATES = _Fates()


def fold(text: str) -> str:
    """Words in their one spelling, between spaces."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", decomposed.translate(_FATES))


def fold_name(name: str) -> str:
    """A username as `author` compares it."""
    return " ".join(fold(name).split())[:MAX_WORD_CHARS]


def words_of(text: str) -> list[str]:
    """Different ones, in the order of their first appearance."""
    return list(dict.fromkeys(_words(text)))[:MAX_WORDS_PER_MESSAGE]


def _words(text: str) -> Iterable[str]:
    folded = fold(text)
    if text.isascii():
        found = _ASCII_WORD.findall(folded)
        if len(text) > MAX_WORD_CHARS:
            return [word[:MAX_WORD_CHARS] for word in found]
        return found
    return _split(folded)


def _runs(folded: str) -> list[str]:
    return (_ASCII_WORD if folded.isascii() else _RUN).findall(folded)


def _split(folded: str) -> Iterator[str]:
    for run in _runs(folded):
        if _IS_UNSPACED.match(run):
            yield from _pairs(run)
            yield run[-1]
        else:
            yield run[:MAX_WORD_CHARS]


def _pairs(run: str) -> Iterable[str]:
    return (run[at : at + 2] for at in range(len(run) - 1))


@dataclass(frozen=True, slots=True)
class Words:
    """What a message must hold: all of `exact`, a word that begins so for each of `prefixes`, and all `runs`.

    `runs` are in scripts without spaces: their pairs are in `exact`, and must also stand together.
    """

    exact: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.exact) + len(self.prefixes)

    def are_in(self, text: str) -> bool:
        found = set(words_of(text))
        if not found.issuperset(self.exact):
            return False
        if not all(any(word.startswith(prefix) for word in found) for prefix in self.prefixes):
            return False
        folded = fold(text) if self.runs else ""
        return all(run in folded for run in self.runs)


def parse(query: str) -> Words:
    """`hel* wörld`: a word that begins with `hel`, and the word `world`. Empty when it holds no word.

    A single character of a script without spaces begins the pairs it is in, so it is a prefix by itself.
    """
    exact: list[str] = []
    prefixes: list[str] = []
    runs: list[str] = []
    for text, star in _PIECE.findall(query):
        found = _runs(fold(text))
        for number, run in enumerate(found, 1):
            if _IS_UNSPACED.match(run):
                (prefixes if len(run) == 1 else runs).append(run)
                exact += _pairs(run)
            elif star and number == len(found):
                prefixes.append(run[:MAX_WORD_CHARS])
            else:
                exact.append(run[:MAX_WORD_CHARS])
    return Words(*(tuple(dict.fromkeys(found)) for found in (exact, prefixes, runs)))
