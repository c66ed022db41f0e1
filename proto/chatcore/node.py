"""The router: every input of this node comes in here, and every output leaves here.

Hands results from one machine to the next in plain sight. The index, the random source and the time are
passed in, so one seed replays a whole network.
"""

from collections.abc import Iterable
from typing import assert_never

from chatcore.addressbook import AddressBook
from chatcore.addressentry import Address
from chatcore.catchup import CatchUp
from chatcore.clock import HybridClock, Now
from chatcore.conduct import Conduct
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.dialler import Dialler
from chatcore.discouraged import Discouraged, DiscouragedList
from chatcore.errors import (
    BadSignature,
    ClosedByPeer,
    ForgedRecord,
    LocalError,
    Malformed,
    RemoteError,
    Stopping,
)
from chatcore.events import (
    AddressesDue,
    AddressesNotSaved,
    BlockPeer,
    CatchUpDone,
    CatchUpDue,
    CommitFailed,
    Committed,
    Connect,
    DialDue,
    DialFailed,
    Discovered,
    EndLink,
    FeelerDue,
    GraftDue,
    HandOverDue,
    IhaveDue,
    ImportMessages,
    Input,
    JoinRoom,
    LeaveRoom,
    LinkDown,
    LinkUp,
    LookedUp,
    NamePeer,
    Notice,
    Output,
    PingDue,
    PinMessage,
    PresenceDue,
    ReadingPaused,
    ReceiptDue,
    Received,
    Rejected,
    Rename,
    Renamed,
    RenameReply,
    RepairDue,
    Replied,
    Request,
    RoomRecord,
    RumourDue,
    SendText,
    ServeDue,
    ShuffleDue,
    Started,
    StatesDue,
    Stop,
    StrangerRefused,
    TimerFired,
    Verified,
    WritingPaused,
)
from chatcore.eviction import Eviction
from chatcore.exchange import Exchange
from chatcore.feelers import Feelers
from chatcore.gossip import Gossip
from chatcore.handover import HandOver
from chatcore.identity import Identity
from chatcore.ids import LinkId, MessageId, PeerId, RoomId
from chatcore.index import Index, NoOwnLog, OwnLog
from chatcore.lifecycle import Lifecycle
from chatcore.links import Link, Links
from chatcore.messages import (
    Compare,
    Compared,
    Disconnect,
    FetchIds,
    FetchRange,
    Goodbye,
    Graft,
    History,
    Ihave,
    LinkMessage,
    Neighbor,
    NeighborReply,
    Prune,
    Publish,
    Receipt,
    Refused,
    Resume,
    RoomRequest,
    RoomResponse,
    Rooms,
    Roster,
    RosterRequest,
    Shuffle,
    ShuffleReply,
)
from chatcore.names import LOBBY, room_id
from chatcore.nickname import Nickname
from chatcore.outbox import Outbox
from chatcore.own import OwnMessage
from chatcore.peers import Drop, Peers
from chatcore.people import People, Person
from chatcore.records import KnownAddress
from chatcore.repair import Repair
from chatcore.requests import Requests
from chatcore.rng import Rng
from chatcore.room import Room
from chatcore.search import Search
from chatcore.shunned import Shunned
from chatcore.swarms import Swarms
from chatcore.vetting import Vetting
from chatcore.waking import Waking
from chatcore.whereabouts import Whereabouts

BUCKETS_CONTEXT = b"chatd address buckets 1\0"
EVICTION_CONTEXT = b"chatd eviction 1\0"
"""What these sign nobody else can know, and it is the same after a restart."""


