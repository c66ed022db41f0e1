"""Sends what is said. What may have been sent already keeps its id, so that it stays one message."""

import secrets
from typing import TYPE_CHECKING

from chatctl.failures import BadUsage, DaemonUnreachable, TimedOut
from chatctl.stream import Stream

if TYPE_CHECKING:
    from chatcore.api import Sent


class Saying:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._unsure: tuple[str, str, str] | None = None
        """Room, text and client id of the last message whose answer did not come."""

    async def say(self, room: str, text: str) -> "Sent":
        """Raises ClientFailure."""
        client_id = self._client_id(room, _checked(text))
        params = {"text": text, "room": room, "client_id": client_id}
        try:
            sent: Sent = await self._stream.call("message.send", params)
        except (DaemonUnreachable, TimedOut):
            self._unsure = (room, text, client_id)
            raise
        return sent

    def _client_id(self, room: str, text: str) -> str:
        unsure, self._unsure = self._unsure, None
        if unsure is not None and unsure[:2] == (room, text):
            return unsure[2]
        return secrets.token_hex(8)


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadUsage("that is not valid Unicode text", "set the terminal to UTF-8") from error
    return text
