"""`chatd --check`: what was found, as lines for people or one JSON document."""

import json
from collections.abc import Sequence

from chatd.doctor.verdicts import Verdict, diagnosis

_INDENT = " " * 19


def lines(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(line for verdict in verdicts for line in _lines(verdict))


def _lines(verdict: Verdict) -> list[str]:
    said = [f"{verdict.state.name.lower():7} {verdict.name:10} {verdict.finding}"]
    said += [f"{_INDENT}{word}: {text}" for word, text in _more(verdict) if text]
    return said


def _more(verdict: Verdict) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("cause", verdict.cause), ("fix", verdict.fix)


def document(verdicts: Sequence[Verdict]) -> str:
    return json.dumps(diagnosis(verdicts))
