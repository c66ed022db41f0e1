"""`status --caught-up`: until what linked members have of the history is here, with how far it is."""

import time
from typing import Any

from chatctl.commands.answering import MISSHAPEN, misshapen
from chatctl.failures import TimedOut
from chatctl.invocation import Invocation
from chatctl.limits import POLL_S
from chatctl.progress import Progress


def wait_until_caught_up(told: Invocation, patience_s: float) -> None:
    """Rooms in which nobody is linked are not waited for, unless it is so in all.

    Raises TimedOut, with what is missing still.
    """
    end = time.monotonic() + patience_s
    progress = Progress(told.env.stderr, "caught up")
    came_before = _came(told)
    try:
        while missing := _missing(told, progress, came_before):
            if time.monotonic() >= end:
                raise TimedOut("the history was not all here", patience_s, missing)
            time.sleep(POLL_S)
    finally:
        progress.end()


def _came(told: Invocation) -> int:
    found = told.rpc().call("node.stats")
    try:
        return int(found["repaired"])
    except MISSHAPEN as error:
        raise misshapen("node.stats") from error


def _missing(told: Invocation, progress: Progress, came_before: int) -> str:
    """What is still to come, in words; empty once it is all here."""
    rooms = _rooms(told)
    came = _came(told) - came_before
    to_come = sum(room["outstanding"] for room in rooms)
    share = came / (came + to_come) if came else 0.0
    progress.show(share, f"{came:,} messages came, {to_come:,} to come")
    fetching = [room["room"] for room in rooms if room["state"] == "fetching"]
    if fetching:
        return f"#{fetching[0]} is still compared with a member's"
    return "" if any(room["state"] == "whole" for room in rooms) else "nobody in a room of yours is linked"


def _rooms(told: Invocation) -> list[Any]:
    found = told.rpc().call("node.status")
    try:
        return [{name: room[name] for name in ("room", "state", "outstanding")} for room in found["history"]]
    except MISSHAPEN as error:
        raise misshapen("node.status") from error
