"""Whether this node is the only one with its identity."""

from chatd import twins
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import span

_NAME = "identity"
FIX = f"{twins.FIX}: see Backup and restore in docs/operations.md"


def check_identity(replaced: int) -> Verdict:
    """`replaced`: how often lately one peer let go of us for another link of ours."""
    if replaced < twins.OFTEN:
        return Verdict(_NAME, State.OK, "nothing says that it runs somewhere else, too")
    return Verdict(
        _NAME,
        State.BROKEN,
        "this identity most likely runs somewhere else, too",
        f"a peer ended its link {replaced} times in {span(twins.WITHIN_S)} because another took its place",
        FIX,
    )
