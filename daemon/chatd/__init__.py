"""The shell around the protocol core: sockets, disk, clock and the local API."""
