"""Where a text names somebody, so that it can be marked there. Whether it does, `chatcore.mentions` says."""

import re
import unicodedata

from chatcore.mentions import pattern

MAX_FOUND = 100
"""In one text; what is beyond is said all the same, only not marked."""


def spans(text: str, username: str) -> list[tuple[int, int]]:
    """Start and end of each place, in order. Spellings that only fold to the name are left unmarked."""
    if not username:
        return []
    forms = {unicodedata.normalize(form, username) for form in ("NFC", "NFD", "NFKC")}
    found = []
    for match in pattern(username, sorted(forms), re.IGNORECASE).finditer(text):
        found.append(match.span())
        if len(found) == MAX_FOUND:
            break
    return found
