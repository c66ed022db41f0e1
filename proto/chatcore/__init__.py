"""The protocol core of chatd: bytes and events in, bytes and events out.

It has no sockets, clock, randomness, disk or logging of its own; whoever runs it passes them in. That is
what lets the daemon, the tests and a simulator run the very same classes.
"""

__version__ = "0.1.0"

PROTOCOL_MAJOR = 1
"""Two nodes of different majors refuse each other before the handshake."""

PROTOCOL_MINOR = 0
"""A newer minor only adds message kinds and trailing fields, which older nodes carry on and ignore."""
