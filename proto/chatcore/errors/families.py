"""The two families: ours and theirs."""

from typing import ClassVar


class ChatError(Exception):
    """`str()` is one sentence that says what is wrong."""

    kind: ClassVar[str] = "error"


class LocalError(ChatError):
    """A bad request or a bug on this side. `hint` says what to do about it."""

    kind = "local"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RemoteError(ChatError):
    """The other side broke the protocol, or cannot speak with us: drop the link, record the kind."""

    kind = "remote"
    fault: ClassVar[bool] = True
    """Whether the other side did wrong, and did not merely go away or take another road."""
