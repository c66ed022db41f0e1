"""The table's part about events: `events.*`, over a WebSocket only."""

from chatcore.api.feed import NeedsWebSocket, Subscribed, SubscribeParams
from chatcore.api.table.cast import IDENTITY, LINKED, ROOM
from chatcore.api.table.method import Example, Method

METHODS: dict[str, Method] = {
    "events.subscribe": Method(
        "a snapshot, then every event (WebSocket only)",
        SubscribeParams,
        Subscribed,
        errors=(NeedsWebSocket,),
        examples=(
            Example(
                {"since": 6, "topics": ["message", "state"]},
                {"seq": 7, "identity": IDENTITY, "rooms": [ROOM], "peers": [LINKED]},
            ),
        ),
    ),
}
