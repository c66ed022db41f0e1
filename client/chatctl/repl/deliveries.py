"""What became of our own messages, as far as this chat tells: little of what goes well, all that does not.

A line that was printed is not rewritten: what it said then is followed by another line where that matters,
and the prompt shows how the last message is doing.
"""

from typing import Any

from chatctl.safetext import clean_line

MAX_FOLLOWED = 1024
"""Messages shown as queued whose delivery will be told; beyond, it is not."""


class Deliveries:
    def __init__(self) -> None:
        self._queued: set[str] = set()
        self._arrived = 0
        self._reason = ""
        self._last = ""
        self.summary = ""
        """Of the last message said, for beside the prompt."""

    def said(self, message_id: str, state: str) -> None:
        """One of ours was shown, with its state as it was then."""
        self._last, self.summary = message_id, state
        if state == "queued" and len(self._queued) < MAX_FOLLOWED:
            self._queued.add(message_id)

    def changed(self, data: dict[str, Any]) -> str:
        """What is to be told of it; nothing mostly."""
        message_id, state = data["id"], data["state"]
        if message_id == self._last:
            self.summary = f"delivered to {data['confirmed']}" if state == "delivered" else clean_line(state)
        if state == "delivered":
            self._reason = ""
            return self._delivered(message_id)
        return self._refused(data) if state == "refused" else ""

    def _delivered(self, message_id: str) -> str:
        if message_id not in self._queued:
            return ""
        self._queued.discard(message_id)
        self._arrived += 1
        if self._queued:
            return ""
        arrived, self._arrived = self._arrived, 0
        return "what was queued is delivered" + (f", {arrived} messages" if arrived > 1 else "")

    def _refused(self, data: dict[str, Any]) -> str:
        """Each reason once, until something is delivered."""
        reason = clean_line(data.get("reason") or "no reason was given")
        if reason == self._reason:
            return ""
        self._reason = reason
        return f"not taken: {reason}"

    def forget(self) -> None:
        """Some changes were not heard of."""
        self._queued.clear()
        self._arrived = 0
        self.summary = ""
