"""`send --wait` and `status MESSAGE_ID`: how far a message of our own has come."""

import time
from typing import TYPE_CHECKING, Any

from chatctl import render
from chatctl.commands.answering import MISSHAPEN, answer, misshapen
from chatctl.failures import DaemonUnreachable, TimedOut, Undelivered
from chatctl.invocation import Invocation
from chatctl.limits import MIN_PATIENCE_S, POLL_S

if TYPE_CHECKING:
    from chatcore.api import MessageStatus


REFUSED_GRACE_S = 1.0
"""After a first refusal: peers whose clocks agree with ours confirm a little later than others refuse."""


def wait_until_delivered(told: Invocation, sent: Any) -> None:
    """Until somebody has it on disk, or for --timeout, across a restart of the daemon.

    Raises Undelivered, for a message that was refused too.
    """
    try:
        message = _wait(told, str(sent["id"]))
        if told.as_json:
            told.document(message)
            told.flush()
        undelivered = _why_undelivered(message, told.timeout_s)
        if undelivered is None and not told.as_json:
            told.say(render.delivery(message))
    except BrokenPipeError:
        raise
    except MISSHAPEN as error:
        raise misshapen("message.status") from error
    if undelivered is not None:
        raise undelivered


def _why_undelivered(message: "MessageStatus", waited_s: float) -> Undelivered | None:
    match message["state"]:
        case "delivered":
            return None
        case "refused":
            why = f"nobody took it: {message['reason'] or 'no reason was given'}"
            return Undelivered(why, "it is kept, and offered to whoever comes")
        case "queued":
            why = f"nobody in {render.room_label(message['room'])} was connected within {waited_s:g} s"
            return Undelivered(why, "it is kept, and goes out once somebody is")
        case _:
            why = f"it was handed over, but nobody confirmed it within {waited_s:g} s"
            return Undelivered(why, f"see later: chatctl status {render.short_id(message['id'])}")


def _wait(told: Invocation, message_id: str) -> "MessageStatus":
    """What was known last. Raises what keeps the daemon from telling."""
    end = time.monotonic() + told.timeout_s
    refused_at: float | None = None
    while True:
        left = end - time.monotonic()
        try:
            found: MessageStatus = told.rpc(max(left, MIN_PATIENCE_S)).call(
                "message.status", {"id": message_id}
            )
        except (DaemonUnreachable, TimedOut) as error:
            if left <= POLL_S or not getattr(error, "transient", True):
                raise
        else:
            now = time.monotonic()
            if found["state"] == "refused" and refused_at is None:
                refused_at = now
            patient = refused_at is None or now - refused_at < REFUSED_GRACE_S
            if found["state"] == "delivered" or now >= end or not patient:
                return found
        time.sleep(POLL_S)


def show_message(told: Invocation, message_id: str) -> None:
    result = told.rpc().call("message.status", {"id": message_id})
    answer(told, "message.status", result, lambda shown: told.out(render.message_status(shown, told.style)))
