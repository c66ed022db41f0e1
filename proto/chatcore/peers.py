"""Keeping links: welcoming, pinging, dropping.

Tells the dialler what became of its dials. Knows nothing of messages in rooms.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chatcore.addresses import Scope, host_at, host_bytes, nearness
from chatcore.clock import Now
from chatcore.config import LinkConfig
from chatcore.counters import Counters
from chatcore.dialler import Dialler
from chatcore.errors import ClosedByPeer, NetworkMismatch, NodeStopping, RemoteError
from chatcore.events import (
    CloseLink,
    LinkDown,
    LinkUp,
    Notice,
    Output,
    PeerChanged,
    PingDue,
    Priority,
    Send,
    SetTimer,
    StrangerRefused,
)
from chatcore.exchange import Exchange
from chatcore.ids import LinkId
from chatcore.links import MAX_OF_ONE_HOME, UNANSWERED_S, Link, Links
from chatcore.messages import (
    MAX_PEER_RECORDS,
    Goodbye,
    Introduction,
    LinkMessage,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
    Seen,
)
from chatcore.shunned import Shunned
from chatcore.vetting import Vetting
from chatcore.whereabouts import Whereabouts

MAX_SPARES = 4
SPARE_AFTER_S = 30.0

MAX_DROPS = 64
"""Links lost lately that are remembered, with the reason, for whoever asks."""


class LinkSilent(RemoteError):
    kind = "silent"
    fault = False

    def __init__(self, silent_s: float) -> None:
        super().__init__(f"nothing heard for {silent_s:.0f} s")


class LinkUnanswering(RemoteError):
    kind = "unanswering"
    fault = False

    def __init__(self) -> None:
        super().__init__(f"no ping answered for {UNANSWERED_S:.0f} s")


class LinkReplaced(RemoteError):
    kind = "replaced"
    fault = False

    def __init__(self) -> None:
        super().__init__("another link to the same peer took its place")


class LinkSpare(RemoteError):
    kind = "spare"
    fault = False

    def __init__(self) -> None:
        super().__init__("no room needs this link")


class NodeFull(RemoteError):
    kind = "full"

    def __init__(self, most: int) -> None:
        super().__init__(f"all {most} places for peers are taken")


class HomeFull(RemoteError):
    kind = "home_full"

    def __init__(self) -> None:
        super().__init__(
            f"there are {MAX_OF_ONE_HOME} links to that address already, the most to one IPv4 address or /64"
        )


class MadeWay(RemoteError):
    kind = "made_way"
    fault = False

    def __init__(self) -> None:
        super().__init__("it made way for another peer, as all places are taken")


@dataclass(frozen=True, slots=True)
class Drop:
    """A link that is no more."""

    link: Link
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What to do, and the links that are no more, which others have yet to hear of."""

    outputs: list[Output]
    gone: tuple[Link, ...] = ()


