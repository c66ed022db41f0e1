"""Where this node may be dialled, and its signed word for it: one record for each scope.

A node that listens everywhere does not know its own address. It takes the operator's word, that of its own
sockets, or, behind a NAT, what peers of two networks see alike. Knows nothing of other peers' addresses.
"""

from chatcore.addresses import Scope, scope_at, scope_of
from chatcore.clock import Now
from chatcore.config import NodeConfig
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.links import Link
from chatcore.names import join_address
from chatcore.records import MAX_AHEAD_S, MAX_TIME, PeerRecord, sign_record

SIGN_AGAIN_S = 6 * 3600.0
"""A record lives for a day, so a peer hears of each of us several times before the last one is too old."""

MOVE_EVERY_S = 10.0
"""Within it we do not name another address of one scope: two witnesses that change their minds would else
make us flood our neighbours, who part from whoever introduces itself too often. The next ping tells it."""

WITNESSES = 2
"""Groups that must see us at the same address. Who lies can at worst make us name a wrong address of our own,
which costs whoever dials it one failure; two networks that lie are as far as this goes."""


class Whereabouts:
    def __init__(self, identity: Identity, config: NodeConfig) -> None:
        self._identity = identity
        self._port = config.listen_port
        self._anywhere = not config.listen_host
        self._fixed: dict[Scope, str] = {}
        told = [
            *config.advertise,
            *([join_address(config.listen_host, self._port)] if config.listen_host else []),
        ]
        for address in told if self._port else ():
            scope = scope_at(address)
            if scope is not None:
                self._fixed.setdefault(scope, address)
        self._local: dict[LinkId, str] = {}
        self._seen: dict[LinkId, tuple[bytes, str]] = {}
        """Behind each link, as far as it can be a witness: its group, and as whom it sees us."""

        self._records: dict[Scope, PeerRecord] = {}
        self._signed_at: dict[Scope, float] = {}

    def records_for(self, scope: Scope) -> tuple[PeerRecord, ...]:
        """For a peer of that scope: nothing of a network it is not in."""
        return tuple(record for of, record in sorted(self._records.items()) if of >= scope)

    def handle_link_up(self, link: Link) -> None:
        if self._anywhere and scope_of(link.local) is link.scope:
            self._local[link.link] = link.local

    def handle_link_gone(self, link: LinkId) -> None:
        self._local.pop(link, None)
        self._seen.pop(link, None)

    def on_seen(self, link: Link, host: str) -> None:
        if link.scope is scope_of(host) is Scope.GLOBAL:
            self._seen[link.link] = (link.group, host)

    def update(self, now: Now) -> bool:
        """Sign what has changed, grown old, or is of the future. Whether there is anything new to tell."""
        time = min(max(now.wall_ms // 1000, 0), MAX_TIME)  # a clock out of its mind still has to fit
        changed = False
        for scope in Scope:
            address = self._address(scope)
            old = self._records.get(scope)
            # One signed while our clock was ahead is refused by everybody, for as long as it was ahead.
            if address is None or (
                old is not None and old.address == address and -MAX_AHEAD_S <= time - old.time < SIGN_AGAIN_S
            ):
                continue
            if now.mono - self._signed_at.get(scope, -MOVE_EVERY_S) < MOVE_EVERY_S:
                continue
            self._signed_at[scope] = now.mono
            self._records[scope] = sign_record(self._identity, address, time)
            changed = True
        return changed

    def _address(self, scope: Scope) -> str | None:
        """None when there is no more to say than before."""
        if scope in self._fixed or not self._port:
            return self._fixed.get(scope)
        hosts = {host for host in self._local.values() if scope_of(host) is scope}
        if not hosts and scope is Scope.GLOBAL:
            hosts = self._witnessed()
        old = self._records.get(scope)
        addresses = sorted(join_address(host, self._port) for host in hosts)
        if old is not None and (old.address in addresses or not addresses):
            return old.address
        return addresses[0] if addresses else None

    def _witnessed(self) -> set[str]:
        groups: dict[str, set[bytes]] = {}
        for group, host in self._seen.values():
            groups.setdefault(host, set()).add(group)
        return {host for host, of in groups.items() if len(of) >= WITNESSES}
