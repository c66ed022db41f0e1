"""Does this machine's clock agree with its peers'? Peers may lie: what they say moves no clock."""

from collections.abc import Sequence
from statistics import median

from chatcore.clock import MAX_SKEW_MS
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count, span

_NAME = "clock"
_SET_IT = "set the clock: timedatectl set-ntp true"


def check_clock(ahead_ms: Sequence[int], too_early: int = 0) -> Verdict:
    """`ahead_ms`: how far each peer that says so is ahead of us; `too_early`: messages from the future
    within the last hour."""
    peers = len(ahead_ms)
    if not peers:
        return _without_peers(too_early)
    fast = [-ahead for ahead in ahead_ms if ahead <= -MAX_SKEW_MS]
    slow = [ahead for ahead in ahead_ms if ahead >= MAX_SKEW_MS]
    far = max(fast, slow, key=len)
    if not far:
        apart = span(abs(median(ahead_ms)) / 1000)
        return Verdict(_NAME, State.OK, f"{apart} from {count(peers, 'peer')}, by the middle one")
    way = "ahead of" if far is fast else "behind"
    how = f"about {span(median(far) / 1000)} {way} {len(far)} of {peers} peers"
    if 2 * len(far) > peers:
        lost = "peers refuse what is said here" if far is fast else "what peers say is refused here"
        alone = "; or that peer's clock is wrong: ask what time it is there" if peers == 1 else ""
        return Verdict(_NAME, State.BROKEN, lost, f"this machine's clock is {how}{alone}", _SET_IT)
    if 2 * len(far) == peers:
        whose = f"this machine's clock is {how}, and agrees with as many"
        return Verdict(_NAME, State.WARN, "clocks are 10 minutes apart, or more", whose, _SET_IT)
    return Verdict(
        _NAME,
        State.WARN,
        f"the clocks of {len(fast) + len(slow)} of {peers} peers are 10 minutes off, or more",
        "theirs, most likely: the others agree with this machine's",
        "tell their owners; until then this node and those refuse each other's messages",
    )


def _without_peers(too_early: int) -> Verdict:
    if not too_early:
        return Verdict(_NAME, State.UNKNOWN, "no peer has told what its clock shows")
    return Verdict(
        _NAME,
        State.WARN,
        f"{count(too_early, 'message')} from the future {'was' if too_early == 1 else 'were'} refused",
        "this machine's clock is behind, or that of their authors is ahead",
        _SET_IT,
    )