class Peers:
    def __init__(
        self,
        config: LinkConfig,
        *,
        links: Links,
        dialler: Dialler,
        vetting: Vetting,
        whereabouts: Whereabouts,
        shunned: Shunned,
        counters: Counters,
        exchange: Exchange,
    ) -> None:
        self._config = config
        self._links = links
        self._dialler = dialler
        self._vetting = vetting
        self._whereabouts = whereabouts
        self._shunned = shunned
        self.drops: deque[Drop] = deque(maxlen=MAX_DROPS)
        self._counters = counters
        self._exchange = exchange
        self._stopping = False

    def handle_started(self, now: Now) -> list[Output]:
        return [self._next_ping(now)]

    def handle_stop(self, now: Now) -> LinkChange:
        self._stopping = True
        return self._drop_all([(link, NodeStopping()) for link in self._links], now)

    # Links come

    def handle_link_up(self, event: LinkUp, now: Now) -> LinkChange:
        """The link is in the table afterwards, unless it was one too many."""
        if event.dialled is not None:
            self._dialler.handle_linked(event.dialled, event.peer_id, now)
        if self._stopping:
            return self._turn_away(event, NodeStopping(), now)
        refusal = self._shunned.refusal(event.peer_id, now.mono)
        if refusal is not None:
            self._counters.refused[refusal.kind] += 1
            notice = Notice("peer_refused", event.address, refusal)
            return LinkChange([notice, *self._turn_away(event, refusal, now).outputs])
        change = LinkChange([])
        old = self._links.to(event.peer_id)
        if old is not None:
            if not self._links.should_replace(old, event, now.mono):
                self._links.fade(self._links.make(event, now.mono))
                return self._turn_away(event, LinkReplaced(), now)
            change = self.drop(old, LinkReplaced(), now)
            self._links.fade(old)
        elif self._crowded(event):
            self._counters.refused[HomeFull.kind] += 1
            return self._turn_away(event, HomeFull(), now)
        elif self._links.full if event.dialled is not None else self._links.full_for_callers:
            return self._turn_away(event, NodeFull(self._config.max_peers), now)
        return LinkChange(
            [*change.outputs, *self._welcome(self._links.add(event, now.mono), now)], change.gone
        )

    def _crowded(self, event: LinkUp) -> bool:
        asked_for = event.dialled is not None and self._dialler.is_kept(event.dialled)
        return not asked_for and self._links.full_for_home_of(event.address)

    def needs_place(self, event: LinkUp, now: Now) -> bool:
        """Whether it would be turned away for no other reason than that all places are taken."""
        return (
            event.dialled is None
            and self._links.full_for_callers
            and not self._stopping
            and self._links.to(event.peer_id) is None
            and not self._crowded(event)
            and self._shunned.refusal(event.peer_id, now.mono) is None
        )

    def _welcome(self, link: Link, now: Now) -> list[Output]:
        outputs: list[Output] = [
            _changed(link, up=True, reason=""),
            Send((link.link,), self._links.ping(link, now), Priority.CONTROL),
        ]
        host = host_at(link.address)
        if host_bytes(host) is not None:
            outputs.append(Send((link.link,), Seen(host), Priority.CONTROL))
        self._whereabouts.handle_link_up(link)
        if self._whereabouts.update(now):
            outputs += self._introduce(self._links)
        else:
            outputs += self._introduce([link])
        if link.outbound:
            outputs.append(self._exchange.ask(link))
        return outputs

    def _introduce(self, links: Iterable[Link]) -> list[Output]:
        """Tell where we are, each as much as its own network goes."""
        scopes: dict[Scope, list[LinkId]] = {}
        for link in links:
            scopes.setdefault(link.scope, []).append(link.link)
        told = [(tuple(of), self._whereabouts.records_for(scope)) for scope, of in scopes.items()]
        return [Send(of, Introduction(records), Priority.CONTROL) for of, records in told if records]

    def _say_anew(self, now: Now) -> list[Output]:
        return self._introduce(self._links) if self._whereabouts.update(now) else []

    def _turn_away(self, event: LinkUp, error: RemoteError, now: Now) -> LinkChange:
        """With other addresses to try, where the other side came to get into the network."""
        outputs: list[Output] = [_farewell(event.link, error), CloseLink(event.link, error)]
        if event.dialled is not None:
            self._dialler.handle_turned_away(event.dialled, error, now)
        elif isinstance(error, NodeFull):
            scope = nearness(host_at(event.address))
            others = self._exchange.others(event.peer_id, scope, MAX_PEER_RECORDS, now)
            outputs.insert(0, Send((event.link,), others, Priority.CONTROL))
        return LinkChange(outputs)

    # Links go

    def handle_link_down(self, event: LinkDown, now: Now) -> LinkChange:
        self._links.forget(event.link)
        link = self._links.remove(event.link)
        if link is None:  # we let go of it ourselves
            return LinkChange(self._dialler.handle_dial_due(now))
        self._counters.refuse(event.error, link.link)
        lost = self._lost(link, event.error, now)
        return LinkChange([lost, *self._dialler.handle_dial_due(now)], (link,))

    def drop(self, link: Link, error: RemoteError, now: Now, *, farewell: bool = True) -> LinkChange:
        """Let go of a link, with a word to the other side."""
        if self._links.remove(link.link) is None:
            return LinkChange([])
        self._counters.refuse(error, link.link)
        outputs: list[Output] = [_farewell(link.link, error)] if farewell else []
        return LinkChange([*outputs, CloseLink(link.link, error), self._lost(link, error, now)], (link,))

    def _drop_all(self, losses: Collection[tuple[Link, RemoteError]], now: Now) -> LinkChange:
        outputs = [output for link, error in losses for output in self.drop(link, error, now).outputs]
        return LinkChange(outputs, tuple(link for link, _ in losses))

    def _lost(self, link: Link, error: RemoteError, now: Now) -> PeerChanged:
        self._whereabouts.handle_link_gone(link.link)
        self._vetting.handle_link_gone(link.link)
        wordless = isinstance(error, LinkSilent) or (isinstance(error, ClosedByPeer) and not error.reason)
        self._dialler.handle_lost(link, error, now, wordless=wordless)
        self.drops.append(Drop(link, str(error), now.mono))
        return _changed(link, up=False, reason=str(error))

    def handle_stranger_refused(self, event: StrangerRefused, now: Now) -> list[Output]:
        self._counters.refused[event.error.kind] += 1
        if isinstance(event.error, NetworkMismatch):
            self._counters.note(NetworkMismatch.kind, now.mono)
        return [Notice("stranger_refused", event.address, event.error)]

    def retire_spares(self, active: Collection[LinkId], now: Now) -> LinkChange:
        """Close links we dialled that no room uses, but for a few that are warm when a neighbour is lost.

        What the operator asked for by address stays.
        """
        spares = [
            link
            for link in self._links
            if link.link not in active
            and link.dialled is not None
            and not self._dialler.is_kept(link.dialled)
            and now.mono - link.since > SPARE_AFTER_S
        ]
        retired = spares[: max(0, len(spares) - MAX_SPARES)]  # the table is in order of age
        return self._drop_all([(link, LinkSpare()) for link in retired], now)

    def handle_ping_due(self, proving: Collection[Link], now: Now) -> LinkChange:
        """`proving` are links that somebody wants an answer of, quiet or not."""
        silent = self._links.silent(now.mono)
        lost: list[tuple[Link, RemoteError]] = [(link, LinkSilent(now.mono - link.heard)) for link in silent]
        deaf = [link for link in self._links.unanswering(now.mono) if link not in silent]
        change = self._drop_all([*lost, *[(link, LinkUnanswering()) for link in deaf]], now)
        due = {link.link for link in (*self._links.to_ping(now.mono), *proving)}
        pings: list[Output] = [
            Send((link.link,), self._links.ping(link, now), Priority.CONTROL)
            for link in self._links
            if link.link in due
        ]
        outputs = [self._next_ping(now), *change.outputs, *pings, *self._say_anew(now)]
        return LinkChange([*outputs, *self._dialler.handle_dial_due(now)], change.gone)

    def _next_ping(self, now: Now) -> SetTimer:
        return SetTimer(PingDue(), now.mono + self._config.ping_every_s)

    # What peers say

    def on_message(self, link: Link, message: LinkMessage, now: Now) -> list[Output]:
        """What two neighbours say to each other that is not for a room. Raises ForgedRecord, Malformed."""
        match message:
            case Ping():
                return [Send((link.link,), self._links.on_ping(link, message, now), Priority.CONTROL)]
            case Pong():
                self._links.on_pong(link, message, now.mono)
            case PeerRequest(most):
                return self._exchange.on_request(link, most, now)
            case PeerResponse():
                return self._exchange.on_response(link, message, now)
            case Seen(host):
                self._whereabouts.on_seen(link, host)
                return self._say_anew(now)
            case Introduction(records):
                introduced = self._vetting.introduced(link, records, now)
                link.records = link.records if introduced is None else introduced
            case _:
                pass  # a type of a newer minor version, or a second hello: nothing for us
        return []


def _farewell(link: LinkId, error: RemoteError) -> Send:
    # Behind everything queued: the other side lets go of the link as soon as it reads this.
    return Send((link,), Goodbye(str(error)), Priority.BULK)


def _changed(link: Link, *, up: bool, reason: str) -> PeerChanged:
    return PeerChanged(link.peer_id, link.username, link.address, link.outbound, up, reason)
