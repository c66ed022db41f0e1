"""The way in: what this node listens on, and whether anybody has ever come from outside."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chatcore.addresses import Scope, host_at, is_everywhere, nearness
from chatcore.names import split_address
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import span


@dataclass(frozen=True, slots=True)
class Doors:
    """`listening`: at least one address; `own`: this machine's addresses, with the port; `called_from`:
    whence peers called since the start."""

    listening: tuple[str, ...]
    own: tuple[str, ...]
    called_from: frozenset[Scope]
    uptime_s: float

    @property
    def reachable(self) -> tuple[str, ...]:
        """Where it can be called, by its own knowledge."""
        if any(is_everywhere(host_at(address)) for address in self.listening):
            return self.own
        return self.listening


def check_listening(doors: Doors) -> Verdict:
    where = " and ".join(doors.listening)
    if not doors.reachable:
        return Verdict(
            "listening",
            State.WARN,
            f"on {where}",
            "this machine has no address that others could reach",
            "connect it to a network (ip address shows its interfaces)",
        )
    if _widest(doors.reachable) is Scope.LOOPBACK:
        return Verdict(
            "listening",
            State.WARN,
            f"on {where}",
            "only this machine itself can reach it there",
            "listen on all addresses: --host 0.0.0.0",
        )
    return Verdict("listening", State.OK, f"on {where}")


def check_inbound(doors: Doors) -> Verdict:
    """Nobody can know from inside that nobody can call; only calls prove something."""
    since = f"in {span(doors.uptime_s)}"
    if Scope.GLOBAL in doors.called_from:
        return Verdict("inbound", State.OK, "peers have called from outside")
    public = [address for address in doors.reachable if nearness(host_at(address)) is Scope.GLOBAL]
    port = split_address(doors.listening[0])[1]
    near = "from the local network alone" if Scope.LAN in doors.called_from else "from outside"
    nobody = f"peers have called {near}, {since}" if "alone" in near else f"nobody has called {near} {since}"
    if public:
        cause = f"it has the public address {public[0]}, and a firewall may be before it"
        return Verdict("inbound", State.UNKNOWN, nobody, cause, f"let TCP port {port} in")
    if _widest(doors.reachable) is Scope.LAN:
        lan = next(address for address in doors.reachable if nearness(host_at(address)) is Scope.LAN)
        return Verdict(
            "inbound",
            State.UNKNOWN,
            nobody,
            "its addresses are of a local network, so a router stands between it and the internet",
            f"to be called from outside, have the router forward TCP port {port} to {lan}",
        )
    return Verdict("inbound", State.UNKNOWN, nobody)


def _widest(addresses: Collection[str] | Sequence[str]) -> Scope:
    return max((nearness(host_at(address)) for address in addresses), default=Scope.LOOPBACK)
