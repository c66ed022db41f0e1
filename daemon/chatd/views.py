"""What the local API shows of the node, as plain JSON values. Pure: node and time in, dictionaries out."""

from datetime import UTC, datetime
from functools import lru_cache

from chatcore import api
from chatcore.clock import Now, wall_ms_of
from chatcore.envelopes import Chat, Envelope
from chatcore.events import MemberChanged, MessageAdded, News, PeerChanged, Renamed, RoomChanged, StateChanged
from chatcore.identity import peer_id_of
from chatcore.ids import RoomId
from chatcore.links import Link
from chatcore.node import Node
from chatcore.own import OwnMessage
from chatcore.presence import Former, Member
from chatcore.room import Room

NO_MDNS: api.MdnsState = {"state": "off", "reason": None, "found": 0}

_LAST_MOMENT_MS = 253_402_300_799_999


def message(seq: int, envelope: Envelope, room: str) -> api.Message:
    assert isinstance(envelope.body, Chat), "only chat messages are shown"
    time_ms = wall_ms_of(envelope.stamp)
    return {
        "seq": seq,
        "id": str(envelope.id),
        "room": room,
        "author": _peer_text(envelope.author),
        "username": envelope.username,
        "text": envelope.body.text,
        "time_ms": time_ms,
        "time": rfc3339(time_ms),
    }


def own_message(own: OwnMessage, room: str) -> api.MessageStatus:
    return {
        "id": str(own.id),
        "room": room,
        "state": str(own.state),
        "confirmed": own.confirmed,
        "confirmed_by": [str(peer) for peer in own.confirmed_by[: api.MAX_CONFIRMED_BY]],
        "reason": own.reason or None,
    }


@lru_cache(maxsize=4096)
def _peer_text(public_key: bytes) -> str:
    return str(peer_id_of(public_key))


def rfc3339(time_ms: int) -> str:
    """UTC with milliseconds; a stamp past the year 9999 shows as its last moment."""
    seconds, milliseconds = divmod(min(time_ms, _LAST_MOMENT_MS), 1000)
    return f"{_whole_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1024)
def _whole_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def identity(node: Node) -> api.IdentityInfo:
    return {
        "peer_id": str(node.identity.peer_id),
        "public_key": node.identity.public_key.hex(),
        "username": node.username,
    }


def peer(link: Link, node: Node, now: Now) -> api.Peer:
    shared = sorted(room.name for room in node.rooms.values() if room.id in link.rooms)
    return {
        "peer_id": str(link.peer_id),
        "username": link.username,
        "address": link.dialled or link.address,
        "direction": "out" if link.outbound else "in",
        "rtt_ms": None if link.rtt_s is None else round(link.rtt_s * 1000, 3),
        "connected_s": round(now.mono - link.since, 3),
        "state": "linked",
        "user_agent": link.user_agent,
        "rooms": shared,
    }


def peers(node: Node, now: Now) -> list[api.Peer]:
    return [peer(link, node, now) for link in sorted(node.links, key=lambda link: link.since)]


def rooms(node: Node, now: Now) -> list[api.Room]:
    return [room(item, now) for item in sorted(node.rooms.values(), key=lambda item: item.name)]


def room(item: Room, now: Now) -> api.Room:
    return {
        "room": item.name,
        "joined": True,
        "room_id": str(item.id),
        "peers": len(item.linked),
        "members": [
            {
                "peer_id": str(member.peer_id),
                "username": member.username,
                "last_seen_s": round(now.mono - member.heard, 3),
            }
            for member in sorted(item.members, key=lambda member: (member.username, member.peer_id))
        ],
    }


def members(node: Node, room: Room, now: Now, *, former: bool) -> list[api.Present]:
    """Us first, then who is here by name, then who went, the latest first."""
    us: api.Present = {
        "peer_id": str(node.identity.peer_id),
        "username": node.username,
        "state": "here",
        "last_seen_s": 0.0,
        "you": True,
    }
    here = sorted(room.members, key=lambda member: (member.username, member.peer_id))
    gone = sorted(room.former_members(now), key=lambda former: -former.heard) if former else []
    return [
        us,
        *[_present(member, "here", now) for member in here],
        *[_present(member, str(member.how), now) for member in gone],
    ]


def _present(member: Member | Former, state: str, now: Now) -> api.Present:
    return {
        "peer_id": str(member.peer_id),
        "username": member.username,
        "state": state,
        "last_seen_s": round(now.mono - member.heard, 3),
        "you": False,
    }


def left_room(room_id: RoomId, name: str) -> api.Room:
    return {"room": name, "joined": False, "room_id": str(room_id), "peers": 0, "members": []}


def dialling(node: Node, now: Now) -> list[api.Dialling]:
    return [
        {
            "address": entry.address,
            "reason": entry.reason,
            "next_try_s": None if entry.dialling else round(max(0.0, entry.next_try - now.mono), 3),
            "failures": entry.failures,
        }
        for entry in node.unreached()
    ]


def event(news: News, seq: int) -> api.Event:
    """`seq` is that of the last message stored."""
    match news:
        case MessageAdded(name, stored, own):
            data = dict(message(stored.seq, stored.envelope, name))
            if own is not None:
                data["state"] = str(own.state)
            return {"seq": stored.seq, "topic": "message", "data": data}
        case StateChanged(name, own):
            told: dict[str, object] = {**own_message(own, name)}
            del told["confirmed_by"]
            return {"seq": seq, "topic": "state", "data": told}
        case PeerChanged():
            return {
                "seq": seq,
                "topic": "peer",
                "data": {
                    "peer_id": str(news.peer_id),
                    "username": news.username,
                    "address": news.address,
                    "direction": "out" if news.outbound else "in",
                    "state": "up" if news.up else "down",
                    "reason": news.reason,
                },
            }
        case MemberChanged():
            moved = {
                "room": news.room,
                "peer_id": str(news.peer_id),
                "username": news.username,
                "state": str(news.movement),
            }
            was = {"was": news.was} if news.was else {}
            return {"seq": seq, "topic": "presence", "data": {**moved, **was}}
        case Renamed(username):
            return {"seq": seq, "topic": "identity", "data": {"state": "renamed", "username": username}}
        case RoomChanged():
            state = "joined" if news.joined else "left"
            return {"seq": seq, "topic": "room", "data": {"room": news.room, "state": state}}
