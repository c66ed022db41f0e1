"""Points in a history as people type them: a message's id, or a time in their own time zone."""

import re
from datetime import datetime, tzinfo

from chatctl.failures import BadUsage

_MS = re.compile(r"[0-9]{12,14}")
_ID = re.compile(r"[0-9a-f]{10,64}")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_NEXT = re.compile(r"[0-9]{3,20}:[0-9]{1,20}")
"""What a search gives to go on with: a stamp, so far longer than an hour, and a number."""

HINT = "write a message's id, 18:30 for today, 2026-03-01, '2026-03-01 18:30', or milliseconds since 1970"


def moment(text: str, zone: tzinfo | None = None, now: datetime | None = None) -> int | str:
    """What the API takes: an id as it is, a time in ms. `zone` is for times without one; None: the system's.
    An hour alone is one of today, by `now`.

    Raises:
        BadUsage: it is neither.
    """
    if _MS.fullmatch(text):
        return int(text)
    if clock := _CLOCK.fullmatch(text):
        today = now or datetime.now(zone)
        time = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return int(time.timestamp() * 1000)
    if _ID.fullmatch(text) or _NEXT.fullmatch(text):
        return text
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=zone) if time.tzinfo is None and zone is not None else time
        return max(0, int(time.timestamp() * 1000))  # without a zone, in the system's
    except (ValueError, OverflowError, OSError) as error:
        raise BadUsage(f"{text!r} is neither a message id nor a time", HINT) from error


def moment_type(text: str) -> int | str:
    """A click type."""
    return moment(text)
