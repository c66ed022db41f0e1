"""What a check says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from chatcore import api


class State(IntEnum):
    """In order of weight."""

    OK = 0
    UNKNOWN = 1
    """Nothing speaks against it, and nothing proves it."""

    WARN = 2
    BROKEN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences for people. `finding` is what is so; `cause` and `fix` are empty where nothing is wrong."""

    name: str
    state: State
    finding: str
    cause: str = ""
    fix: str = ""


def worst(verdicts: Iterable[Verdict]) -> State:
    return max((verdict.state for verdict in verdicts), default=State.OK)


def diagnosis(verdicts: Sequence[Verdict]) -> api.Diagnosis:
    return {
        "state": worst(verdicts).name.lower(),
        "checks": [
            {
                "name": verdict.name,
                "state": verdict.state.name.lower(),
                "finding": verdict.finding,
                "cause": verdict.cause or None,
                "fix": verdict.fix or None,
            }
            for verdict in verdicts
        ],
    }
