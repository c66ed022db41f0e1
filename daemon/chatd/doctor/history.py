"""The store: does it take messages, is it whole, how near is its limit."""

from dataclasses import dataclass

from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count, size, span
from chatd.store import Policy

NEAR_THE_LIMIT = 0.8


@dataclass(frozen=True, slots=True)
class History:
    """`failing`: what the last write ended with, and `mend` what to do about it, where that is known;
    `quarantined`: folders with damaged files moved aside."""

    used_bytes: int
    policy: Policy
    persist: bool = True
    failing: str | None = None
    mend: str = ""
    damaged: int = 0
    quarantined: tuple[str, ...] = ()
    restored: bool = False


def check_store(history: History) -> Verdict:
    """The worst of what is so, as one line."""
    used, most = history.used_bytes, history.policy.most_bytes
    if history.failing is not None:
        fix = history.mend or "free disk space; the next message is then stored"
        return Verdict("store", State.BROKEN, "messages are not stored", history.failing, fix)
    if history.restored:
        return Verdict(
            "store",
            State.WARN,
            "this node sends nothing yet",
            "it was restored from a backup and has not caught up with a member of its rooms",
            "link it with one; if none is left: chatctl call node.caught_up",
        )
    if history.damaged or history.quarantined:
        what = [f"{count(history.damaged, 'record')} with a wrong checksum"] if history.damaged else []
        what += [f"a damaged file was moved to {path}" for path in history.quarantined]
        fix = "see whether the disk is sound; remove the folder once it is of no use any more"
        return Verdict("store", State.WARN, "part of the history was damaged", ", ".join(what), fix)
    if most is not None and used >= NEAR_THE_LIMIT * most:
        return Verdict(
            "store",
            State.WARN,
            f"{size(used)} used of the {size(most)} it may have",
            "near the limit the oldest messages are removed",
            "raise --max-store, or pin what is to stay",
        )
    return Verdict("store", State.OK, _well(history))


def _well(history: History) -> str:
    most, retain = history.policy.most_bytes, history.policy.retain_ms
    limit = "no limit" if most is None else f"{size(most)} at most"
    kept = "forever" if retain is None else f"for {span(retain / 1000)}"
    until = "" if history.persist else ", and only until the daemon stops"
    return f"{size(history.used_bytes)} used, {limit}; messages are kept {kept}{until}"
