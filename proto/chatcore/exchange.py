"""Peer exchange: which peers others are told of, and what is made of what they tell.

Tells each only what its own network may know, and nobody much. Refuses to keep links.
"""

from chatcore.addresses import Scope
from chatcore.clock import Now
from chatcore.counters import Counters
from chatcore.dialler import Dialler
from chatcore.events import Output, Priority, Send
from chatcore.ids import PeerId
from chatcore.links import Link, Links
from chatcore.messages import MAX_PEER_RECORDS, PeerRequest, PeerResponse
from chatcore.records import PeerRecord
from chatcore.rng import Rng
from chatcore.shunned import Shunned
from chatcore.vetting import Vetting

MAX_TOLD_SHARE = 0.23
LEAST_TOLD = 32
TOLD_AGAIN_S = 300.0
"""Of all peers that have answered, nobody is told more than 23% (Bitcoin's MAX_PCT_ADDR_TO_SEND), or 32 where
that is less; and for 5 minutes everybody is told the same, so that asking often shows no more of them."""


class Exchange:
    def __init__(
        self,
        *,
        links: Links,
        dialler: Dialler,
        vetting: Vetting,
        shunned: Shunned,
        counters: Counters,
        rng: Rng,
    ) -> None:
        self._links = links
        self._dialler = dialler
        self._vetting = vetting
        self._shunned = shunned
        self._counters = counters
        self._rng = rng
        self._told: dict[Scope, tuple[float, list[PeerRecord]]] = {}
        """Until when everybody of a scope is told the same, and what."""

    def ask(self, link: Link) -> Send:
        """For peers this one knows; it may answer once."""
        link.asked_peers = True
        return Send((link.link,), PeerRequest(MAX_PEER_RECORDS), Priority.CONTROL)

    def on_request(self, link: Link, most: int, now: Now) -> list[Output]:
        if not self._links.may_ask_peers(link, now.mono):
            self._counters.blame(link.link, "peer_request_rate")
            return []
        response = self.others(link.peer_id, link.scope, most, now)
        return [Send((link.link,), response, Priority.CONTROL)]

    def others(self, asker: PeerId, scope: Scope, most: int, now: Now) -> PeerResponse:
        """What somebody of that scope may be told of others than itself, and than whom we shun."""
        hidden = {asker, *self._shunned.peer_ids(now.mono)}
        told = [record for record in self._told_to(scope, now) if record.peer_id not in hidden]
        return PeerResponse(tuple(told[: min(most, MAX_PEER_RECORDS)]))

    def _told_to(self, scope: Scope, now: Now) -> list[PeerRecord]:
        until, told = self._told.get(scope, (0.0, []))
        if now.mono < until:
            return told
        known = {record.peer_id: record for record in self._dialler.proven() if record.is_current(now)}
        for link in self._links:
            record = link.record_for(scope)
            if record is not None:
                known[link.peer_id] = record
        fitting = [record for record in known.values() if record.scope >= scope]
        most = max(LEAST_TOLD, int(MAX_TOLD_SHARE * len(fitting)))
        told = self._rng.sample(fitting, min(most, len(fitting)))
        if len(told) < len(fitting):  # else there is nothing to hide
            self._told[scope] = (now.mono + TOLD_AGAIN_S, told)
        return told

    def on_response(self, link: Link, message: PeerResponse, now: Now) -> list[Output]:
        """Raises ForgedRecord."""
        if not link.asked_peers:
            self._counters.blame(link.link, "unasked_peers")
            return []
        link.asked_peers = False
        self._vetting.vet(link, message.peers, now, asked=True)
        return self._dialler.handle_dial_due(now)
