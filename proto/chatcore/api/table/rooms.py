"""The table's part about rooms: `room.*`."""

from chatcore.api.rooms import MembersParams, Present, Room, RoomChange, RoomListParams, RoomParams
from chatcore.api.table.cast import ANN, BOB, ROOM
from chatcore.api.table.method import Example, Method
from chatcore.errors import BadName, NotInRoom, Stopping, StoreFailed, TooManyRooms

METHODS: dict[str, Method] = {
    "room.list": Method("the rooms it is in", RoomListParams, list[Room], examples=(Example({}, [ROOM]),)),
    "room.join": Method(
        "come into a room",
        RoomParams,
        RoomChange,
        errors=(BadName, TooManyRooms, StoreFailed, Stopping),
        examples=(Example({"room": "#tea"}, {"room": "tea", "changed": True}),),
    ),
    "room.members": Method(
        "who is in a room, and who went lately",
        MembersParams,
        list[Present],
        errors=(BadName, NotInRoom),
        examples=(
            Example(
                {"room": "lobby", "former": False},
                [
                    {"peer_id": ANN, "username": "ann", "state": "here", "last_seen_s": 0.0, "you": True},
                    {"peer_id": BOB, "username": "bob", "state": "here", "last_seen_s": 4.1, "you": False},
                ],
            ),
        ),
    ),
    "room.leave": Method(
        "leave a room; its history stays",
        RoomParams,
        RoomChange,
        errors=(BadName, NotInRoom, StoreFailed, Stopping),
        examples=(Example({"room": "tea"}, {"room": "tea", "changed": True}),),
    ),
}
