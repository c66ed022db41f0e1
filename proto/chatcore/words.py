"""Texts as the words a search finds them by, and where those stand in a text. Knows no tables.

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
"""Longer words are found by their beginning. At four bytes a character they fit a key of the store."""

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
    return " ".join(_runs(fold(name)) or name.casefold().split())[:MAX_WORD_CHARS]


def is_unspaced(char: str) -> bool:
    """Whether it is of a script that is written without spaces."""
    return bool(_IS_UNSPACED.match(char))


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


def places_of(words: Words, text: str) -> list[tuple[int, int]]:
    """Where in `text` stands what was asked for: start and end of each, in order, none within another."""
    folded, origin = _fold_each(text)
    found: list[tuple[int, int]] = []
    for match in _pattern(words).finditer(folded):
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        while end < len(text) and not fold(text[end]):
            end += 1  # accents written apart
        if not found or start >= found[-1][1]:  # a character like the sign for a half holds two words
            found.append((start, end))
    return found


def _fold_each(text: str) -> tuple[str, list[int]]:
    """Folded and decomposed, and for each character the one it comes from."""
    folded: list[str] = []
    origin: list[int] = []
    for at, char in enumerate(text):
        piece = unicodedata.normalize("NFD", fold(char))
        folded.append(" " if char.isascii() and not char.isalnum() else piece)
        origin += [at] * len(folded[-1])
    return "".join(folded), origin


def _pattern(words: Words) -> re.Pattern[str]:
    inside = rf"[^\s{_UNSPACED}]"
    parts = [_decomposed(run) for run in sorted(words.runs, key=len, reverse=True)]
    for word in words.exact:
        if not _IS_UNSPACED.match(word):
            more = f"{inside}*" if len(word) == MAX_WORD_CHARS else ""
            parts.append(f"(?<!{inside}){_decomposed(word)}{more}(?!{inside})")
    for prefix in words.prefixes:
        unspaced = _IS_UNSPACED.match(prefix)
        parts.append(_decomposed(prefix) if unspaced else f"(?<!{inside}){_decomposed(prefix)}{inside}*")
    return re.compile("|".join(parts) or "(?!)")


def _decomposed(word: str) -> str:
    return re.escape(unicodedata.normalize("NFD", word))
