"""Whom this node is linked with: how many, from whose networks, and of which version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatcore.addresses import Scope, host_at, nearness, network_of
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count

FEW_GROUPS_OF = 3
"""So many peers of one network are one owner's, who could keep from us what he likes (an eclipse)."""

_AGENT = re.compile(r"chatd/(\d{1,4})\.(\d{1,4})")
_FIND = "give one with --bootstrap HOST:PORT, or chatctl connect HOST:PORT"


@dataclass(frozen=True, slots=True)
class Company:
    """`addresses` and `agents` of linked peers; `strangers` counts callers of other networks within the last
    hour, `heard_of` addresses that nobody gave and that it may dial."""

    addresses: tuple[str, ...]
    inbound: int
    agents: tuple[str, ...]
    strangers: int
    dials_somebody: bool
    heard_of: int = 0


def check_peers(company: Company) -> Verdict:
    peers = len(company.addresses)
    if not peers:
        return _alone(company)
    networks = {network_of(host_at(address)) for address in company.addresses}
    linked = f"linked with {count(peers, 'peer')}: {peers - company.inbound} out, {company.inbound} in"
    public = any(nearness(host_at(address)) is Scope.GLOBAL for address in company.addresses)
    if len(networks) == 1 and peers >= FEW_GROUPS_OF and public:
        return Verdict(
            "peers",
            State.WARN,
            linked,
            f"all are in one network, {networks.pop()}: whoever runs it could keep messages from this node",
            f"link with somebody elsewhere: {_FIND}",
        )
    return Verdict("peers", State.OK, f"{linked}, from {count(len(networks), 'network')}")


def _alone(company: Company) -> Verdict:
    if company.dials_somebody:
        cause, fix = "nobody it dials has answered", "see what is said of each address"
    elif company.strangers:
        callers = count(company.strangers, "caller")
        cause = f"{callers} of another network, or with another network key, came within the last hour"
        fix = "compare --network and --network-key on both sides"
    elif company.heard_of:
        cause = f"it dials {count(company.heard_of, 'address', 'addresses')} it has heard of; nobody answers"
        fix = f"wait, as it goes on; or {_FIND}"
    else:
        cause, fix = "it knows no address, and nobody has called", _FIND
    return Verdict("peers", State.WARN, "linked with nobody", cause, fix)


def check_versions(own: str, agents: Sequence[str]) -> Verdict:
    """What peers say of themselves; only the minor version matters."""
    ours = _version(f"chatd/{own}")
    theirs = [version for version in map(_version, agents) if version is not None]
    if ours is None or not theirs:
        return Verdict("versions", State.UNKNOWN, f"this is {own}; no peer has told its version")
    newer = [version for version in theirs if version > ours]
    older = [version for version in theirs if version < ours]
    if newer:
        newest = "{}.{}".format(*max(newer))
        return Verdict(
            "versions",
            State.WARN,
            f"{len(newer)} of {len(theirs)} peers run a newer version",
            f"this is {own}, theirs is up to {newest}",
            "update this chatd",
        )
    skew = f"{len(older)} older" if older else "none older"
    return Verdict("versions", State.OK, f"this is {own}; of {count(len(theirs), 'peer')} {skew}, none newer")


def _version(agent: str) -> tuple[int, int] | None:
    found = _AGENT.match(agent)
    return None if found is None else (int(found[1]), int(found[2]))
