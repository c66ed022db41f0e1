"""Where a text names somebody: their name as a word of its own, with or without `@`, capitals or not."""

import re
import unicodedata

MAX_FOUND = 100
"""In one text; what is beyond is said all the same, only not marked."""


def spans(text: str, username: str) -> list[tuple[int, int]]:
    """Start and end of each place, in order. Inside of a word is none: `ann` in `annoyed`."""
    name = unicodedata.normalize("NFC", username)
    if not name.strip() or len(name) > len(text):
        return []
    # A word goes on after letters, digits and `_`; the name itself may begin or end with any sign.
    forms = {name, unicodedata.normalize("NFD", username)}
    either = "|".join(re.escape(form) for form in sorted(forms))
    pattern = re.compile(rf"(?<![\w@])@?(?:{either})(?!\w)", re.IGNORECASE)
    found = []
    for match in pattern.finditer(text):
        found.append(match.span())
        if len(found) == MAX_FOUND:
            break
    return found


def names(text: str, username: str) -> bool:
    return bool(spans(text, username))
