"""Where a text names somebody, so that it can be marked there. Whether it does, `chatcore.mentions` says."""

import re
import unicodedata

from chatcore.words import is_unspaced

MAX_FOUND = 100
"""In one text; what is beyond is said all the same, only not marked."""


def spans(text: str, username: str) -> list[tuple[int, int]]:
    """Start and end of each place, in order. Spellings that only fold to the name are left unmarked."""
    if not username:
        return []
    forms = {unicodedata.normalize(form, username) for form in ("NFC", "NFD", "NFKC")}
    either = "|".join(re.escape(form) for form in sorted(forms))
    before = "" if is_unspaced(username[0]) else r"(?<![\w@])@?"
    after = "" if is_unspaced(username[-1]) else r"(?!\w)"
    pattern = re.compile(f"{before}(?:{either}){after}", re.IGNORECASE)
    found = []
    for match in pattern.finditer(text):
        found.append(match.span())
        if len(found) == MAX_FOUND:
            break
    return found
