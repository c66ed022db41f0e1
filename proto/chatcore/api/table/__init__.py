"""The methods of the local RPC as one table: name -> what it takes, answers and refuses.

The daemon's handlers and validation, `rpc.discover`, docs/rpc.md, the clients and the tests all read it.
"""

from chatcore.api.table import events, messages, node, peers, rooms
from chatcore.api.table.method import Example, Method

__all__ = ["METHODS", "Example", "Method"]

METHODS: dict[str, Method] = {
    **node.METHODS,
    **peers.METHODS,
    **rooms.METHODS,
    **messages.METHODS,
    **events.METHODS,
}
