"""Whether a text names somebody: `ann` or `@ann`, as a word of its own. Knows no messages and no people.

Compared as usernames are, in NFKC and case folded; accents count, since `zoë` and `zoe` are two people.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from chatcore.words import is_unspaced


def names(text: str, username: str) -> bool:
    """Not as part of a longer word or of an address: `annual` and `bob@ann` do not name `ann`.

    In scripts written without spaces a word has no visible end, so the name may stand anywhere.
    """
    name, folded = _folded(username), _folded(text)
    # Nearly no text holds the name at all, which is seen twenty times as fast as where a word begins.
    return name in folded and _folded_pattern(name).search(folded) is not None


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=64)
def _folded_pattern(name: str) -> re.Pattern[str]:
    return pattern(name, [name])


def pattern(name: str, forms: Iterable[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Where a text names `name`, which is not empty, in any of these spellings of it."""
    before = "" if is_unspaced(name[0]) else r"(?<![\w@])@?"
    after = "" if is_unspaced(name[-1]) else r"(?!\w)"
    either = "|".join(re.escape(form) for form in forms)
    return re.compile(f"{before}(?:{either}){after}", flags)
