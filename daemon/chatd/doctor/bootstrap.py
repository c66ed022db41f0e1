"""Addresses this node was told to reach: does the name resolve, who answers, is it one of ours?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatcore.names import split_address
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count, span

_NAME = "bootstrap"
MAX_TARGETS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Probe:
    """What a try just now came to. `unresolved` and `unanswered` say why not; `hosts` the name stands for."""

    hosts: tuple[str, ...] = ()
    unresolved: str | None = None
    unanswered: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An address without a link; `reason` and `kind` are of the error the last dial ended with."""

    address: str
    reason: str | None = None
    kind: str | None = None
    next_try_s: float | None = None
    failures: int = 0


def check_bootstrap(
    answering: int, targets: Sequence[tuple[Target, Probe]], *, linked: bool
) -> list[Verdict]:
    """`answering` are linked; of the others each has a verdict. They are no catastrophe while anybody else is
    `linked`."""
    verdicts = []
    if answering:
        verdicts.append(Verdict(_NAME, State.OK, f"{count(answering, 'address', 'addresses')} answered"))
    elif not targets:
        verdicts.append(Verdict(_NAME, State.OK, "no address was given to start with"))
    verdicts += [_judge(target, probe) for target, probe in targets[:MAX_TARGETS_SHOWN]]
    if len(targets) > MAX_TARGETS_SHOWN:
        more = f"{len(targets) - MAX_TARGETS_SHOWN} more addresses do not answer"
        verdicts.append(Verdict(_NAME, State.WARN, more, fix="chatctl status tells of each"))
    if not linked:
        return verdicts
    return [replace(item, state=min(item.state, State.WARN)) for item in verdicts]


def _judge(target: Target, probe: Probe) -> Verdict:
    cause, fix = _why(target, probe)
    if not cause:
        return Verdict(_NAME, State.UNKNOWN, f"{target.address}: it is being dialled{_again(target)}")
    return Verdict(_NAME, State.BROKEN, f"{target.address}: no link{_again(target)}", cause, fix)


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
    return f"{target.reason}; a connection is taken there now", "wait for the next try"
