"""The table's part about messages: `message.*`."""

from chatcore.api.messages import (
    BadMoment,
    BadQuery,
    HistoryParams,
    Imported,
    ImportParams,
    Message,
    MessageParams,
    MessageStatus,
    MuchNotShown,
    NoSuchMessage,
    PinChange,
    PinsParams,
    SearchPage,
    SearchParams,
    SendParams,
    Sent,
)
from chatcore.api.table.cast import BOB, EXPORTED, HI, MESSAGE, SIGNED
from chatcore.api.table.method import Example, Method
from chatcore.errors import (
    BadClientId,
    BadName,
    NotCaughtUp,
    NotInRoom,
    OutboxFull,
    Stopping,
    StoreFailed,
    TextEmpty,
    TextNotUnicode,
    TextTooLong,
    TooManyPins,
    UnknownMessage,
)

_IN_ROOM = (BadName, NotInRoom)
_WHEN = (NoSuchMessage, BadMoment)
_KEPT = (StoreFailed, Stopping)

METHODS: dict[str, Method] = {
    "message.send": Method(
        "say something; answered once it is safely stored",
        SendParams,
        Sent,
        errors=(
            TextEmpty,
            TextTooLong,
            TextNotUnicode,
            *_IN_ROOM,
            BadClientId,
            OutboxFull,
            NotCaughtUp,
            *_KEPT,
        ),
        examples=(
            Example({"text": "hi bob"}, {"id": HI, "room": "lobby", "state": "sent"}),
            Example(
                {"text": "hi bob", "room": "lobby", "client_id": "7c1f"},
                {"id": HI, "room": "lobby", "state": "delivered"},
            ),
        ),
    ),
    "message.history": Method(
        "a page of a room's messages, oldest first",
        HistoryParams,
        list[Message],
        errors=(*_IN_ROOM, *_WHEN, MuchNotShown),
        bulky=True,
        examples=(
            Example({"limit": 1}, [{**MESSAGE, "state": "delivered"}]),
            Example(
                {"room": "lobby", "after": "2026-01-01T00:00:00Z", "signed": True},
                [SIGNED],
            ),
        ),
    ),
    "message.search": Method(
        "messages that hold some words, newest first",
        SearchParams,
        SearchPage,
        errors=(*_IN_ROOM, *_WHEN, BadQuery),
        bulky=True,
        examples=(
            Example(
                {"query": "hi bo*"},
                {"messages": [MESSAGE], "next": None, "incomplete": False, "unindexed": 0},
            ),
        ),
    ),
    "message.import": Method(
        "store messages that were exported",
        ImportParams,
        Imported,
        errors=_KEPT,
        examples=(
            Example(
                {"messages": [EXPORTED]},
                {"stored": 1, "duplicates": 0, "refused": []},
            ),
            Example(
                {"messages": [EXPORTED, {"room": "lobby"}]},
                {"stored": 0, "duplicates": 1, "refused": [{"index": 1, "reason": "it has no payload"}]},
            ),
        ),
    ),
    "message.status": Method(
        "how far a message of this node has come",
        MessageParams,
        MessageStatus,
        errors=(UnknownMessage,),
        examples=(
            Example(
                {"id": HI},
                {
                    "id": HI,
                    "room": "lobby",
                    "state": "delivered",
                    "confirmed": 1,
                    "confirmed_by": [BOB],
                    "reason": None,
                },
            ),
        ),
    ),
    "message.pin": Method(
        "keep a message whatever its age, on this node alone",
        MessageParams,
        PinChange,
        errors=(NoSuchMessage, TooManyPins, *_KEPT),
        examples=(Example({"id": HI[:10]}, {"id": HI, "room": "lobby", "pinned": True, "changed": True}),),
    ),
    "message.unpin": Method(
        "keep it no longer than others",
        MessageParams,
        PinChange,
        errors=(NoSuchMessage, *_KEPT),
        examples=(Example({"id": HI[:10]}, {"id": HI, "room": "lobby", "pinned": False, "changed": True}),),
    ),
    "message.pins": Method(
        "a page of a room's pinned messages, oldest first",
        PinsParams,
        list[Message],
        errors=(*_IN_ROOM, *_WHEN),
        bulky=True,
        examples=(Example({"room": "lobby"}, [{**MESSAGE, "state": "delivered"}]),),
    ),
}
