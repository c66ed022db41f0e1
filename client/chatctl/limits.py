"""How long the clients wait for a daemon, and how much they take of it. Apart from what speaks to it."""

DEFAULT_TIMEOUT_S = 10.0
MIN_TIMEOUT_S = 0.001
MAX_TIMEOUT_S = 86_400.0
MAX_REQUEST_BYTES = 1024 * 1024
"""What the daemon takes at once, as docs/rpc.md says. More is refused here, in words, and not sent."""

MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""A thousand texts of 16 KiB, each character escaped to six."""

MAX_PAGE = 1000
"""Messages the daemon gives at a time."""

POLL_S = 0.05
"""Between two looks of a command that waits for something to come true."""

MIN_PATIENCE_S = 0.1
"""What its last look gets, however little is left."""
