"""Who and what the examples of the table are about. Knows no method."""

from typing import Any

ANN = "2kbt742yzg3h7zavt3w3eqroxeoktjxwwkjb4bb57cmvv6ehxysa"
ANN_KEY = "9192a5a3749130afee8ad7348f01bfaacd4a1f066cb787ce3a9d8e6f8e037165"
BOB = "pgczhpbtco4zjrr3zh7ntcm2qohc6le2e6hqvxgk6qnonfa6mqga"
BOB_AT = "192.0.2.7:8080"
CID = "fnq7b3d2fmrvemtuxi7vwcsktztpowqrmxqrz3jfqywyufusoyoq"
CID_AT = "192.0.2.9:8080"
LOBBY_ID = "d5ccd8472b9cb4c6d1397f7f63b63fb44a2dcb1d01a68dba543bcef515943c44"
HI = "78a7e98625f27a988e4b7e8c3c8a29df8d67c4ab0bfdb8b804a7165609bc6a7f"
BACKUP = "/home/ann/chatd.backup"

MESSAGE: dict[str, Any] = {
    "seq": 7,
    "id": HI,
    "room": "lobby",
    "author": ANN,
    "username": "ann",
    "text": "hi bob",
    "time_ms": 1795281530849,
    "time": "2026-11-21T17:18:50.849Z",
}

SIGNED: dict[str, Any] = {
    **MESSAGE,
    "payload": "lgHEINXM2EcrnLTG0Tl/f2O2P7RKLcsdAaaNulQ7zvUVlDxExCCRkqWjdJEwr+6K1zSPAb+q"
    "zUofBmy3h846nY5vjgNxZc8Bof8eL+EAAKNhbm6iaGk=",
    "signature": "0yr1YESq6uz+6HaJjEWLwNvzfuEwXoHdW82EkeMCNMCwXd2JeqFLC0Eo6g8RvjIGqAXWQrhxFbWfQ9PPykZUCg==",
}

EXPORTED: dict[str, Any] = {name: SIGNED[name] for name in ("room", "payload", "signature")}

LINKED: dict[str, Any] = {
    "peer_id": BOB,
    "username": "bob",
    "address": BOB_AT,
    "direction": "out",
    "rtt_ms": 1.62,
    "connected_s": 73.204,
    "state": "linked",
    "score": 3.0,
    "user_agent": "chatd/0.1.0",
    "rooms": ["lobby"],
}

LOST: dict[str, Any] = {
    **LINKED,
    "peer_id": CID,
    "username": "cid",
    "address": CID_AT,
    "state": "lost",
    "reason": "the peer says: the node is stopping",
    "lost_s": 12.5,
}

ROOM: dict[str, Any] = {
    "room": "lobby",
    "joined": True,
    "room_id": LOBBY_ID,
    "peers": 1,
    "members": [{"peer_id": BOB, "username": "bob", "last_seen_s": 4.1}],
}

IDENTITY: dict[str, Any] = {"peer_id": ANN, "public_key": ANN_KEY, "username": "ann"}
