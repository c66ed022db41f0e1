"""Sends what is said. What may have been sent already keeps its id, so that it stays one message."""

import secrets
from typing import TYPE_CHECKING

from chatctl.failures import BadUsage, DaemonUnreachable, RpcRefused, TimedOut
from chatctl.stream import Stream

if TYPE_CHECKING:
    from chatcore.api import Sent


MAX_UNSURE = 64
"""Messages whose answer did not come; beyond, the first is forgotten: said again, it is another message."""


class Saying:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._unsure: dict[tuple[str, str], str] = {}
        """The client ids of messages whose answer did not come, by room and text."""

    async def say(self, room: str, text: str) -> "Sent":
        """Raises ClientFailure."""
        said = (room, _checked(text))
        client_id = self._unsure.get(said) or secrets.token_hex(8)
        params = {"text": text, "room": room, "client_id": client_id}
        leaves = self._stream.connected
        try:
            sent: Sent = await self._stream.call("message.send", params)
        except (DaemonUnreachable, TimedOut):
            if leaves:
                self._remember(said, client_id)
            raise
        except RpcRefused:
            self._unsure.pop(said, None)
            raise
        self._unsure.pop(said, None)
        return sent

    def heard(self, room: str, text: str) -> None:
        """A message of our own came back: whoever says the same again means another one."""
        self._unsure.pop((room, text), None)

    def _remember(self, said: tuple[str, str], client_id: str) -> None:
        self._unsure[said] = client_id
        if len(self._unsure) > MAX_UNSURE:
            del self._unsure[next(iter(self._unsure))]


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadUsage("that is not valid Unicode text", "set the terminal to UTF-8") from error
    return text
