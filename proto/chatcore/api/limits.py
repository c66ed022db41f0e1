"""Caps of the local RPC as a whole, their errors, and the version by which its two ends know each other."""

from chatcore.errors import LocalError

API_VERSION = "1.0.0"
"""SemVer, apart from the daemon's own version. The first number rises when a client made for the one before
could go wrong; what is only added (methods, result fields, topics, error codes) raises the second."""

MAX_REQUEST_BYTES = 1024 * 1024
"""Of an HTTP body, or of one WebSocket message from a client."""

MAX_BATCH_REQUESTS = 100
MAX_BATCH_ANSWER_BYTES = 64 * 1024 * 1024
"""Once the answers to a batch have so many, no more pages are read for it. One has 30 MB at most, so a client
that takes 128 MiB takes any answer."""


class TooManyRequests(LocalError):
    """A batch is refused whole when it has too many; nothing of it is done."""

    kind = "batch_too_long"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a batch of {size} requests, the limit is {MAX_BATCH_REQUESTS}", "split it into several batches"
        )


class BatchAnswerTooLong(LocalError):
    """The answers before this one in its batch are too long already; it was not asked."""

    kind = "batch_answer_too_long"

    def __init__(self) -> None:
        super().__init__("the answers to this batch are too long already", "ask for it in a batch of its own")
