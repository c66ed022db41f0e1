"""Addresses this node was told to reach: does the name resolve, who answers, is it one of ours?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatcore.errors import PeerBlocked, PeerDiscouraged, RemoteError
from chatcore.names import split_address
from chatd import twins
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count, span
from chatd.ownaddress import is_own

_NAME = "bootstrap"
MAX_TARGETS_SHOWN = 8
"""And tried, for the doctor's visit; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a try just now came to. `unresolved` and `unanswered` say why not; `hosts` the name stands for."""

    hosts: tuple[str, ...] = ()
    unresolved: str | None = None
    unanswered: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Of the addresses that were given, how many are linked, and those where our own identity answers;
    `listening` is where we listen."""

    answering: int
    ours: tuple[str, ...] = ()
    listening: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """An address without a link; `reason` and `kind` are of the error the last dial ended with. `refusal` is
    why there will be no other: what is held against the peer there, the one with the short id `peer`."""

    address: str
    reason: str | None = None
    kind: str | None = None
    next_try_s: float | None = None
    failures: int = 0
    refusal: RemoteError | None = None
    peer: str = ""


def check_bootstrap(given: Given, targets: Sequence[tuple[Target, Probe]], *, linked: bool) -> list[Verdict]:
    """Each that is not linked has a verdict. They are no catastrophe while anybody else is `linked`."""
    verdicts = [_judge_own(address, given) for address in given.ours]
    if given.answering:
        answered = f"{count(given.answering, 'address', 'addresses')} answered"
        verdicts.append(Verdict(_NAME, State.OK, answered))
    elif not targets and not given.ours:
        verdicts.append(Verdict(_NAME, State.OK, "no address was given to start with"))
    verdicts += [_judge(target, probe) for target, probe in targets[:MAX_TARGETS_SHOWN]]
    if len(targets) > MAX_TARGETS_SHOWN:
        more = f"{len(targets) - MAX_TARGETS_SHOWN} more addresses do not answer"
        verdicts.append(Verdict(_NAME, State.WARN, more, fix="chatctl status tells of each"))
    if not linked:
        return verdicts
    return [replace(item, state=min(item.state, State.WARN)) for item in verdicts]


def _judge_own(address: str, given: Given) -> Verdict:
    """One list of addresses for all nodes of a network is common, and holds each one's own."""
    if not is_own(address, given.listening):
        cause = "a copy of this node runs there, or the address leads back to this one"
        fix = f"if it is a copy: {twins.FIX}"
        return Verdict(_NAME, State.WARN, f"{address}: this node's own identity answers there", cause, fix)
    finding = f"{address}: it is this node's own address"
    if given.answering:
        return Verdict(_NAME, State.OK, finding)
    return Verdict(
        _NAME, State.WARN, finding, "a node cannot start with itself", "give another node's with --bootstrap"
    )


def _judge(target: Target, probe: Probe) -> Verdict:
    if target.refusal is not None:
        cause, fix = _against(target, target.refusal)
        return Verdict(_NAME, State.WARN, f"{target.address}: it is not dialled", cause, fix)
    cause, fix = _why(target, probe)
    if not cause:
        return Verdict(_NAME, State.UNKNOWN, f"{target.address}: it is being dialled{_again(target)}")
    return Verdict(_NAME, State.BROKEN, f"{target.address}: no link{_again(target)}", cause, fix)


def _against(target: Target, refusal: RemoteError) -> tuple[str, str]:
    """What keeps us from a peer that may well answer, and what ends it."""
    unblock = f"chatctl unblock {target.peer}"
    match refusal:
        case PeerBlocked():
            return f"{target.peer}, which answers there, is blocked", unblock
        case PeerDiscouraged():
            return f"{target.peer}, which answers there, is {refusal}", f"wait so long, or {unblock}"
        case _:
            return f"{target.peer}, which answers there: {refusal}", f"chatctl connect {target.address}"


def _again(target: Target) -> str:
    tries = f" after {target.failures} tries" if target.failures > 1 else ""
    again = "" if target.next_try_s is None else f"; the next try is in {span(round(target.next_try_s))}"
    return tries + again


def _why(target: Target, probe: Probe) -> tuple[str, str]:
    """Cause and fix; no cause where nothing has failed yet."""
    host, port = split_address(target.address)
    if probe.unresolved is not None:
        return (
            f"the name {host} does not resolve: {probe.unresolved}",
            f"check its spelling and this machine's DNS: getent hosts {host}",
        )
    reason = target.reason or ""
    match target.kind:
        case "network":
            fix = "use the same --network and the same --network-key file on both sides"
            return f"it is of another network, or has another network key: {reason}", fix
        case "version":
            return reason, "update the older one"
        case "not_chatd":
            return reason, f"check the address: is {port} the port of a chatd?"
        case "handshake" if probe.unanswered is None:
            return f"somebody answers, and does not shake hands: {reason}", "see the log of that node"
    if probe.unanswered is not None:
        fix = f"see whether chatd runs on {host}, whether {port} is its port, and what firewalls say"
        return probe.unanswered, fix
    if target.reason is None:
        return "", ""
    if target.reason == twins.TAKEN:
        return target.reason, "wait for the next try, and see what is said of identity"
    return f"{target.reason}; a connection is taken there now", "wait for the next try"
