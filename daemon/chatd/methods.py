"""The handlers of the api table: parameters in, plain JSON values out, LocalError for what cannot be."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chatcore import __version__, api
from chatcore.api import openrpc
from chatcore.errors import BackupFailed, BadAddress, NotInRoom, OwnAddress, UnknownMessage
from chatcore.events import (
    BlockPeer,
    CatchUpDone,
    Connect,
    ConnectReply,
    EndLink,
    EndReply,
    ImportMessages,
    ImportReply,
    JoinRoom,
    LeaveRoom,
    NamePeer,
    PersonReply,
    Rename,
    RenameReply,
    RoomRecord,
    RoomReply,
    SendText,
    SentReply,
)
from chatcore.ids import DIGEST_BYTES, MessageId, PeerId, RoomId
from chatcore.names import normal_address, room_id, room_name
from chatcore.node import Node
from chatcore.own import OwnMessage
from chatd import importing, ownaddress, people, reading, views
from chatd.backup import Backups
from chatd.doctor.examination import Doctor
from chatd.driver import Driver
from chatd.links import Links
from chatd.pinning import Pinning
from chatd.roomnames import RoomNames
from chatd.store import Store

_HEX = re.compile("[0-9A-Fa-f]+")


class Methods:
    """One public coroutine per method of `api.METHODS`, dots as underscores."""

    def __init__(
        self,
        driver: Driver,
        store: Store,
        *,
        listen: str,
        stop: Callable[[], None],
        backups: Backups | None = None,
        mdns: Callable[[], api.MdnsState] | None = None,
        doctor: Doctor,
    ) -> None:
        self._doctor = doctor
        self._backups = backups
        self._mdns = mdns
        self._driver = driver
        self._store = store
        self._listen = listen
        self._stop = stop
        self._names = RoomNames(store)
        self._pinning = Pinning(driver, store, self.name_of)
        self._started = driver.now().mono

    @property
    def _node(self) -> Node:
        return self._driver.node

    @property
    def _links(self) -> Links:
        return self._driver.links

    def handler(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        found: Callable[[Any], Awaitable[Any]] = getattr(self, name.replace(".", "_"))
        return found

    async def node_status(self, _: api.NoParams) -> api.Status:
        now = self._driver.now()
        return {
            "version": __version__,
            "api_version": api.API_VERSION,
            "peer_id": str(self._node.identity.peer_id),
            "username": self._node.username,
            "network": self._node.config.network,
            "listen": self._listen,
            "peers": len(self._node.links),
            "rooms": sorted(room.name for room in self._node.rooms.values()),
            "uptime_s": round(now.mono - self._started, 3),
            "dialling": views.dialling(self._node, now),
            "heard_of": self._node.heard_of,
            "store": {
                "used_bytes": self._store.used_bytes(),
                "damaged": self._store.damaged,
                "quarantined": [str(path) for path in self._store.quarantined],
                "restored": self._node.waits_to_catch_up,
            },
            "mdns": views.NO_MDNS if self._mdns is None else self._mdns(),
            "history": views.histories(self._node, now),
        }

    async def node_stats(self, _: api.NoParams) -> api.Stats:
        counters = self._node.counters
        return {
            "messages_sent": counters.sent,
            "messages_received": counters.received,
            "messages_duplicate": counters.duplicate,
            "messages_forwarded": counters.forwarded,
            "messages_dropped": self._links.dropped,
            "messages_degraded": self._links.degraded,
            "copies_per_message": _ratio(
                counters.received + counters.duplicate - counters.returned, counters.received
            ),
            "grafts": counters.grafts,
            "prunes": counters.prunes,
            "missing_then_fetched": counters.fetched,
            "broken_promises": counters.promises_broken,
            "repairs": counters.repairs,
            "repairs_failed": counters.repairs_failed,
            "repaired": counters.repaired,
            "rooms": {
                room.name: {
                    "eager_links": round(len(room.active) - self._node.lazy_links(room.id), 1),
                    "lazy_links": round(self._node.lazy_links(room.id), 1),
                    "spare_links": len(room.linked) - len(room.active),
                }
                for room in self._node.rooms.values()
            },
            "refused": dict(sorted(counters.refused.items())),
            "bytes_in": self._links.bytes_in,
            "bytes_out": self._links.bytes_out,
        }

    async def node_doctor(self, _: api.NoParams) -> api.Diagnosis:
        return await self._doctor.examine()

    async def node_stop(self, _: api.NoParams) -> api.Done:
        self._stop()
        return {"ok": True}

    async def node_rename(self, params: api.RenameParams) -> api.NameChange:
        reply = await self._driver.request(lambda request: Rename(request, params.username))
        assert isinstance(reply, RenameReply)
        return {"username": reply.username, "changed": reply.changed}

    async def node_backup(self, params: api.BackupParams) -> api.Backup:
        if self._backups is None:
            raise BackupFailed("this node has nothing to back up", "")
        try:
            return await self._backups.make(params)
        finally:
            self._store.reap_readers()

    async def node_caught_up(self, _: api.NoParams) -> api.Done:
        self._driver.post(CatchUpDone())
        return {"ok": True}

    async def identity_show(self, _: api.NoParams) -> api.IdentityInfo:
        return views.identity(self._node)

    async def peer_list(self, params: api.PeerListParams) -> list[api.Peer]:
        now = self._driver.now()
        return views.peers(self._node, now) + (views.losses(self._node, now) if params.all else [])

    async def peer_connect(self, params: api.ConnectParams) -> api.Connecting:
        if await asyncio.to_thread(ownaddress.is_own, normal_address(params.address), self._links.listening):
            raise OwnAddress(params.address)
        reply = await self._driver.request(lambda request: Connect(request, params.address))
        assert isinstance(reply, ConnectReply)
        return {"address": reply.address, "state": "linked" if reply.linked else "dialling"}

    async def peer_disconnect(self, params: api.DisconnectParams) -> api.Disconnected:
        try:
            peer_id, address = None, normal_address(params.peer)
        except BadAddress:
            peer_id, address = (await self._find_peer(params.peer))[0], None
        reply = await self._driver.request(lambda request: EndLink(request, peer_id, address, params.peer))
        assert isinstance(reply, EndReply)
        return {"linked": reply.linked, "addresses": list(reply.addresses)}

    async def peer_block(self, params: api.PeerParams) -> api.AcquaintanceChange:
        return await self._block(params.peer, blocked=True)

    async def peer_unblock(self, params: api.PeerParams) -> api.AcquaintanceChange:
        return await self._block(params.peer, blocked=False)

    async def _block(self, text: str, *, blocked: bool) -> api.AcquaintanceChange:
        peer_id, name = await self._find_peer(text)
        reply = await self._driver.request(lambda request: BlockPeer(request, peer_id, name, blocked))
        return _acquaintance_change(reply)

    async def peer_blocked(self, _: api.NoParams) -> list[api.Acquaintance]:
        return views.acquaintances(person for person in self._node.people.all() if person.blocked)

    async def peer_discouraged(self, _: api.NoParams) -> list[api.DiscouragedPeer]:
        return views.discouraged(self._node, self._driver.now())

    async def peer_alias(self, params: api.AliasParams) -> api.AcquaintanceChange:
        peer_id, name = await self._find_peer(params.peer)
        reply = await self._driver.request(
            lambda request: NamePeer(request, peer_id, name, params.alias or "")
        )
        return _acquaintance_change(reply)

    async def peer_aliases(self, _: api.NoParams) -> list[api.Acquaintance]:
        return views.acquaintances(person for person in self._node.people.all() if person.alias)

    async def _find_peer(self, text: str) -> tuple[PeerId, str]:
        """Raises UnknownPeer, AmbiguousPeer, OwnPeer."""
        authors = await asyncio.to_thread(reading.authors, self._store, list(self._known_rooms()))
        return people.find(self._node, text, self._driver.now().mono, authors)

    async def room_list(self, params: api.RoomListParams) -> list[api.Room]:
        rooms = views.rooms(self._node, self._driver.now())
        if params.left:
            names = self._known_rooms().items()
            rooms += [views.left_room(room, name) for room, name in names if room not in self._node.rooms]
        return rooms

    async def room_join(self, params: api.RoomParams) -> api.RoomChange:
        reply = await self._driver.request(lambda request: JoinRoom(request, params.room))
        return _room_change(reply)

    async def room_leave(self, params: api.RoomParams) -> api.RoomChange:
        reply = await self._driver.request(lambda request: LeaveRoom(request, params.room))
        return _room_change(reply)

    async def room_members(self, params: api.MembersParams) -> list[api.Present]:
        name = room_name(params.room)
        room = self._node.rooms.get(room_id(self._node.config.network, name))
        if room is None:
            raise NotInRoom(name)
        return views.members(self._node, room, self._driver.now(), former=params.former)

    async def message_send(self, params: api.SendParams) -> api.Sent:
        reply = await self._driver.request(
            lambda request: SendText(request, params.room, params.text, params.client_id)
        )
        assert isinstance(reply, SentReply)
        return {"id": str(reply.own.id), "room": reply.room, "state": str(reply.own.state)}

    async def message_status(self, params: api.MessageParams) -> api.MessageStatus:
        found = self._store.own.starting_with(_id_prefix(params.id))
        own = self._node.own_message(found[0].id) if len(found) == 1 else None
        name = None if own is None else self.name_of(own.room)
        if own is None or name is None:
            raise UnknownMessage(params.id)
        return views.own_message(own, name)

    async def message_history(self, params: api.HistoryParams) -> list[api.Message]:
        room, name = self._known_room(params.room)
        found = await asyncio.to_thread(reading.history, self._store, self._node.people, room, name, params)
        return found if params.signed else await self._with_states(found)

    async def _with_states(self, messages: list[api.Message]) -> list[api.Message]:
        """Of our own, where it is kept. What the node knows is newer than what is on the disk."""
        kept = await asyncio.to_thread(
            reading.states, self._store, str(self._node.identity.peer_id), messages
        )
        return [self._with_state(message, kept) for message in messages]

    def _with_state(self, message: api.Message, kept: Mapping[str, OwnMessage]) -> api.Message:
        own = self._node.own_followed(MessageId(bytes.fromhex(message["id"]))) or kept.get(message["id"])
        return message if own is None else {**message, "state": str(own.state)}

    async def message_search(self, params: api.SearchParams) -> api.SearchPage:
        names = self._known_rooms() if params.room is None else dict([self._known_room(params.room)])
        return await asyncio.to_thread(reading.search, self._store, self._node.people, names, params)

    async def message_import(self, params: api.ImportParams) -> api.Imported:
        network, wall_ms = self._node.config.network, self._driver.now().wall_ms
        floor = self._store.floor
        checked = await asyncio.to_thread(importing.check, params.messages, network, wall_ms, floor)
        admitted = checked.admit_rooms(self._known_rooms())
        records = [RoomRecord(room, name, joined=False) for room, name in admitted.items()]
        reply = await self._driver.request(
            lambda request: ImportMessages(request, tuple(checked.envelopes.values()), tuple(records))
        )
        assert isinstance(reply, ImportReply)
        return checked.outcome(reply.stored)

    async def message_pin(self, params: api.MessageParams) -> api.PinChange:
        return await self._pinning.pin(params.id)

    async def message_unpin(self, params: api.MessageParams) -> api.PinChange:
        return await self._pinning.unpin(params.id)

    async def message_pins(self, params: api.PinsParams) -> list[api.Message]:
        room, name = self._known_room(params.room)
        found = await asyncio.to_thread(reading.pins, self._store, self._node.people, room, name, params)
        return await self._with_states(found)

    def _known_room(self, text: str) -> tuple[RoomId, str]:
        """Raises BadName or NotInRoom."""
        name = room_name(text)
        room = room_id(self._node.config.network, name)
        if self.name_of(room) is None:
            raise NotInRoom(name)
        return room, name

    def _known_rooms(self) -> dict[RoomId, str]:
        """Those this node is in, or has been in."""
        return self._names.all(self._node)

    async def rpc_discover(self, _: api.NoParams) -> dict[str, Any]:
        return openrpc.document()

    async def events_subscribe(self, _: api.SubscribeParams) -> api.Subscribed:
        raise api.NeedsWebSocket

    def snapshot(self, seq: int) -> api.Subscribed:
        """`seq` is that of the last message the feed has told."""
        now = self._driver.now()
        return {
            "seq": seq,
            "identity": views.identity(self._node),
            "rooms": views.rooms(self._node, now),
            "peers": views.peers(self._node, now),
        }

    def hello(self) -> api.Hello:
        return {
            "version": __version__,
            "api_version": api.API_VERSION,
            "peer_id": str(self._node.identity.peer_id),
            "network": self._node.config.network,
            "username": self._node.username,
        }

    def name_of(self, room: RoomId) -> str | None:
        """The name of a room this node is in, or has been in."""
        return self._names.find(self._node, room)


def _id_prefix(text: str) -> str:
    """Raises UnknownMessage."""
    if not api.MIN_ID_CHARS <= len(text) <= 2 * DIGEST_BYTES or not _HEX.fullmatch(text):
        raise UnknownMessage(text)
    return text.lower()


def _ratio(copies: int, messages: int) -> float | None:
    return round(copies / messages, 3) if messages else None


def _acquaintance_change(reply: object) -> api.AcquaintanceChange:
    assert isinstance(reply, PersonReply)
    return {**views.acquaintance(reply.person), "changed": reply.changed}


def _room_change(reply: object) -> api.RoomChange:
    assert isinstance(reply, RoomReply)
    return {"room": reply.room, "changed": reply.changed}