class Node:
    """Raises nothing for what peers or clients do: a peer's fault closes its link, a client's is Rejected."""

    def __init__(
        self,
        identity: Identity,
        config: NodeConfig,
        *,
        index: Index,
        rng: Rng,
        now: Now,
        clock: HybridClock | None = None,
        rooms: Iterable[RoomRecord] = (),
        restored: bool = False,
        own: OwnLog | None = None,
        people: Iterable[Person] = (),
        discouraged: Iterable[Discouraged] = (),
        addresses: Iterable[KnownAddress] = (),
    ) -> None:
        self.identity = identity
        self.config = config
        self.counters = Counters()
        self.links = Links(config.link, identity.peer_id, rng)
        self.rooms: dict[RoomId, Room] = {}
        self.people = People(people)
        self.discouraged = DiscouragedList(discouraged, now)
        self._shunned = Shunned(self.people, self.discouraged)
        book = AddressBook(config.link, rng, identity.sign(BUCKETS_CONTEXT, b""))
        book.load(addresses)
        self._dialler = Dialler(config, self.links, book, self.counters, rng, shunned=self._shunned)
        self._feelers = Feelers(config.link, self.links, book, rng, shunned=self._shunned)
        vetting = Vetting(identity.peer_id, self.links, book, self.counters, shunned=self._shunned)
        self._peers = Peers(
            config.link,
            links=self.links,
            dialler=self._dialler,
            vetting=vetting,
            whereabouts=Whereabouts(identity, config),
            shunned=self._shunned,
            counters=self.counters,
            exchange=Exchange(
                links=self.links,
                dialler=self._dialler,
                vetting=vetting,
                shunned=self._shunned,
                counters=self.counters,
                rng=rng,
            ),
        )
        self.conduct = Conduct(self.links, self.counters, self.discouraged, self._shunned)
        self._nickname = Nickname(config.username, now.mono)
        clock = clock or HybridClock()
        self._gossip = Gossip(
            config.gossip,
            own_key=identity.public_key,
            rooms=self.rooms,
            links=self.links,
            clock=clock,
            index=index,
            counters=self.counters,
            mono=now.mono,
        )
        self._outbox = Outbox(own or NoOwnLog())
        self._hand_over = HandOver(self.rooms, self._gossip, self._outbox, rng)
        self._swarms = Swarms(
            identity,
            config,
            nickname=self._nickname,
            rooms=self.rooms,
            gossip=self._gossip,
            hand_over=self._hand_over,
            links=self.links,
            clock=clock,
            vetting=vetting,
            counters=self.counters,
            rng=rng,
        )
        self._search = Search(
            config.gossip.fanout,
            rooms=self.rooms,
            links=self.links,
            vetting=vetting,
            counters=self.counters,
            rng=rng,
        )
        self._catch_up = CatchUp(restored=restored)
        self._repair = Repair(
            config.gossip,
            rooms=self.rooms,
            gossip=self._gossip,
            links=self.links,
            catch_up=self._catch_up,
            index=index,
            counters=self.counters,
            rng=rng,
        )
        self._requests = Requests(
            config.network,
            nickname=self._nickname,
            rooms=self.rooms,
            swarms=self._swarms,
            gossip=self._gossip,
            outbox=self._outbox,
            people=self.people,
            discouraged=self.discouraged,
            shunned=self._shunned,
            counters=self.counters,
            now=now,
        )
        self._lifecycle = Lifecycle(
            self.links,
            rooms=self.rooms,
            peers=self._peers,
            dialler=self._dialler,
            gossip=self._gossip,
            swarms=self._swarms,
            search=self._search,
            repair=self._repair,
            requests=self._requests,
            conduct=self.conduct,
            shunned=self._shunned,
            eviction=Eviction(identity.sign(EVICTION_CONTEXT, b"")),
        )
        self.waking = Waking(config.link, now)
        known = {record.room: record for record in rooms}
        lobby = RoomRecord(room_id(config.network, LOBBY), LOBBY, joined=True)
        self._first_lobby = None if lobby.room in known else lobby
        for record in {lobby.room: lobby, **known}.values():
            if record.joined:
                self._swarms.enter(record, now)

    @property
    def room_ids(self) -> frozenset[RoomId]:
        """What hello tells a new peer."""
        return self._swarms.ids

    @property
    def username(self) -> str:
        """What we are called now; the configured name at the start."""
        return self._nickname.text

    @property
    def waits_to_catch_up(self) -> bool:
        """Restored from a backup, and silent until it has heard what it said since."""
        return self._catch_up.waiting

    def lazy_links(self, room: RoomId) -> float:
        return self._gossip.lazy_links(room)

    def history_of(self, room: RoomId, now: Now) -> tuple[bool, int]:
        """Whether what linked members have of a room is here, and how much is known to be still to come."""
        outstanding = self._repair.outstanding(room)
        return self._repair.is_whole(room, now) and not outstanding, outstanding

    def own_message(self, message_id: MessageId) -> OwnMessage | None:
        """What is known of a message of our own; None when it is not one, or too old."""
        return self._outbox.find(message_id)

    def own_followed(self, message_id: MessageId) -> OwnMessage | None:
        """The same without a look at the disk: of what is not delivered, and of what was lately."""
        return self._outbox.followed(message_id)

    @property
    def drops(self) -> Iterable[Drop]:
        """Links lost lately, and why; the last comes last."""
        return self._peers.drops

    def is_own(self, address: str) -> bool:
        """Whether dialling it led back here."""
        return self._dialler.is_own(address)

    @property
    def asked_for(self) -> int:
        """How many addresses the operator gave."""
        return self._dialler.asked_for

    @property
    def heard_of(self) -> int:
        """How many others it may dial: learned from peers, found nearby, or met before."""
        return self._dialler.heard_of

    def unreached(self) -> list[Address]:
        return self._dialler.unreached()

    def refusal(self, peer_id: PeerId | None, now: Now) -> RemoteError | None:
        """Why this peer is neither dialled nor let in; None where nothing is against it."""
        return None if peer_id is None else self._shunned.refusal(peer_id, now.mono)

    def handle(self, event: Input, now: Now) -> list[Output]:
        outputs = self._handle_woken(event, now) if self.waking.handle_input(now) else []
        outputs += self._route(event, now)
        if self.counters.blamed or self.conduct.leaving:
            outputs += self._lifecycle.judge(now)
        if self._shunned.unsettled:
            outputs += self._lifecycle.drop_shunned(now)
        if self._swarms.unsettled and not self._lifecycle.stopping:
            outputs += self._mend(now)
        if self._swarms.parted:
            parted, self._swarms.parted = self._swarms.parted, []
            outputs += self._repair.handle_parted(parted, now)
        if self._swarms.met:
            met, self._swarms.met = self._swarms.met, []
            outputs += self._repair.handle_met(met, now)
        if self._repair.shared or self._repair.served:
            outputs += self._note_spread(now)
        if self._catch_up.noted:
            outputs += self._catch_up.handle_noted(self._lifecycle.linked_rooms(), now)
        if self._outbox.changed:
            outputs += self._requests.save_states(now, at_once=self._lifecycle.stopping)
        return outputs

    def _mend(self, now: Now) -> list[Output]:
        rooms = self._swarms.take_unsettled()
        mended, wanted = self._swarms.mend(rooms, now)
        sought = self._dialler.seek(wanted, now, others=len(rooms) < len(self.rooms))
        return [*mended, *sought, *self._search.ask(rooms, now)]

    def _route(self, event: Input, now: Now) -> list[Output]:
        match event:
            case Received():
                return self._handle_received(event, now)
            case Verified() | LookedUp() | Committed() | CommitFailed() | AddressesNotSaved():
                return self._handle_done(event, now)
            case TimerFired():
                return self._handle_timer(event, now)
            case (
                SendText()
                | JoinRoom()
                | LeaveRoom()
                | ImportMessages()
                | PinMessage()
                | Connect()
                | BlockPeer()
                | NamePeer()
                | EndLink()
                | Rename()
            ):
                return self._handle_request(event, now)
            case LinkUp():
                return self._lifecycle.handle_link_up(event, now)
            case LinkDown():
                return self._lifecycle.follow(self._peers.handle_link_down(event, now), now)
            case DialFailed():
                return self._lifecycle.handle_dial_failed(event, now)
            case ReadingPaused():
                return self._lifecycle.handle_paused(event, now)
            case WritingPaused():
                return self._lifecycle.handle_writing(event, now)
            case StrangerRefused():
                return self._peers.handle_stranger_refused(event, now)
            case Discovered():
                return self._dialler.handle_discovered(event, now)
            case Started():
                return self._handle_started(now)
            case CatchUpDone():
                return self._catch_up.done()
            case Stop():
                return self._handle_stop(now)
            case _:
                assert_never(event)

    def _handle_done(
        self, event: Verified | LookedUp | Committed | CommitFailed | AddressesNotSaved, now: Now
    ) -> list[Output]:
        """What has become of work that was handed out."""
        match event:
            case Verified():
                return self._handle_verified(event, now)
            case LookedUp():
                return [] if self._lifecycle.stopping else self._repair.handle_looked_up(event, now)
            case Committed(job, stored):
                news = self._requests.handle_committed(event, now)
                own = sum(item.envelope.author == self.identity.public_key for item in stored)
                return [*news, *self._repair.handle_committed(job, len(stored), now, own=own)]
            case CommitFailed(job):
                notices = self._requests.handle_commit_failed(event, now)
                return [*notices, *self._repair.handle_commit_failed(job, now)]
            case AddressesNotSaved(addresses):
                return self._dialler.handle_not_saved(addresses)
            case _:
                assert_never(event)

    # Life

    def _handle_started(self, now: Now) -> list[Output]:
        outputs = [
            *self._peers.handle_started(now),
            *self._dialler.handle_started(now),
            self._dialler.next_save(now),
            self._feelers.next_feeler(now),
            self._swarms.next_presence(now),
            self._swarms.next_shuffle(now),
            *self._repair.handle_started(now),
        ]
        if self._first_lobby is not None:
            outputs.append(self._requests.remember(self._first_lobby))
        if self.discouraged.stale:
            outputs.append(self._requests.discourage(self.discouraged.stale))
        return outputs

    def _handle_stop(self, now: Now) -> list[Output]:
        self._lifecycle.stopping = True
        self._outbox.handle_stop()
        self._dialler.handle_stop()
        saved = self._dialler.save()
        return [
            *saved,
            *self._swarms.handle_stop(now),
            *self._lifecycle.follow(self._peers.handle_stop(now), now),
        ]

    def _handle_woken(self, event: Input, now: Now) -> list[Output]:
        """After a sleep every link is to show that it is alive."""
        self.links.doubt(now.mono)
        self._dialler.handle_woken(now)
        self._swarms.handle_woken(now)
        pings = TimerFired(PingDue())
        return [] if event == pings else self._handle_timer(pings, now)

    def _handle_timer(self, event: TimerFired, now: Now) -> list[Output]:
        if self._lifecycle.stopping:
            return []
        match event.key:
            case PingDue():
                proving = self.conduct.handle_ping_due(now)
                return self._lifecycle.follow(self._peers.handle_ping_due(proving, now), now)
            case FeelerDue():
                return self._feelers.handle_due(now)
            case AddressesDue():
                return [*self._dialler.save(), self._dialler.next_save(now)]
            case DialDue():
                self._swarms.unsettle()  # some room may seek an address that can be dialled again
                return self._dialler.handle_dial_due(now)
            case IhaveDue():
                return self._gossip.handle_ihave_due()
            case GraftDue():
                asked = self._gossip.handle_graft_due(now)
                self.conduct.note_asked(asked, now)
                return asked
            case RumourDue():
                return self._gossip.handle_rumour_due(now)
            case ReceiptDue():
                return self._gossip.handle_receipt_due()
            case StatesDue():
                return self._requests.handle_states_due(now)
            case HandOverDue():
                return self._hand_over.handle_due(now)
            case PresenceDue():
                return self._swarms.handle_presence_due(now)
            case ShuffleDue():
                mixed = self._swarms.handle_shuffle_due(now)
                return [
                    *mixed,
                    *self._lifecycle.follow(self._peers.retire_spares(self._swarms.active, now), now),
                ]
            case RepairDue():
                return self._repair.handle_due(now)
            case ServeDue():
                return self._repair.handle_serve_due(now)
            case CatchUpDue():
                return self._catch_up.handle_due(self._lifecycle.linked_rooms(), now)
            case _:
                assert_never(event.key)

    def _handle_request(self, event: Request, now: Now) -> list[Output]:
        if self._lifecycle.stopping:
            return [Rejected(event.request, Stopping())]
        if isinstance(event, SendText) and self._catch_up.waiting:
            return [Rejected(event.request, self._catch_up.refusal(self._lifecycle.linked_rooms()))]
        if isinstance(event, Connect):
            return self._dialler.handle_connect(event, now)
        if isinstance(event, EndLink):
            return self._lifecycle.handle_end_link(event, now)
        if isinstance(event, Rename):
            return self._handle_rename(event, now)
        return self._requests.handle(event, now)

    def _handle_rename(self, event: Rename, now: Now) -> list[Output]:
        try:
            known = self._requests.people_to_be().values()
            changed = self._nickname.change(event.username, known, now.mono)
        except LocalError as error:
            return [Rejected(event.request, error)]
        reply = Replied(event.request, RenameReply(self.username, changed))
        if not changed:
            return [reply]
        return [reply, Renamed(self.username), *self._swarms.handle_renamed(now)]

    # Messages of others

    def _note_spread(self, now: Now) -> list[Output]:
        """Whom history repair has brought messages of our own, and who was found to have them."""
        shared, self._repair.shared = self._repair.shared, []
        served, self._repair.served = self._repair.served, []
        self._outbox.handle_shared(shared)
        return self._hand_over.handle_served(served, now)

    def _handle_received(self, event: Received, now: Now) -> list[Output]:
        link = self.links.get(event.link) or self.links.fading(event.link)
        if link is None:
            return []  # let go of meanwhile
        link.heard = now.mono
        publishes: list[Publish] = []
        outputs: list[Output] = []
        for message in event.messages:
            if type(message) is Publish:
                publishes.append(message)
            elif self.links.get(event.link) is link:  # not let go of by a message before
                try:
                    outputs += self._on_message(link, message, now)
                except (Malformed, ForgedRecord) as error:
                    outputs += self._lifecycle.drop(link, error, now)
        if publishes:
            self.conduct.on_publishes(link.link, publishes)
            try:
                outputs += self._gossip.on_publishes(link, publishes, now)
            except Malformed as error:
                outputs += self._lifecycle.drop(link, error, now)
        return outputs

    def _on_message(self, link: Link, message: LinkMessage, now: Now) -> list[Output]:
        match message:
            case Ihave() | Graft() | Prune() | Resume():
                if isinstance(message, Ihave):
                    self.conduct.on_ihave(link.link, message)
                outputs = self._gossip.on_message(link, message, now)
                self.conduct.note_asked(outputs, now)
                return outputs
            case Receipt(ids):
                self._outbox.handle_confirmed(ids, link.peer_id, link.rooms)
                return []
            case Refused():
                return self._requests.on_refused(link, message, now)
            case Neighbor() | NeighborReply() | Disconnect() | Shuffle() | ShuffleReply():
                return self._swarms.on_membership(link, message, now)
            case RoomRequest():
                return self._search.on_request(link, message, now)
            case RoomResponse():
                return self._on_room_response(link, message, now)
            case Compare() | Compared() | FetchIds() | FetchRange() | History():
                return self._repair.on_message(link, message, now)
            case RosterRequest():
                return self._swarms.on_roster_request(link, message, now)
            case Roster():
                return self._gossip.on_roster(link, message, now)
            case Rooms(rooms):
                return self._swarms.on_rooms(link, rooms, now)
            case Goodbye(reason):
                return self._lifecycle.drop(link, ClosedByPeer(reason), now, farewell=False)
            case _:
                return self._peers.on_message(link, message, now)

    def _on_room_response(self, link: Link, message: RoomResponse, now: Now) -> list[Output]:
        outputs, found = self._search.on_response(link, message, now)
        if found is not None:
            self._swarms.learn(found.room, found.members, link.group)
        return outputs

    def _handle_verified(self, event: Verified, now: Now) -> list[Output]:
        checked = self._gossip.handle_verified(event, now)
        self.conduct.handle_brought(checked.bringers, now)
        outputs = checked.outputs
        persist = self._requests.keep(checked.keep, history=checked.history) if checked.keep else None
        if persist is not None:
            outputs.append(persist)
        outputs += self._repair.handle_checked(event.job, None if persist is None else persist.job, now)
        if checked.forger is not None:
            outputs += self._handle_forgery(checked.forger, now)
        return outputs

    def _handle_forgery(self, source: LinkId, now: Now) -> list[Output]:
        """Honest nodes check before they hand on, so whoever handed us this is not one."""
        link = self.links.get(source)
        error = BadSignature()
        if link is None:
            self.counters.refused[error.kind] += 1
            return []
        return [Notice("forged_message", link.address, error), *self._lifecycle.drop(link, error, now)]
