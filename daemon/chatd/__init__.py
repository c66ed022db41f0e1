"""The shell around the protocol core: sockets, disk, clock and the local API."""

from importlib.metadata import version

__version__ = version("chatd")
